package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/**
 * Operations at sizes of real models, a few for each kind: beyond the tiles, tails and narrow indices of kernels that
 * small cases never reach.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class SizeCases {

    /** Beyond 4,096, and no multiple of anything. */
    private static final long WIDE = 4099;
    /** GPT-2's vocabulary. */
    private static final long VOCABULARY = 50_257;
    /** More rows than 16 bits count. */
    private static final long ROWS = 70_001;
    /** A hidden layer of a large model, and one. */
    private static final long HIDDEN = 11_009;

    private final Inputs inputs;
    private final DType type;
    private final Map<String, List<OpCase>> cases = new LinkedHashMap<>();

    private SizeCases(DType type, SplittableRandom random) {
        this.type = type;
        this.inputs = new Inputs(random, type);
    }

    /** Cases by the name of the operation. */
    public static Map<String, List<OpCase>> of(DType type, SplittableRandom random) {
        SizeCases made = new SizeCases(type, random);
        made.alongAWideAxis();
        made.products();
        made.choosing();
        made.moving();
        made.batches();
        return made.cases;
    }

    private void add(String note, Op op, HostTensor... operands) {
        cases.computeIfAbsent(op.name(), name -> new ArrayList<>()).add(new OpCase(op, List.of(operands), note));
    }

    private HostTensor normal(long... sizes) {
        return inputs.normal(sizes);
    }

    /** Numbers whose sum grows with each, so that an accumulator of 16 bits stops counting. */
    private HostTensor growing(long... sizes) {
        HostTensor made = HostTensor.allocate(type, Shape.of(sizes));
        HostTensor random = inputs.normal(sizes);
        for (int i = 0; i < made.shape().elements(); i++) {
            made.setDouble(i, 1 + Math.min(0.5, Math.abs(random.getDouble(i)) / 4));
        }
        return made;
    }

    private void alongAWideAxis() {
        add("a wide last axis", new Op.Softmax(1), normal(3, WIDE));
        add("a vocabulary", new Op.Softmax(1), normal(1, VOCABULARY));
        add("a wide first axis", new Op.Softmax(0), normal(WIDE, 3));
        add("a wide last axis", new Op.LogSoftmax(1), normal(3, WIDE));
        add("a vocabulary", new Op.LogSoftmax(1), normal(1, VOCABULARY));
        add("a wide last axis", new Op.LayerNorm(1e-5), normal(3, WIDE), normal(WIDE), normal(WIDE));
        add("a wide last axis", new Op.RmsNorm(1e-6), normal(3, WIDE), normal(WIDE));
        for (Op.ReduceKind kind : Op.ReduceKind.values()) {
            HostTensor x = switch (kind) {
                case PROD -> inputs.tensor(Shape.of(3, WIDE), Pattern.NORMAL, Domain.NEAR_ONE);
                case MAX -> bestLast(3, WIDE, 1);
                case MIN -> bestLast(3, WIDE, -1);
                default -> growing(3, WIDE);
            };
            add("a wide last axis", new Op.Reduce(kind, List.of(1), true), x);
        }
        add("a wide first axis", new Op.Reduce(Op.ReduceKind.SUM, List.of(0), false), growing(WIDE, 3));
        add("a wide last axis", new Op.CumSum(1, false), growing(3, WIDE));
        add("a wide last axis", new Op.CumSum(1, true), normal(3, WIDE));
        for (Op.UnaryKind kind : List.of(Op.UnaryKind.EXP, Op.UnaryKind.TANH)) {
            add("a wide last axis", new Op.Unary(kind), normal(5, WIDE));
        }
        for (Op.ActivationKind kind : Op.ActivationKind.values()) {
            add("a wide last axis", new Op.Activation(kind), normal(5, WIDE));
        }
        add("a wide last axis", new Op.Binary(Op.BinaryKind.MUL), normal(5, WIDE), normal(WIDE));
        gradients();
    }

    private void gradients() {
        for (Op.ActivationKind kind : Op.ActivationKind.values()) {
            add("a wide last axis", new Op.ActivationGradient(kind), normal(3, WIDE), normal(3, WIDE));
        }
        add("a wide last axis", new Op.NormGradient(true, 1e-5), normal(3, WIDE), normal(3, WIDE));
        add("a wide last axis", new Op.NormGradient(false, 1e-6), normal(3, WIDE), normal(3, WIDE));
        // Shares that add up to 1, and their logarithms.
        HostTensor shares = HostTensor.allocate(type, Shape.of(3, WIDE));
        HostTensor logarithms = HostTensor.allocate(type, Shape.of(3, WIDE));
        for (int i = 0; i < shares.shape().elements(); i++) {
            double share = (1 + Math.sin(i)) / WIDE;
            shares.setDouble(i, share);
            logarithms.setDouble(i, Math.log(share + 1e-6));
        }
        add("a wide last axis", new Op.SoftmaxGradient(1), growing(3, WIDE), shares);
        add("a wide last axis", new Op.LogSoftmaxGradient(1), growing(3, WIDE), logarithms);
    }

    private void products() {
        add("a long inner axis", new Op.MatMul(), normal(3, WIDE), normal(WIDE, 5));
        add("sums that grow along a long inner axis", new Op.MatMul(), growing(5, HIDDEN), growing(HIDDEN, 3));
        add("a wide result", new Op.MatMul(), normal(5, 7), normal(7, WIDE));
        add("a long inner axis", new Op.Linear(), normal(5, 1, WIDE), normal(WIDE, 3), normal(3));
        add("sums that grow", new Op.Linear(), growing(1, 5, HIDDEN), growing(HIDDEN, 3), growing(3));
        add("a wide result", new Op.Linear(), normal(5, 7), normal(7, WIDE), normal(WIDE));
    }

    private void choosing() {
        // Equal numbers are for another rule: here it matters that the best stand late.
        add("a vocabulary", new Op.ArgReduce(true, 1, false), bestLast(2, VOCABULARY, 1));
        add("a vocabulary", new Op.ArgReduce(false, 1, false), bestLast(2, VOCABULARY, -1));
        add("a vocabulary", new Op.TopK(5, 1, true), bestLast(2, VOCABULARY, 1));
        add("many of a wide axis", new Op.TopK(300, 1, false), normal(2, WIDE));
    }

    private HostTensor bestLast(int rows, long wide, double sign) {
        HostTensor tensor = normal(rows, wide);
        int width = (int) wide;
        for (int row = 0; row < rows; row++) {
            for (int i = 1; i <= 3; i++) {
                tensor.setDouble((row + 1) * width - 2 * i - row, sign * (67 - i));
            }
        }
        return tensor;
    }

    private void moving() {
        HostTensor rows = HostTensor.of(Shape.of(7), 0L, 1L, 32_768L, 65_535L, 65_536L, 65_537L, ROWS - 1);
        add("rows beyond 65,536", new Op.Gather(0), normal(ROWS, 3), rows);
        HostTensor places = HostTensor.of(Shape.of(2, 3), ROWS - 1, 65_536L, 32_768L, 65_537L, 0L, 65_535L);
        add("places beyond 65,536", new Op.GatherElements(1), normal(2, ROWS), places);
        add("places beyond 65,536", new Op.ScatterElements(1), normal(2, ROWS), places, normal(2, 3));
        HostTensor[] nine = new HostTensor[9];
        HostTensor[] wide = new HostTensor[9];
        for (int i = 0; i < nine.length; i++) {
            nine[i] = normal(5, i % 3 + 1, 4);
            wide[i] = normal(i % 2 + 1, 607);
        }
        add("nine tensors", new Op.Concat(1), nine);
        add("nine tensors", new Op.Concat(0), wide);
        add("the end of a wide axis", new Op.Slice(1, 4090, Op.Slice.TO_END, 1), normal(3, WIDE));
        add("every third of a wide axis", new Op.Slice(1, 1, Op.Slice.TO_END, 3), normal(3, WIDE));
        add("the end of a wide axis", new Op.SliceScatter(1, 4095), normal(3, WIDE), normal(3, 4));
        add("a wide axis", new Op.Transpose(List.of(2, 0, 1)), normal(5, 3, WIDE));
    }

    private void batches() {
        add("a batch of five", new Op.MatMul(), normal(5, 2, 7, 6), normal(5, 2, 6, 9));
        add("a batch of five, broadcast", new Op.MatMul(), normal(5, 8, 4, 3, 6), normal(5, 8, 1, 6, 9));
        add("eight key/value heads in groups of four", new Op.Attention(0.4), attention(3, 9));
        add("eight key/value heads, one query", new Op.Attention(0.4), attention(1, 33));
        add("a batch of five", new Op.Rotate(), normal(5, 3, 32, 8), normal(5, 3, 4), normal(5, 3, 4));
    }

    private HostTensor[] attention(long queries, long keys) {
        HostTensor mask = HostTensor.allocate(DType.BOOL, Shape.of(5, 1, queries, keys));
        for (int i = 0; i < mask.shape().elements(); i++) {
            long row = i / keys / queries;
            long key = i % keys;
            // Each row of the batch hides other keys, so that a row taken for another shows.
            mask.setDouble(i, key <= i / keys % queries + keys - queries && (key + row) % 5 != 0 ? 1 : 0);
        }
        return new HostTensor[] {normal(5, queries, 32, 8), normal(5, keys, 8, 8), normal(5, keys, 8, 8), mask};
    }
}
