package dev.loupe.examples.loops;

import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.List;

/** Operations that move elements and compute nothing. */
final class LoopMovement {

    private LoopMovement() {}

    static LoopTensor gather(int axis, LoopTensor data, LoopTensor indices, Shape shape) {
        LoopTensor out = LoopTensor.zeros(data.dtype(), shape);
        int rank = indices.shape().rank();
        int[] from = new int[data.shape().rank()];
        int[] where = new int[rank];
        Positions.each(shape, (flat, position) -> {
            System.arraycopy(position, 0, from, 0, axis);
            System.arraycopy(position, axis, where, 0, rank);
            System.arraycopy(position, axis + rank, from, axis + 1, from.length - axis - 1);
            from[axis] = checked(indices, indices.index(where), data, axis);
            out.copy(flat, data, data.index(from));
        });
        return out;
    }

    static LoopTensor gatherElements(int axis, LoopTensor data, LoopTensor indices) {
        LoopTensor out = LoopTensor.zeros(data.dtype(), indices.shape());
        Positions.each(indices.shape(), (flat, position) -> {
            int[] from = position.clone();
            from[axis] = checked(indices, flat, data, axis);
            out.copy(flat, data, data.index(from));
        });
        return out;
    }

    static LoopTensor scatterElements(int axis, LoopTensor data, LoopTensor indices, LoopTensor updates) {
        LoopTensor out = copy(data);
        Positions.each(indices.shape(), (flat, position) -> {
            int[] to = position.clone();
            to[axis] = checked(indices, flat, data, axis);
            out.copy(out.index(to), updates, flat);
        });
        return out;
    }

    /** What meets at one place adds up. */
    static LoopTensor scatterAdd(int axis, LoopTensor data, LoopTensor indices, LoopTensor updates) {
        double[] sums = new double[data.count()];
        LoopTensor out = copy(data);
        for (int i = 0; data.isFloating() && i < sums.length; i++) {
            sums[i] = data.get(i);
        }
        Positions.each(indices.shape(), (flat, position) -> {
            int[] to = position.clone();
            to[axis] = checked(indices, flat, data, axis);
            int at = out.index(to);
            if (data.isFloating()) {
                sums[at] += updates.get(flat);
                out.set(at, sums[at]);
            } else {
                out.setLong(at, out.getLong(at) + updates.getLong(flat));
            }
        });
        return out;
    }

    private static int checked(LoopTensor indices, int at, LoopTensor data, int axis) {
        long index = indices.getLong(at);
        long size = data.shape().size(axis);
        if (index < 0 || index >= size) {
            throw new IndexOutOfBoundsException(
                    "Index " + index + " is outside axis " + axis + " of " + data.shape() + ", which has " + size);
        }
        return (int) index;
    }

    private static LoopTensor copy(LoopTensor x) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), x.shape());
        for (int i = 0; i < out.count(); i++) {
            out.copy(i, x, i);
        }
        return out;
    }

    static LoopTensor slice(Op.Slice slice, LoopTensor x, Shape shape) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), shape);
        long start = Op.Slice.clip(slice.start(), x.shape().size(slice.axis()));
        Positions.each(shape, (flat, position) -> {
            int[] from = position.clone();
            from[slice.axis()] = (int) (start + from[slice.axis()] * slice.step());
            out.copy(flat, x, x.index(from));
        });
        return out;
    }

    /** Zeros, and the update where a slice would read. */
    static LoopTensor unslice(Op.Unslice slice, LoopTensor update, Shape shape) {
        LoopTensor out = LoopTensor.zeros(update.dtype(), shape);
        long start = Op.Slice.clip(slice.start(), shape.size(slice.axis()));
        Positions.each(update.shape(), (flat, position) -> {
            int[] to = position.clone();
            to[slice.axis()] = (int) (start + to[slice.axis()] * slice.step());
            out.copy(out.index(to), update, flat);
        });
        return out;
    }

    /** The part of a tensor that begins somewhere on an axis and has a shape. */
    static LoopTensor part(int axis, int start, LoopTensor x, Shape shape) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), shape);
        Positions.each(shape, (flat, position) -> {
            int[] from = position.clone();
            from[axis] += start;
            out.copy(flat, x, x.index(from));
        });
        return out;
    }

    static LoopTensor concat(int axis, List<LoopTensor> parts, Shape shape) {
        LoopTensor out = LoopTensor.zeros(parts.get(0).dtype(), shape);
        int start = 0;
        for (LoopTensor part : parts) {
            int offset = start;
            Positions.each(part.shape(), (flat, position) -> {
                int[] to = position.clone();
                to[axis] += offset;
                out.copy(out.index(to), part, flat);
            });
            start += (int) part.shape().size(axis);
        }
        return out;
    }

    static LoopTensor transpose(List<Integer> permutation, LoopTensor x, Shape shape) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), shape);
        int[] from = new int[permutation.size()];
        Positions.each(shape, (flat, position) -> {
            for (int i = 0; i < from.length; i++) {
                from[permutation.get(i)] = position[i];
            }
            out.copy(flat, x, x.index(from));
        });
        return out;
    }

    static LoopTensor expand(LoopTensor x, Shape shape) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), shape);
        Positions.each(shape, (flat, position) -> out.copy(flat, x, x.broadcastIndex(position)));
        return out;
    }
}
