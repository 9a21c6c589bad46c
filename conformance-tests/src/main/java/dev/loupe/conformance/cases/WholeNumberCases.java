package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** Every operation that takes int64, on numbers that float64 can't tell from their neighbours. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class WholeNumberCases {

    private static final long BIG = (1L << 53) + 1;

    private final List<OpCase> cases = new ArrayList<>();
    private final HostTensor x = HostTensor.of(Shape.of(6), BIG, -BIG, (1L << 61) + 3, 1L << 60, -(1L << 61) - 5, 7);
    private final HostTensor y = HostTensor.of(Shape.of(6), 2L, -2L, 4L, BIG, -1L, BIG + 1);
    private final HostTensor near = HostTensor.of(Shape.of(6), BIG - 1, BIG, BIG + 1, -BIG, 1 - BIG, -BIG - 1);
    private final HostTensor square =
            HostTensor.of(Shape.of(2, 3), BIG, BIG + 1, -BIG, (1L << 62) + 1, -(1L << 62) - 1, BIG - 1);

    private WholeNumberCases() {}

    /** The cases. */
    public static List<OpCase> all() {
        WholeNumberCases made = new WholeNumberCases();
        made.elementwise();
        made.alongAnAxis();
        made.moving();
        return made.cases;
    }

    private void add(Op op, HostTensor... operands) {
        cases.add(new OpCase(op, List.of(operands), ""));
    }

    private void elementwise() {
        for (BinaryKind kind : BinaryKind.values()) {
            switch (kind) {
                case ADD, SUB, MAX, MIN -> {
                    add(new Op.Binary(kind), x, y);
                    add(new Op.Binary(kind), near, HostTensor.of(Shape.of(1), BIG));
                }
                case MUL ->
                    add(new Op.Binary(kind), x, HostTensor.of(Shape.of(6), 3L, -3L, -1L, 5L, 1L, (1L << 59) + 1));
                case EQ, NE, LT, LE, GT, GE -> {
                    add(new Op.Binary(kind), near, HostTensor.of(Shape.of(1), BIG));
                    add(new Op.Binary(kind), near, HostTensor.of(Shape.of(1), BIG - 1));
                    add(new Op.Binary(kind), HostTensor.of(Shape.of(), -BIG), near);
                }
                default -> {
                    // Of floats or bools.
                }
            }
        }
        for (UnaryKind kind : List.of(UnaryKind.NEG, UnaryKind.ABS, UnaryKind.SIGN, UnaryKind.RELU)) {
            add(new Op.Unary(kind), x);
            add(new Op.Unary(kind), near);
        }
        add(new Op.Where(), HostTensor.of(Shape.of(3, 1), true, false, true), x, y);
        add(new Op.Cast(DType.INT64), x);
        add(new Op.Cast(DType.FLOAT64), near);
        add(new Op.Cast(DType.FLOAT32), HostTensor.of(Shape.of(3), (1L << 60) + (1L << 36) + 1, BIG, -BIG));
        add(new Op.Cast(DType.BOOL), x);
    }

    private void alongAnAxis() {
        add(new Op.Reduce(ReduceKind.SUM, List.of(0), false), y);
        add(new Op.Reduce(ReduceKind.SUM, List.of(1), true), square);
        add(new Op.Reduce(ReduceKind.PROD, List.of(0), true), HostTensor.of(Shape.of(3), BIG, -1L, 3L));
        for (ReduceKind kind : List.of(ReduceKind.MAX, ReduceKind.MIN)) {
            add(new Op.Reduce(kind, List.of(0), false), near);
            add(new Op.Reduce(kind, List.of(0), true), square);
        }
        for (boolean largest : new boolean[] {true, false}) {
            add(new Op.ArgReduce(largest, 0, false), near);
            long sign = largest ? 1 : -1;
            add(new Op.ArgReduce(largest, 0, true), HostTensor.of(Shape.of(3), sign * (BIG - 1), sign * BIG, 0L));
            add(new Op.TopK(3, 0, largest), near);
        }
        add(new Op.CumSum(0, false), y);
        add(new Op.CumSum(0, true), y);
        add(new Op.CumSum(1, true), square);
    }

    private void moving() {
        HostTensor two = HostTensor.of(Shape.of(2), 4L, 1L);
        add(new Op.Gather(0), x, two);
        add(new Op.GatherElements(0), x, two);
        add(new Op.ScatterElements(0), x, two, HostTensor.of(Shape.of(2), BIG + 2, -BIG - 2));
        add(new Op.ScatterAdd(0), x, HostTensor.of(Shape.of(2), 0L, 0L), HostTensor.of(Shape.of(2), 1L, BIG + 2));
        add(new Op.Slice(0, 1, Op.Slice.TO_END, 2), x);
        add(new Op.Unslice(0, 1, 3, 1), two, x);
        add(new Op.Unslice(0, 1, 3, 1), HostTensor.of(Shape.of(2), BIG, -BIG - 2), x);
        add(new Op.Concat(0), x, y);
        add(new Op.SplitLike(0), x, two, HostTensor.of(Shape.of(4), 0L, 0L, 0L, 0L));
        add(new Op.Reshape(Shape.of(2, 3)), x);
        add(new Op.ReshapeLike(), x, square);
        add(new Op.SplitAxis(0, List.of(3L, 2L)), x);
        add(new Op.MergeAxes(0, 2), square);
        add(new Op.Transpose(List.of(1, 0)), square);
        add(new Op.Expand(List.of(4L)), HostTensor.of(Shape.of(1), BIG));
        add(new Op.BroadcastLike(), HostTensor.of(Shape.of(2, 1), BIG, -BIG), square);
        add(new Op.SliceScatter(0, 2), x, HostTensor.of(Shape.of(2), BIG, -BIG - 2));
    }
}
