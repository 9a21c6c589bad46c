package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The ops that put elements elsewhere without computing anything: they work in every data type as it is. */
final class TorchMovement {

    private TorchMovement() {}

    /** Whether an op only moves elements. */
    static boolean moves(Op op) {
        return op instanceof Op.Reshape
                || op instanceof Op.SplitAxis
                || op instanceof Op.MergeAxes
                || op instanceof Op.Transpose
                || op instanceof Op.Slice
                || op instanceof Op.Expand
                || op instanceof Op.Concat
                || op instanceof Op.Cast
                || op instanceof Op.Where
                || op instanceof Op.Full
                || op instanceof Op.Gather
                || op instanceof Op.GatherElements
                || op instanceof Op.ScatterElements
                || op instanceof Op.SliceScatter
                || op instanceof Op.BroadcastLike
                || op instanceof Op.ReshapeLike
                || op instanceof Op.SplitLike
                || op instanceof Op.Unslice;
    }

    /** Runs an op of this kind; null if it is none. */
    static @Nullable PtNDArray run(TorchDevice on, Op op, PtNDArray[] in) {
        if (op instanceof Op.SplitAxis split) {
            return Torch.reshape(in[0], split(split, in[0].getShape().getShape()));
        } else if (op instanceof Op.Transpose transpose) {
            return Torch.permute(in[0], array(transpose.permutation()));
        } else if (op instanceof Op.MergeAxes merge) {
            return Torch.flatten(in[0], merge.axis(), merge.axis() + merge.count() - 1);
        } else if (op instanceof Op.Reshape reshape) {
            return Torch.reshape(in[0], reshape.shape().toArray());
        } else if (op instanceof Op.Slice slice) {
            return Torch.slice(in[0], slice.axis(), slice.start(), slice.end(), step(slice, in[0]));
        } else if (op instanceof Op.Expand expand) {
            return Torch.expand(in[0], array(expand.sizes()));
        } else if (op instanceof Op.Concat concat) {
            return Torch.cat(in, concat.axis());
        } else if (op instanceof Op.Cast cast) {
            return TorchTypes.cast(on, in[0], cast.to());
        } else if (op instanceof Op.Gather gather) {
            return gather(on, in[0], in[1], gather.axis());
        } else if (op instanceof Op.GatherElements gather) {
            return Torch.gather(in[0], in[1], gather.axis());
        } else if (op instanceof Op.ScatterElements scatter) {
            // Where threads race, every update of one place is made the last of them.
            return on.isCpu()
                    ? Torch.scatter(in[0], in[1], in[2], scatter.axis())
                    : on.call("scatter_last", in[0], in[1], in[2], scatter.axis());
        } else if (op instanceof Op.SliceScatter scatter) {
            return on.call("slice_scatter", in[0], in[1], scatter.axis(), scatter.start());
        }
        if (op instanceof Op.BroadcastLike) {
            return Torch.expand(in[0], in[1].getShape().getShape());
        } else if (op instanceof Op.ReshapeLike) {
            return Torch.reshape(in[0], in[1].getShape().getShape());
        } else if (op instanceof Op.Unslice slice) {
            long step = step(slice.slice(), in[1]);
            return on.call("unslice", in[0], in[1], slice.axis(), slice.start(), slice.end(), step);
        }
        return null;
    }

    // A step beyond the axis picks one element, as one over the whole of it does, but overflows where libtorch counts.
    private static long step(Op.Slice slice, PtNDArray of) {
        return slice.step() == 1
                ? 1
                : Math.min(slice.step(), Math.max(1, of.getShape().get(slice.axis())));
    }

    /** Pieces of the first along an axis, as long as the others are there. */
    static List<PtNDArray> split(Op.SplitLike op, PtNDArray[] in) {
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
