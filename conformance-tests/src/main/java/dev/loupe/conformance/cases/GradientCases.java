package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Applications of every operation that has a derivative, with numbers away from kinks, in shapes small and awkward. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class GradientCases {

    private static final Set<UnaryKind> FLAT = EnumSet.of(
            UnaryKind.SIGN, UnaryKind.FLOOR, UnaryKind.CEIL, UnaryKind.ROUND, UnaryKind.NOT, UnaryKind.IS_NAN);
    private static final Set<UnaryKind> OF_POSITIVES = EnumSet.of(UnaryKind.LOG, UnaryKind.SQRT, UnaryKind.RSQRT);
    private static final List<BinaryKind> ARITHMETIC = List.of(
            BinaryKind.ADD,
            BinaryKind.SUB,
            BinaryKind.MUL,
            BinaryKind.DIV,
            BinaryKind.POW,
            BinaryKind.MAX,
            BinaryKind.MIN);

    private final Inputs inputs;
    private final SplittableRandom random;
    private final Map<String, List<OpCase>> cases = new LinkedHashMap<>();

    private GradientCases(DType type, SplittableRandom random) {
        this.inputs = new Inputs(random, type);
        this.random = random;
    }

    /** The cases by the operation's name. */
    public static Map<String, List<OpCase>> of(DType type, SplittableRandom random) {
        GradientCases made = new GradientCases(type, random);
        made.elementwise();
        made.reductions();
        made.picks();
        made.movement();
        made.composites();
        return made.cases;
    }

    private void add(Op op, HostTensor... operands) {
        cases.computeIfAbsent(op.name(), name -> new ArrayList<>()).add(new OpCase(op, List.of(operands), ""));
    }

    private HostTensor normal(long... sizes) {
        return inputs.normal(sizes);
    }

    /** From 0.3 to about 3: derivatives of quotients and logarithms stay moderate. */
    private HostTensor positive(long... sizes) {
        HostTensor tensor = inputs.tensor(Shape.of(sizes), Pattern.NORMAL, Domain.POSITIVE);
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, 0.3 + tensor.getDouble(i));
        }
        return tensor;
    }

    /** Away from 0 on both sides. */
    private HostTensor nonzero(long... sizes) {
        HostTensor tensor = positive(sizes);
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, random.nextBoolean() ? tensor.getDouble(i) : -tensor.getDouble(i));
        }
        return tensor;
    }

    private void elementwise() {
        for (UnaryKind kind : UnaryKind.values()) {
            if (!FLAT.contains(kind)) {
                boolean positive = OF_POSITIVES.contains(kind);
                add(new Op.Unary(kind), positive ? positive(7) : nonzero(7));
                add(new Op.Unary(kind), positive ? positive(2, 1, 3) : nonzero(2, 1, 3));
                add(new Op.Unary(kind), positive ? positive() : nonzero());
            }
        }
        for (BinaryKind kind : ARITHMETIC) {
            Op op = new Op.Binary(kind);
            add(op, positive(4, 3), positive(4, 3));
            add(op, positive(2, 3, 4), positive(4));
            add(op, positive(1, 4), positive(3, 2, 1));
            add(op, positive(), positive(2, 3));
            add(op, positive(2, 1, 3), positive());
        }
        add(new Op.Where(), inputs.bools(Shape.of(3, 4), 0.5), normal(3, 4), normal(3, 4));
        add(new Op.Where(), inputs.bools(Shape.of(2, 3, 1), 0.5), normal(3, 4), normal());
        add(new Op.Where(), inputs.bools(Shape.of(4), 0.5), normal(1), normal(2, 1));
    }

    private void reductions() {
        add(new Op.MatMul(), normal(3, 4), normal(4, 2));
        add(new Op.MatMul(), normal(3, 3), normal(3, 3));
        add(new Op.MatMul(), normal(2, 3, 4), normal(4, 5));
        add(new Op.MatMul(), normal(2, 1, 3, 4), normal(5, 4, 2));
        add(new Op.MatMul(), normal(1, 4), normal(3, 4, 1));
        for (ReduceKind kind : ReduceKind.values()) {
            add(new Op.Reduce(kind, List.of(0), true), nonzero(5));
            add(new Op.Reduce(kind, List.of(1), false), nonzero(2, 3, 4));
            add(new Op.Reduce(kind, List.of(0, 2), false), nonzero(2, 3, 2));
            add(new Op.Reduce(kind, List.of(1, 2), true), nonzero(2, 3, 2));
            add(new Op.Reduce(kind, List.of(0, 1), false), nonzero(2, 3));
        }
        for (boolean reverse : List.of(false, true)) {
            add(new Op.CumSum(0, reverse), normal(6));
            add(new Op.CumSum(1, reverse), normal(2, 4, 3));
        }
        add(new Op.TopK(2, 0, true), normal(5));
        add(new Op.TopK(3, 1, false), normal(2, 6, 2));
    }

    private void picks() {
        add(new Op.Gather(0), normal(4, 3), inputs.indices(Shape.of(6), 4));
        add(new Op.Gather(1), normal(2, 5, 3), inputs.indices(Shape.of(2, 3), 5));
        add(new Op.Gather(2), normal(2, 3, 4), inputs.indices(Shape.of(), 4));
        add(new Op.GatherElements(1), normal(3, 4), inputs.indices(Shape.of(3, 6), 4));
        add(new Op.GatherElements(0), normal(2, 3, 2), inputs.indices(Shape.of(1, 3, 2), 2));
        add(new Op.ScatterAdd(1), normal(3, 4), inputs.indices(Shape.of(3, 6), 4), normal(3, 6));
        add(new Op.ScatterAdd(0), normal(2, 3, 2), inputs.indices(Shape.of(5, 3, 2), 2), normal(5, 3, 2));
        add(new Op.ScatterElements(0), normal(5), whole(3, 0, 4), normal(3));
        add(new Op.ScatterElements(0), normal(5), whole(3, 0, 3), normal(3));
        HostTensor columns = HostTensor.allocate(DType.INT64, Shape.of(2, 2));
        for (int i = 0; i < 4; i++) {
            columns.data().putLong(i * 8, (i * 2) % 3);
        }
        add(new Op.ScatterElements(1), normal(2, 3), columns, normal(2, 2));
    }

    private static HostTensor whole(long... numbers) {
        HostTensor tensor = HostTensor.allocate(DType.INT64, Shape.of(numbers.length));
        for (int i = 0; i < numbers.length; i++) {
            tensor.data().putLong(i * 8, numbers[i]);
        }
        return tensor;
    }

    private void movement() {
        long end = Op.Slice.TO_END;
        long[][] bounds = {
            {0, end, 1}, {1, -1, 1}, {-3, end, 1}, {0, end, 2}, {1, 6, 3}, {-5, -2, 2}, {3, 3, 1}, {6, end, 7}
        };
        for (long[] bound : bounds) {
            Op.Slice slice = new Op.Slice(1, bound[0], bound[1], bound[2]);
            add(slice, normal(2, 7, 3));
            HostTensor like = normal(2, 7, 3);
            Shape sliced = slice.infer(new OpCase(slice, List.of(like), "").inputTypes())
                    .get(0)
                    .shape();
            add(new Op.Unslice(1, bound[0], bound[1], bound[2]), normal(sliced.toArray()), like);
        }
        add(new Op.Concat(0), normal(3), normal(2), normal(1));
        add(new Op.Concat(1), normal(2, 1, 3), normal(2, 4, 3));
        add(new Op.Concat(0), normal(4));
        add(new Op.SplitLike(1), normal(2, 5, 3), normal(2, 1, 3), normal(2, 4, 3));
        add(new Op.SplitLike(0), normal(6), normal(3), normal(1), normal(2));
        add(new Op.Reshape(Shape.of(4, 6)), normal(2, 3, 4));
        add(new Op.Reshape(Shape.SCALAR), normal(1, 1));
        add(new Op.ReshapeLike(), normal(2, 6), normal(3, 4));
        add(new Op.SplitAxis(1, List.of(2L, -1L)), normal(3, 6));
        add(new Op.SplitAxis(0, List.of(1L, -1L)), normal(5));
        add(new Op.MergeAxes(0, 3), normal(2, 3, 4));
        add(new Op.MergeAxes(1, 1), normal(2, 3));
        add(new Op.Transpose(List.of(2, 0, 1)), normal(2, 3, 4));
        add(new Op.Transpose(List.of()), normal());
        add(new Op.Expand(List.of(-1L, 4L, 2L)), normal(3, 1, 1));
        add(new Op.BroadcastLike(), normal(3, 1), normal(2, 3, 4));
        add(new Op.BroadcastLike(), normal(), normal(2, 3));
        add(new Op.SliceScatter(1, 2), normal(2, 5, 3), normal(2, 2, 3));
    }

    private void composites() {
        for (int axis = 0; axis < 3; axis++) {
            add(new Op.Softmax(axis), normal(2, 3, 4));
            add(new Op.LogSoftmax(axis), normal(2, 3, 4));
            add(new Op.SoftmaxGradient(axis), normal(2, 3, 4), normal(2, 3, 4));
            add(new Op.LogSoftmaxGradient(axis), normal(2, 3, 4), normal(2, 3, 4));
        }
        for (ActivationKind kind : ActivationKind.values()) {
            add(new Op.Activation(kind), normal(3, 7));
            add(new Op.Activation(kind), normal());
            add(new Op.ActivationGradient(kind), normal(3, 4), normal(3, 4));
        }
        add(new Op.Linear(), normal(2, 3, 4), normal(4, 5), normal(5));
        add(new Op.Linear(), normal(3, 4), normal(4, 1), normal(1));
        add(new Op.Linear(), normal(4), normal(4, 3), normal(3));
        add(new Op.LayerNorm(1e-5), normal(3, 6));
        add(new Op.LayerNorm(0.3), normal(2, 3, 5), normal(5), normal(5));
        add(new Op.RmsNorm(1e-5), normal(3, 6));
        add(new Op.RmsNorm(0.3), normal(2, 3, 5), normal(5));
        add(new Op.NormGradient(true, 0.1), normal(3, 6), normal(3, 6));
        add(new Op.NormGradient(false, 0.1), normal(2, 2, 5), normal(2, 2, 5));
        add(new Op.Rotate(), normal(2, 3, 2, 6), normal(2, 3, 3), normal(2, 3, 3));
        add(new Op.Rotate(), normal(1, 4, 1, 7), normal(1, 4, 2), normal(1, 4, 2));
        attention(1, 3, 3, 2, 2, 4, 4);
        attention(2, 2, 4, 4, 2, 3, 5);
    }

    // In the first row of the mask a query sees nothing: its output is zero whatever the queries are.
    private void attention(long b, long p, long t, long h, long kv, long d, long e) {
        HostTensor mask = HostTensor.allocate(DType.BOOL, Shape.of(b, 1, p, t));
        for (int i = 0; i < mask.shape().elements(); i++) {
            long query = i / t % p;
            mask.setDouble(i, query > 0 && i % t <= query + t - p ? 1 : 0);
        }
        add(new Op.Attention(0.4), normal(b, p, h, d), normal(b, t, kv, d), normal(b, t, kv, e), mask);
    }
}
