package dev.loupe.graph.pass;

import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Derivatives of products, sums and other ways to make few numbers of many. */
final class ReductionVjps {

    private ReductionVjps() {}

    static void enter() {
        Vjps.enterSeveral(Op.MatMul.class, ReductionVjps::matmul);
        Vjps.enterOne(Op.Reduce.class, ReductionVjps::reduce);
        Vjps.enterOne(Op.CumSum.class, (op, at, g) -> at.b().apply(new Op.CumSum(op.axis(), !op.reverse()), g));
        Vjps.enterOne(
                Op.TopK.class,
                (op, at, g) -> at.b()
                        .apply(
                                new Op.ScatterAdd(op.axis()),
                                at.zerosLike(at.input(0)),
                                at.outputs().get(1),
                                g));
    }

    private static List<@Nullable Value> matmul(Op.MatMul op, VjpSite at, Value g) {
        return at.each(
                () -> at.summedTo(at.b().matmul(g, transposed(at.b(), at.input(1))), at.input(0)),
                () -> at.summedTo(at.b().matmul(transposed(at.b(), at.input(0)), g), at.input(1)));
    }

    /** The last two axes exchanged. */
    static Value transposed(GraphBuilder b, Value matrix) {
        int rank = matrix.type().rank();
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < rank; i++) {
            order.add(i);
        }
        Collections.swap(order, rank - 1, rank - 2);
        return b.apply(new Op.Transpose(order), matrix);
    }

    private static Value reduce(Op.Reduce op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value x = at.input(0);
        Value kept = withAxes(b, op, g);
        return switch (op.kind()) {
            case SUM -> at.repeated(kept, x);
            case MEAN -> at.repeated(b.div(kept, count(at, op, x)), x);
            case MAX, MIN -> {
                Value best = b.binary(BinaryKind.EQ, x, withAxes(b, op, at.output()));
                Value marks = b.where(best, at.number(1), at.number(0));
                Value equals = b.apply(new Op.Reduce(ReduceKind.SUM, op.axes(), true), marks);
                yield b.mul(marks, b.div(kept, equals));
            }
            case PROD -> product(b, op, at, x, kept);
        };
    }

    // The number of elements that go into one: known, or counted when the graph runs.
    private static Value count(VjpSite at, Op.Reduce op, Value x) {
        GraphBuilder b = at.b();
        Dim count = Dim.of(1);
        for (int axis : op.axes()) {
            count = count.times(x.type().dim(axis));
        }
        if (count.isFixed()) {
            return b.scalar((double) count.value(), x);
        }
        Value ones = at.repeated(b.scalar(1, x), x);
        return b.apply(new Op.Reduce(ReduceKind.SUM, op.axes(), true), ones);
    }

    // The product of the others: the whole divided by the own; where there is a zero, the product without it.
    private static Value product(GraphBuilder b, Op.Reduce op, VjpSite at, Value x, Value g) {
        Value zero = b.binary(BinaryKind.EQ, x, at.number(0));
        Value filled = b.where(zero, at.number(1), x);
        Value marks = b.where(zero, at.number(1), at.number(0));
        Value zeros = b.apply(new Op.Reduce(ReduceKind.SUM, op.axes(), true), marks);
        Value rest = b.apply(new Op.Reduce(ReduceKind.PROD, op.axes(), true), filled);
        Value otherZeros = b.sub(zeros, marks);
        Value others = b.where(b.binary(BinaryKind.EQ, otherZeros, at.number(0)), b.div(rest, filled), at.number(0));
        return b.mul(g, others);
    }

    /** What a reduction gave, with the reduced axes of size 1 where they were dropped. */
    private static Value withAxes(GraphBuilder b, Op.Reduce op, Value reduced) {
        Value value = reduced;
        // Leading axes are repeated without being there.
        boolean leading =
                op.axes().equals(IntStream.range(0, op.axes().size()).boxed().toList());
        if (!op.keepDims() && !leading) {
            for (int axis : op.axes()) {
                value = b.unsqueeze(value, axis);
            }
        }
        return value;
    }
}
