package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Applications of composite operations, in the shapes that models use them in and in awkward ones. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class FusedCases {

    private static final long[] SIZES = {1, 4, 6, 7, 31, 64, 207, 702};

    private final Inputs inputs;
    private final DType type;
    private final List<OpCase> cases = new ArrayList<>();

    private FusedCases(DType type, SplittableRandom random) {
        this.type = type;
        this.inputs = new Inputs(random, type);
    }

    /** Names of the composite operations but {@code slice_scatter}, which computes nothing. */
    public static List<String> operations() {
        return List.of(
                "softmax",
                "log_softmax",
                "gelu",
                "gelu_tanh",
                "quick_gelu",
                "silu",
                "linear",
                "layer_norm",
                "rms_norm",
                "rotate",
                "attention");
    }

    /** Applications of one of {@link #operations()}. */
    public static List<OpCase> of(String operation, DType type, SplittableRandom random) {
        FusedCases made = new FusedCases(type, random);
        switch (operation) {
            case "softmax" -> made.softmax(false);
            case "log_softmax" -> made.softmax(true);
            case "gelu" -> made.activation(Op.ActivationKind.GELU);
            case "gelu_tanh" -> made.activation(Op.ActivationKind.GELU_TANH);
            case "quick_gelu" -> made.activation(Op.ActivationKind.QUICK_GELU);
            case "silu" -> made.activation(Op.ActivationKind.SILU);
            case "linear" -> made.linear();
            case "layer_norm" -> made.layerNorm();
            case "rms_norm" -> made.rmsNorm();
            case "rotate" -> made.rotate();
            case "attention" -> made.attention();
            default -> throw new IllegalArgumentException("No cases for " + operation);
        }
        return made.cases;
    }

    /** Names of the composite operations that derivatives are made of. */
    public static List<String> gradients() {
        return List.of(
                "gelu_gradient",
                "gelu_tanh_gradient",
                "quick_gelu_gradient",
                "silu_gradient",
                "softmax_gradient",
                "log_softmax_gradient",
                "layer_norm_gradient",
                "rms_norm_gradient");
    }

    /** Applications of one of {@link #gradients()}. */
    static List<OpCase> ofGradient(String operation, DType type, SplittableRandom random) {
        FusedCases made = new FusedCases(type, random);
        switch (operation) {
            case "gelu_gradient" -> made.activationGradient(Op.ActivationKind.GELU);
            case "gelu_tanh_gradient" -> made.activationGradient(Op.ActivationKind.GELU_TANH);
            case "quick_gelu_gradient" -> made.activationGradient(Op.ActivationKind.QUICK_GELU);
            case "silu_gradient" -> made.activationGradient(Op.ActivationKind.SILU);
            case "softmax_gradient" -> made.softmaxGradient(false);
            case "log_softmax_gradient" -> made.softmaxGradient(true);
            case "layer_norm_gradient" -> made.normGradient(true);
            case "rms_norm_gradient" -> made.normGradient(false);
            default -> throw new IllegalArgumentException("No cases for " + operation);
        }
        return made.cases;
    }

    private void activationGradient(Op.ActivationKind kind) {
        for (long size : SIZES) {
            add("normal values", new Op.ActivationGradient(kind), normal(size), scaled(3, 0, size));
        }
        add("a scalar", new Op.ActivationGradient(kind), normal(), normal());
        add("values far from 0", new Op.ActivationGradient(kind), normal(2, 31), scaled(20, 0, 2, 31));
        add("at 0", new Op.ActivationGradient(kind), normal(7), scaled(0, 0, 7));
    }

    // What a softmax gives lies between 0 and 1 and adds up to 1 along the axis.
    private void softmaxGradient(boolean logarithm) {
        for (long size : SIZES) {
            softmaxGradient(logarithm, "normal values", 1, scaled(1, 0, 3, size));
        }
        softmaxGradient(logarithm, "along the first axis", 0, normal(31, 6));
        softmaxGradient(logarithm, "along a middle axis", 1, normal(2, 7, 4));
        if (!logarithm) {
            softmaxGradient(false, "some masked", 3, masked(0.5, 2, 2, 7, 7));
            add("a masked row", new Op.SoftmaxGradient(1), normal(4, 6), scaled(0, 0, 4, 6));
        }
    }

    private void softmaxGradient(boolean logarithm, String note, int axis, HostTensor x) {
        HostTensor y = HostTensor.allocate(type, x.shape());
        double[] sums = new double[(int) x.shape().elements()];
        int inner = 1;
        for (int i = axis + 1; i < x.shape().rank(); i++) {
            inner *= (int) x.shape().size(i);
        }
        int length = (int) x.shape().size(axis);
        for (int i = 0; i < sums.length; i++) {
            sums[i / (inner * length) * inner + i % inner] += Math.exp(x.getDouble(i));
        }
        for (int i = 0; i < sums.length; i++) {
            double sum = sums[i / (inner * length) * inner + i % inner];
            double share = sum == 0 ? 0 : Math.exp(x.getDouble(i)) / sum;
            y.setDouble(i, logarithm ? Math.log(share) : share);
        }
        Op op = logarithm ? new Op.LogSoftmaxGradient(axis) : new Op.SoftmaxGradient(axis);
        add(note, op, normal(x.shape().toArray()), y);
    }

    private void normGradient(boolean centres) {
        for (long size : SIZES) {
            add("normal values", new Op.NormGradient(centres, 1e-5), normal(3, size), normal(3, size));
        }
        add("a large eps", new Op.NormGradient(centres, 0.5), normal(4, 31), scaled(0.1, 0, 4, 31));
        add("rank 1", new Op.NormGradient(centres, 1e-5), normal(31), normal(31));
        add("rank 4", new Op.NormGradient(centres, 1e-5), normal(2, 3, 4, 6), normal(2, 3, 4, 6));
    }

    private void add(String note, Op op, HostTensor... operands) {
        cases.add(new OpCase(op, List.of(operands), note));
    }

    private HostTensor normal(long... sizes) {
        return inputs.normal(sizes);
    }

    private HostTensor scaled(double factor, double offset, long... sizes) {
        HostTensor plain = normal(sizes);
        HostTensor result = HostTensor.allocate(type, plain.shape());
        for (int i = 0; i < plain.shape().elements(); i++) {
            result.setDouble(i, plain.getDouble(i) * factor + offset);
        }
        return result;
    }

    private void softmax(boolean logarithm) {
        for (long size : SIZES) {
            add("normal values", softmax(logarithm, 1), normal(3, size));
        }
        add("along the first axis", softmax(logarithm, 0), normal(31, 6));
        add("along a middle axis", softmax(logarithm, 1), normal(2, 7, 4));
        add("large values", softmax(logarithm, 2), scaled(100, 0, 2, 3, 31));
        add("values around -1000", softmax(logarithm, 0), scaled(1, -1000, 64));
        if (!logarithm) {
            add("some masked with -inf", softmax(false, 3), masked(0.5, 2, 2, 7, 7));
            add("every row masked with -inf", softmax(false, 1), masked(1, 4, 6));
        }
    }

    private static Op softmax(boolean logarithm, int axis) {
        return logarithm ? new Op.LogSoftmax(axis) : new Op.Softmax(axis);
    }

    private HostTensor masked(double probability, long... sizes) {
        HostTensor result = normal(sizes);
        HostTensor mask = inputs.bools(result.shape(), probability);
        for (int i = 0; i < result.shape().elements(); i++) {
            if (mask.getDouble(i) != 0) {
                result.setDouble(i, Double.NEGATIVE_INFINITY);
            }
        }
        return result;
    }

    private void activation(Op.ActivationKind kind) {
        for (long size : SIZES) {
            add("normal values", new Op.Activation(kind), scaled(3, 0, size));
        }
        add("a scalar", new Op.Activation(kind), normal());
        add("large values", new Op.Activation(kind), scaled(1000, 0, 2, 31));
        add("tiny values", new Op.Activation(kind), inputs.tensor(Shape.of(64), Pattern.TINY, Domain.ANY));
    }

    private void linear() {
        long[][] widths = {{1, 1}, {4, 6}, {7, 31}, {64, 207}, {207, 7}, {702, 4}};
        for (long[] width : widths) {
            add("", new Op.Linear(), normal(2, 3, width[0]), normal(width), normal(width[1]));
        }
        add("x of rank 1", new Op.Linear(), normal(31), normal(31, 6), normal(6));
        add("x of rank 2", new Op.Linear(), normal(7, 64), normal(64, 4), normal(4));
        add("x of rank 4", new Op.Linear(), normal(2, 3, 4, 6), normal(6, 7), normal(7));
    }

    private void layerNorm() {
        for (long size : SIZES) {
            add("without parameters", new Op.LayerNorm(1e-5), normal(3, size));
            add("with parameters", new Op.LayerNorm(1e-5), normal(2, 3, size), normal(size), normal(size));
        }
        add("a mean ten times the spread", new Op.LayerNorm(1e-6), scaled(1, 10, 4, 64));
        add("a large eps", new Op.LayerNorm(0.5), scaled(0.1, 0, 4, 31));
        add("rank 1", new Op.LayerNorm(1e-5), normal(31));
        // In 16 bits the squares of such numbers underflow where they are kept in the type itself.
        if (type.bytes() > 2) {
            add("small values", new Op.LayerNorm(1e-12), scaled(1e-4, 0, 4, 31));
        }
    }

    private void rmsNorm() {
        for (long size : SIZES) {
            add("without parameters", new Op.RmsNorm(1e-5), normal(3, size));
            add("with parameters", new Op.RmsNorm(1e-6), normal(2, 3, size), normal(size));
        }
        add("a large eps", new Op.RmsNorm(0.5), scaled(0.1, 0, 4, 31));
        add("rank 1", new Op.RmsNorm(1e-5), normal(31));
    }

    private void rotate() {
        add("all entries", new Op.Rotate(), normal(2, 7, 4, 6), normal(2, 7, 3), normal(2, 7, 3));
        add("some entries", new Op.Rotate(), normal(1, 31, 1, 12), normal(1, 31, 2), normal(1, 31, 2));
        add("an odd rest", new Op.Rotate(), normal(2, 4, 3, 7), normal(2, 4, 3), normal(2, 4, 3));
        add("one position", new Op.Rotate(), normal(1, 1, 6, 64), normal(1, 1, 32), normal(1, 1, 32));
    }

    private void attention() {
        attention("one head, one key", 1, 1, 1, 1, 1, 4, 4, Mask.ALL);
        attention("causal", 2, 7, 7, 4, 4, 6, 6, Mask.CAUSAL);
        attention("causal, grouped heads", 2, 6, 6, 6, 2, 4, 4, Mask.CAUSAL);
        attention("one key/value head", 1, 31, 31, 4, 1, 8, 8, Mask.CAUSAL);
        attention("with a past", 2, 4, 31, 4, 2, 6, 6, Mask.CAUSAL);
        attention("one query with a past", 1, 1, 64, 2, 2, 16, 16, Mask.ALL);
        attention("random mask, some queries see nothing", 2, 7, 6, 2, 1, 4, 4, Mask.RANDOM);
        attention("no query sees anything", 1, 4, 4, 2, 2, 4, 4, Mask.NONE);
        attention("values of another width", 1, 7, 7, 2, 2, 6, 31, Mask.CAUSAL);
        attention("a long sequence", 1, 64, 207, 2, 2, 8, 8, Mask.CAUSAL);
        // Gemma divides by another number than the root of a head's width.
        attention("a scale of its own", 0.9, 2, 6, 6, 4, 2, 4, 4, Mask.CAUSAL);
        attention("another mask for each row of the batch", 3, 5, 5, 2, 2, 4, 4, Mask.RANDOM);
    }

    private enum Mask {
        ALL,
        NONE,
        CAUSAL,
        RANDOM
    }

    private void attention(String note, long b, long p, long t, long h, long kv, long d, long e, Mask kind) {
        attention(note, 1 / Math.sqrt((double) d), b, p, t, h, kv, d, e, kind);
    }

    private void attention(
            String note, double scale, long b, long p, long t, long h, long kv, long d, long e, Mask kind) {
        HostTensor mask = HostTensor.allocate(DType.BOOL, Shape.of(b, 1, p, t));
        HostTensor chance = inputs.bools(mask.shape(), 0.3);
        for (int i = 0; i < mask.shape().elements(); i++) {
            long key = i % t;
            long query = i / t % p + t - p;
            boolean visible = switch (kind) {
                case ALL -> true;
                case NONE -> false;
                case CAUSAL -> key <= query;
                case RANDOM -> chance.getDouble(i) != 0 && query % 3 != 0;
            };
            mask.setDouble(i, visible ? 1 : 0);
        }
        add(note, new Op.Attention(scale), normal(b, p, h, d), normal(b, t, kv, d), normal(b, t, kv, e), mask);
    }
}
