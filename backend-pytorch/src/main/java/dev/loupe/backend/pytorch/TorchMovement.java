package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.OpTable;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The ops that put elements elsewhere without computing anything: they work in every data type as it is. */
final class TorchMovement {

    private static final OpTable<Operands, PtNDArray> TABLE = new OpTable<Operands, PtNDArray>()
            .line(
                    Op.Reshape.class,
                    (op, at) -> Torch.reshape(at.in(0), op.shape().toArray()))
            .line(Op.ReshapeLike.class, (op, at) -> Torch.reshape(at.in(0), at.sizes(1)))
            .line(Op.SplitAxis.class, (op, at) -> Torch.reshape(at.in(0), split(op, at.sizes(0))))
            .line(Op.MergeAxes.class, (op, at) -> Torch.flatten(at.in(0), op.axis(), op.axis() + op.count() - 1))
            .line(Op.Transpose.class, (op, at) -> Torch.permute(at.in(0), array(op.permutation())))
            .line(
                    Op.Slice.class,
                    (op, at) -> Torch.slice(at.in(0), op.axis(), op.start(), op.end(), step(op, at.in(0))))
            .line(Op.Unslice.class, TorchMovement::unslice)
            .line(Op.SliceScatter.class, TorchMovement::sliceScatter)
            .line(Op.Expand.class, (op, at) -> Torch.expand(at.in(0), array(op.sizes())))
            .line(Op.BroadcastLike.class, (op, at) -> Torch.expand(at.in(0), at.sizes(1)))
            .line(Op.Concat.class, (op, at) -> Torch.cat(at.in(), op.axis()))
            .line(Op.Cast.class, (op, at) -> TorchTypes.cast(at.on(), at.in(0), op.to()))
            .line(Op.Where.class, (op, at) -> Torch.where(at.in(0), at.in(1), at.in(2)))
            .line(Op.Full.class, (op, at) -> at.on().full(op.dtype(), op.shape(), op.value()))
            .line(Op.Gather.class, (op, at) -> gather(at.on(), at.in(0), at.in(1), op.axis()))
            .line(Op.GatherElements.class, (op, at) -> Torch.gather(at.in(0), at.in(1), op.axis()))
            .line(Op.ScatterElements.class, TorchMovement::scatter);

    private static final OpTable<Operands, List<PtNDArray>> SEVERAL =
            new OpTable<Operands, List<PtNDArray>>().line(Op.SplitLike.class, (op, at) -> split(op, at.in()));

    private TorchMovement() {}

    /** Whether an op only moves elements. */
    static boolean moves(Op op) {
        return TABLE.has(op) || SEVERAL.has(op);
    }

    /** Runs an op of this kind that has one output; null if it is none. */
    static @Nullable PtNDArray run(Op op, Operands at) {
        return TABLE.find(op, at);
    }

    /** Runs an op of this kind that has several outputs; null if it is none. */
    static @Nullable List<PtNDArray> runForSeveral(Op op, Operands at) {
        return SEVERAL.find(op, at);
    }

    private static PtNDArray sliceScatter(Op.SliceScatter op, Operands at) {
        return at.on().call("slice_scatter", at.in(0), at.in(1), op.axis(), op.start());
    }

    private static PtNDArray unslice(Op.Unslice op, Operands at) {
        long step = step(op.slice(), at.in(1));
        return at.on().call("unslice", at.in(0), at.in(1), op.axis(), op.start(), op.end(), step);
    }

    // Where threads race, every update of one place is made the last of them.
    private static PtNDArray scatter(Op.ScatterElements op, Operands at) {
        return at.on().isCpu()
                ? Torch.scatter(at.in(0), at.in(1), at.in(2), op.axis())
                : at.on().call("scatter_last", at.in(0), at.in(1), at.in(2), op.axis());
    }

    // A step beyond the axis picks one element, as one over the whole of it does, but overflows where libtorch counts.
    private static long step(Op.Slice slice, PtNDArray of) {
        return slice.step() == 1
                ? 1
                : Math.min(slice.step(), Math.max(1, of.getShape().get(slice.axis())));
    }

    /** Pieces of the first along an axis, as long as the others are there. */
    private static List<PtNDArray> split(Op.SplitLike op, PtNDArray[] in) {
        List<PtNDArray> pieces = new ArrayList<>();
        long start = 0;
        for (int i = 1; i < in.length; i++) {
            long end = start + in[i].getShape().get(op.axis());
            pieces.add(Torch.slice(in[0], op.axis(), start, end, 1));
            start = end;
        }
        return pieces;
    }

    private static long[] split(Op.SplitAxis op, long[] sizes) {
        int parts = op.sizes().size();
        long[] out = new long[sizes.length - 1 + parts];
        System.arraycopy(sizes, 0, out, 0, op.axis());
        System.arraycopy(sizes, op.axis() + 1, out, op.axis() + parts, sizes.length - 1 - op.axis());
        int open = -1;
        long known = 1;
        for (int i = 0; i < parts; i++) {
            long part = op.sizes().get(i);
            out[op.axis() + i] = part;
            if (part == -1) {
                open = op.axis() + i;
            } else {
                known *= part;
            }
        }
        if (open >= 0) {
            out[open] = sizes[op.axis()] / known;
        }
        return out;
    }

    private static PtNDArray gather(TorchDevice on, PtNDArray data, PtNDArray indices, int axis) {
        Shape shape = Shape.of(data.getShape().getShape());
        if (axis == 0 && shape.rank() == 2) {
            return Torch.rows(data, indices);
        }
        long[] picked = indices.getShape().getShape();
        long[] out = new long[shape.rank() - 1 + picked.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = i < axis ? shape.size(i) : i < axis + picked.length ? picked[i - axis] : 0;
        }
        for (int i = axis + 1; i < shape.rank(); i++) {
            out[i - 1 + picked.length] = shape.size(i);
        }
        try (PtNDArray flat = on.call("index_select", data, axis, indices)) {
            return Torch.reshape(flat, out);
        }
    }

    static long[] array(List<? extends Number> numbers) {
        long[] array = new long[numbers.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = numbers.get(i).longValue();
        }
        return array;
    }
}
