package dev.loupe.graph.pass;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Derivatives of the operations that put elements elsewhere: they go back to where the elements came from. */
final class MovementVjps {

    private MovementVjps() {}

    static void enter() {
        Vjps.enterOne(Op.Gather.class, MovementVjps::gather);
        Vjps.enterOne(
                Op.GatherElements.class,
                (op, at, g) -> at.b().apply(new Op.ScatterAdd(op.axis()), at.zerosLike(at.input(0)), at.input(1), g));
        Vjps.enterSeveral(Op.ScatterElements.class, MovementVjps::scatterElements);
        Vjps.enterSeveral(
                Op.ScatterAdd.class,
                (op, at, g) -> Arrays.asList(
                        g, null, at.ifNeeded(2, () -> at.b().apply(new Op.GatherElements(op.axis()), g, at.input(1)))));
        Vjps.enterOne(
                Op.Slice.class,
                (op, at, g) -> at.b()
                        .apply(new Op.Unslice(op.axis(), op.start(), op.end(), op.step()), g, at.sizesOf(at.input(0))));
        Vjps.enterOne(Op.Unslice.class, (op, at, g) -> at.b().apply(op.slice(), g));
        Vjps.enterSeveral(Op.SliceScatter.class, MovementVjps::sliceScatter);
        Vjps.enterSeveral(Op.Concat.class, MovementVjps::concat);
        Vjps.enter(Op.SplitLike.class, MovementVjps::splitLike);
        Vjps.enterOne(Op.Reshape.class, (op, at, g) -> reshaped(at, g, at.input(0)));
        Vjps.enterOne(Op.ReshapeLike.class, (op, at, g) -> reshaped(at, g, at.input(0)));
        Vjps.enterOne(
                Op.SplitAxis.class,
                (op, at, g) -> op.sizes().isEmpty()
                        ? reshaped(at, g, at.input(0))
                        : at.b().merge(g, op.axis(), op.sizes().size()));
        Vjps.enterOne(Op.MergeAxes.class, MovementVjps::mergeAxes);
        Vjps.enterOne(Op.Transpose.class, (op, at, g) -> at.b().apply(new Op.Transpose(inverse(op.permutation())), g));
        Vjps.enterOne(Op.Expand.class, (op, at, g) -> at.summedTo(g, at.input(0)));
        Vjps.enterOne(Op.BroadcastLike.class, (op, at, g) -> at.summedTo(g, at.input(0)));
    }

    private static List<Integer> inverse(List<Integer> permutation) {
        return IntStream.range(0, permutation.size())
                .mapToObj(permutation::indexOf)
                .toList();
    }

    private static Value reshaped(VjpSite at, Value g, Value like) {
        TensorType type = like.type();
        return type.isFixed()
                ? at.b().apply(new Op.Reshape(type.shape()), g)
                : at.b().apply(new Op.ReshapeLike(), g, at.sizesOf(like));
    }

    // The axes of the indices become one axis, and the indices are repeated along the others.
    private static Value gather(Op.Gather op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        Value data = at.input(0);
        Value indices = at.input(1);
        int axes = indices.type().rank();
        int rank = data.type().rank();
        Value row = axes == 0
                ? b.apply(new Op.Reshape(Shape.of(1)), indices)
                : axes == 1 ? indices : b.merge(indices, 0, axes);
        Value updates = axes == 0 ? b.unsqueeze(g, op.axis()) : axes == 1 ? g : b.merge(g, op.axis(), axes);
        for (int i = 0; i < rank - op.axis() - 1; i++) {
            row = b.unsqueeze(row, -1);
        }
        return b.apply(new Op.ScatterAdd(op.axis()), at.zerosLike(data), at.repeated(row, updates), updates);
    }

    private static List<@Nullable Value> scatterElements(Op.ScatterElements op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        return Arrays.asList(
                at.ifNeeded(
                        0, () -> b.apply(new Op.ScatterElements(op.axis()), g, at.input(1), at.zerosLike(at.input(2)))),
                null,
                at.ifNeeded(2, () -> ofLastUpdates(op, at, b.apply(new Op.GatherElements(op.axis()), g, at.input(1)))));
    }

    // Of several updates of one place only the last has gone anywhere.
    private static Value ofLastUpdates(Op.ScatterElements op, VjpSite at, Value gathered) {
        GraphBuilder b = at.b();
        Value none = b.cast(at.zerosLike(at.input(2)), DType.FLOAT32);
        Value place = b.apply(new Op.CumSum(op.axis()), b.add(none, b.scalar(1, none)));
        Value last = b.apply(op, b.cast(at.zerosLike(at.input(0)), DType.FLOAT32), at.input(1), place);
        Value counts = b.binary(Op.BinaryKind.EQ, b.apply(new Op.GatherElements(op.axis()), last, at.input(1)), place);
        return b.where(counts, gathered, at.zerosLike(at.input(2)));
    }

    private static List<@Nullable Value> sliceScatter(Op.SliceScatter op, VjpSite at, Value g) {
        GraphBuilder b = at.b();
        long end = op.start() + at.input(1).type().dim(op.axis()).value();
        return at.each(
                () -> b.apply(new Op.SliceScatter(op.axis(), op.start()), g, at.zerosLike(at.input(1))),
                () -> b.slice(g, op.axis(), op.start(), end));
    }

    private static List<@Nullable Value> concat(Op.Concat op, VjpSite at, Value g) {
        if (at.inputs().size() == 1) {
            return List.of(g);
        }
        List<Value> operands = new ArrayList<>(List.of(g));
        at.inputs().forEach(part -> operands.add(at.sizesOf(part)));
        return List.copyOf(at.b().applyAll(new Op.SplitLike(op.axis()), operands));
    }

    private static List<@Nullable Value> splitLike(Op.SplitLike op, VjpSite at) {
        Value[] parts = new Value[at.outputs().size()];
        for (int i = 0; i < parts.length; i++) {
            Value g = at.gradients().get(i);
            parts[i] = g == null ? at.zerosLike(at.outputs().get(i)) : g;
        }
        return List.of(at.b().concat(op.axis(), parts));
    }

    private static Value mergeAxes(Op.MergeAxes op, VjpSite at, Value g) {
        TensorType type = at.input(0).type();
        List<Long> sizes = new ArrayList<>();
        long known = 1;
        for (int i = op.axis(); i < op.axis() + op.count(); i++) {
            boolean isFixed = type.dim(i).isFixed();
            sizes.add(isFixed ? type.dim(i).value() : -1L);
            known *= isFixed ? type.dim(i).value() : 1;
        }
        boolean open = sizes.contains(-1L);
        // A size that is known only when the graph runs can be left open next to ones.
        return open && (known != 1 || sizes.stream().filter(size -> size == -1).count() > 1)
                ? reshaped(at, g, at.input(0))
                : at.b().apply(new Op.SplitAxis(op.axis(), sizes), g);
    }
}
