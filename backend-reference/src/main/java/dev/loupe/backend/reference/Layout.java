package dev.loupe.backend.reference;

import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Ops that move elements about and compute nothing. */
final class Layout {

    /** Elements that make up a thread's block. */
    private static final int BLOCK = 1 << 16;

    private final Workers workers;

    Layout(Workers workers) {
        this.workers = workers;
    }

    /** Output axis i is input axis {@code permutation[i]}. */
    HeapTensor transpose(HeapTensor x, List<Integer> permutation, Shape shape) {
        int[] own = Walk.rowMajor(x.shape());
        int[] strides = permutation.stream().mapToInt(axis -> own[axis]).toArray();
        return strided(x, 0, strides, shape);
    }

    /** The axis moved to the end; the tensor itself if it is there already. */
    HeapTensor lastAxis(HeapTensor x, int axis) {
        return lastAxes(x, List.of(axis));
    }

    /** The axes (ascending) moved to the end; the tensor itself if they are there already. */
    HeapTensor lastAxes(HeapTensor x, List<Integer> axes) {
        int rank = x.shape().rank();
        if (axes.get(0) == rank - axes.size()) {
            return x;
        }
        List<Integer> order = new ArrayList<>();
        for (int axis = 0; axis < rank; axis++) {
            if (!axes.contains(axis)) {
                order.add(axis);
            }
        }
        order.addAll(axes);
        return transpose(x, order, permuted(x.shape(), order));
    }

    /** The last axis moved to where {@code axis} says; the tensor itself if that is the end. */
    HeapTensor lastAxisTo(HeapTensor x, int axis) {
        int rank = x.shape().rank();
        if (axis == rank - 1) {
            return x;
        }
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < rank - 1; i++) {
            order.add(i);
        }
        order.add(axis, rank - 1);
        return transpose(x, order, permuted(x.shape(), order));
    }

    private static Shape permuted(Shape shape, List<Integer> order) {
        return Shape.of(order.stream().mapToLong(shape::size).toArray());
    }

    HeapTensor expand(HeapTensor x, Shape shape) {
        int[] strides = Walk.rowMajor(x.shape());
        for (int axis = 0; axis < strides.length; axis++) {
            if (x.shape().size(axis) == 1) {
                strides[axis] = 0;
            }
        }
        return strided(x, 0, strides, shape);
    }

    /** As {@link #expand}, from a shape that may have fewer axes. */
    HeapTensor broadcast(HeapTensor x, Shape shape) {
        long[] sizes = new long[shape.rank()];
        Arrays.fill(sizes, 1);
        int lead = sizes.length - x.shape().rank();
        System.arraycopy(x.shape().toArray(), 0, sizes, lead, sizes.length - lead);
        return expand(x.withShape(Shape.of(sizes)), shape);
    }

    /** Zeros with the update where the slice would read. */
    static HeapTensor unslice(HeapTensor update, Op.Unslice op, Shape shape) {
        HeapTensor out = HeapTensor.zeros(update.dtype(), shape);
        int inner = Walk.rowMajor(shape)[op.axis()];
        long size = shape.size(op.axis());
        int count = (int) update.shape().size(op.axis());
        int start = (int) Op.Slice.clip(op.start(), size);
        for (int i = 0; count > 0 && i < update.size() / inner; i++) {
            int at = (int) (start + i % count * op.step());
            out.copy(update, i * inner, 1, (int) (i / count * size + at) * inner, inner);
        }
        return out;
    }

    /** Pieces along an axis, as long as the parts are there. */
    List<HeapTensor> splitLike(HeapTensor x, int axis, List<HeapTensor> parts) {
        List<HeapTensor> pieces = new ArrayList<>();
        int[] strides = Walk.rowMajor(x.shape());
        int start = 0;
        for (HeapTensor part : parts) {
            pieces.add(strided(x, start * strides[axis], strides.clone(), part.shape()));
            start += (int) part.shape().size(axis);
        }
        return pieces;
    }

    HeapTensor slice(HeapTensor x, Op.Slice op, Shape shape) {
        if (shape.equals(x.shape())) {
            return x.withShape(shape);
        }
        int[] strides = Walk.rowMajor(x.shape());
        long size = x.shape().size(op.axis());
        long start = Math.max(0, Math.min(size, op.start() < 0 ? op.start() + size : op.start()));
        int origin = (int) start * strides[op.axis()];
        // With at most one element left, the step is never taken, and may be too large for an int.
        strides[op.axis()] *= shape.size(op.axis()) > 1 ? (int) op.step() : 0;
        return strided(x, origin, strides, shape);
    }

    /** Element (i, j, …) of the output is element {@code origin + i·strides[0] + j·strides[1] + …} of x. */
    private HeapTensor strided(HeapTensor x, int origin, int[] strides, Shape shape) {
        HeapTensor out = HeapTensor.zeros(x.dtype(), shape);
        Walk walk = Walk.strided(shape, origin, strides);
        workers.forBlocks(
                out.size(),
                BLOCK,
                (from, to) -> walk.forRuns(
                        from, to, to - from, (at, count, starts) -> out.copy(x, starts[0], walk.step(0), at, count)));
        return out;
    }

    HeapTensor concat(List<HeapTensor> parts, int axis, Shape shape) {
        HeapTensor out = HeapTensor.zeros(parts.get(0).dtype(), shape);
        int offset = 0;
        for (HeapTensor part : parts) {
            insert(part, out, axis, offset);
            offset += (int) part.shape().size(axis);
        }
        return out;
    }

    HeapTensor sliceScatter(HeapTensor data, HeapTensor update, Op.SliceScatter op) {
        HeapTensor out = HeapTensor.zeros(data.dtype(), data.shape());
        out.copy(data, 0, 1, 0, data.size());
        insert(update, out, op.axis(), (int) op.start());
        return out;
    }

    /** Writes a part into its range of one axis of a larger tensor. */
    private static void insert(HeapTensor part, HeapTensor into, int axis, int offset) {
        if (part.size() == 0) {
            return;
        }
        int inner = Walk.rowMajor(part.shape())[axis];
        int partPiece = (int) part.shape().size(axis) * inner;
        int wholePiece = (int) into.shape().size(axis) * inner;
        for (int i = 0; i < part.size() / partPiece; i++) {
            into.copy(part, i * partPiece, 1, i * wholePiece + offset * inner, partPiece);
        }
    }
}
