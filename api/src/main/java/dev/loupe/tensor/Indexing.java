package dev.loupe.tensor;

import dev.loupe.array.Index;
import dev.loupe.graph.Op;
import java.util.List;

/** Reading and replacing parts of tensors, one axis after the other. */
final class Indexing {

    private Indexing() {}

    static Tensor get(Tensor tensor, Index.Selection selection) {
        Tensor result = tensor;
        int axis = 0;
        for (Index index : selection.complete(tensor.shape())) {
            result = part(result, axis, index);
            axis += index instanceof Index.One ? 0 : 1;
        }
        return result;
    }

    private static Tensor part(Tensor tensor, int axis, Index index) {
        if (index instanceof Index.One one) {
            return tensor.select(axis, one.position());
        } else if (index instanceof Index.Range range) {
            return tensor.apply(new Op.Slice(axis, range.start(), range.end(), range.step()));
        } else if (index instanceof Index.Pick pick) {
            return pick(tensor, axis, positions(pick));
        }
        return tensor;
    }

    static Tensor pick(Tensor tensor, int axis, long... positions) {
        long[] resolved = new long[positions.length];
        for (int i = 0; i < positions.length; i++) {
            resolved[i] = Index.resolve(positions[i], tensor.size(axis), axis);
        }
        return tensor.gather(axis, tensor.factory().of(resolved, resolved.length));
    }

    static Tensor with(Tensor tensor, Index.Selection selection, Tensor value) {
        List<Index> indices = selection.complete(tensor.shape());
        Tensor current = get(tensor, selection);
        return replace(tensor, 0, indices, fit(value, current));
    }

    /** Broadcasts a value to the shape of the part that it replaces. */
    private static Tensor fit(Tensor value, Tensor part) {
        if (value.dtype() != part.dtype()) {
            throw new IllegalArgumentException(
                    "Can't put " + value.describe() + " into a tensor of " + part.dtype() + "; cast it first");
        }
        if (value.shape().equals(part.shape())) {
            return value;
        }
        long[] sizes = part.shape().toArray();
        boolean fits = value.rank() <= sizes.length;
        for (int i = 1; fits && i <= value.rank(); i++) {
            fits = value.size(-i) == 1 || value.size(-i) == sizes[sizes.length - i];
        }
        if (!fits) {
            throw new IllegalArgumentException("A value of shape " + value.shape()
                    + " doesn't broadcast to the part it replaces, whose shape is " + part.shape());
        }
        Tensor aligned = value;
        while (aligned.rank() < sizes.length) {
            aligned = aligned.unsqueeze(0);
        }
        return aligned.expand(sizes);
    }

    /** Replaces the part of {@code tensor} that the indices from {@code axis} on select by a value of its shape. */
    private static Tensor replace(Tensor tensor, int axis, List<Index> indices, Tensor value) {
        int next = axis;
        while (next < indices.size() && indices.get(next) instanceof Index.All) {
            next++;
        }
        if (next == indices.size()) {
            return value;
        }
        Index index = indices.get(next);
        // The outer part is cut out with its axis kept, filled further in, and put back.
        long[] positions = positions(index, tensor.size(next), next);
        Tensor outer = isRun(positions)
                ? tensor.slice(next, positions[0], positions[0] + positions.length)
                : pick(tensor, next, positions);
        Tensor shaped = index instanceof Index.One ? value.unsqueeze(axisInValue(indices, next)) : value;
        List<Index> rest = withWhole(indices, next);
        Tensor inner = replace(outer, next + 1, rest, shaped);
        return put(tensor, next, positions, inner);
    }

    /** The axis of the value that belongs to an axis of the tensor: places dropped before it don't count. */
    private static int axisInValue(List<Index> indices, int axis) {
        int count = 0;
        for (int i = 0; i < axis; i++) {
            count += indices.get(i) instanceof Index.One ? 0 : 1;
        }
        return count;
    }

    private static List<Index> withWhole(List<Index> indices, int axis) {
        List<Index> copy = new java.util.ArrayList<>(indices);
        copy.set(axis, new Index.All());
        return copy;
    }

    private static Tensor put(Tensor tensor, int axis, long[] positions, Tensor value) {
        if (positions.length == 0) {
            return tensor;
        }
        if (isRun(positions)) {
            List<Tensor> both = List.of(tensor, value);
            return Tensor.execute(tensor.backend(), new Op.SliceScatter(axis, positions[0]), both)
                    .get(0);
        }
        long[] shape = new long[tensor.rank()];
        java.util.Arrays.fill(shape, 1);
        shape[axis] = positions.length;
        Tensor indices =
                tensor.factory().of(positions, shape).expand(value.shape().toArray());
        return tensor.scatterElements(axis, indices, value);
    }

    private static boolean isRun(long[] positions) {
        for (int i = 1; i < positions.length; i++) {
            if (positions[i] != positions[i - 1] + 1) {
                return false;
            }
        }
        return positions.length > 0;
    }

    private static long[] positions(Index index, long size, int axis) {
        if (index instanceof Index.One one) {
            return new long[] {Index.resolve(one.position(), size, axis)};
        } else if (index instanceof Index.Range range) {
            long start = Op.Slice.clip(range.start(), size);
            long end = Op.Slice.clip(range.end(), size);
            int count = end <= start ? 0 : Math.toIntExact((end - start - 1) / range.step() + 1);
            long[] positions = new long[count];
            for (int i = 0; i < count; i++) {
                positions[i] = start + i * range.step();
            }
            return positions;
        } else if (index instanceof Index.Pick pick) {
            long[] positions = positions(pick);
            for (int i = 0; i < positions.length; i++) {
                positions[i] = Index.resolve(positions[i], size, axis);
            }
            return positions;
        }
        throw new IllegalStateException("Not a part of an axis: " + index);
    }

    private static long[] positions(Index.Pick pick) {
        return pick.positions().stream().mapToLong(Long::longValue).toArray();
    }
}
