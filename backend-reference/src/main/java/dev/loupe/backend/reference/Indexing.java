package dev.loupe.backend.reference;

import dev.loupe.array.Shape;
import dev.loupe.graph.Op;

/** Ops that read or write where int64 indices say. All indices are checked before anything is moved. */
final class Indexing {

    private Indexing() {}

    /** {@code out[o, i, n] = data[o, indices[i], n]}, with the axes before and after merged into o and n. */
    static HeapTensor gather(Op.Gather op, HeapTensor data, HeapTensor indices, Shape shape) {
        check(op, indices, data.shape().size(op.axis()));
        HeapTensor out = HeapTensor.zeros(data.dtype(), shape);
        if (out.size() == 0) {
            return out;
        }
        long[] index = indices.longs();
        int size = (int) data.shape().size(op.axis());
        int inner = Walk.rowMajor(data.shape())[op.axis()];
        int outer = out.size() / (index.length * inner);
        for (int o = 0; o < outer; o++) {
            for (int i = 0; i < index.length; i++) {
                int from = (o * size + (int) index[i]) * inner;
                out.copy(data, from, 1, (o * index.length + i) * inner, inner);
            }
        }
        return out;
    }

    /** {@code out[o, i, n] = data[o, indices[o, i, n], n]}. */
    static HeapTensor gatherElements(Op.GatherElements op, HeapTensor data, HeapTensor indices) {
        check(op, indices, data.shape().size(op.axis()));
        HeapTensor out = HeapTensor.zeros(data.dtype(), indices.shape());
        forEachElement(op.axis(), data, indices, (inData, inIndices) -> out.copy(data, inData, 1, inIndices, 1));
        return out;
    }

    /** {@code out[o, indices[o, i, n], n] = updates[o, i, n]}; where an index repeats, the last update stays. */
    static HeapTensor scatterElements(Op.ScatterElements op, HeapTensor data, HeapTensor indices, HeapTensor updates) {
        check(op, indices, data.shape().size(op.axis()));
        HeapTensor out = HeapTensor.zeros(data.dtype(), data.shape());
        out.copy(data, 0, 1, 0, data.size());
        forEachElement(op.axis(), data, indices, (inData, inIndices) -> out.copy(updates, inIndices, 1, inData, 1));
        return out;
    }

    /** {@code out[o, indices[o, i, n], n] += updates[o, i, n]}, added up in double. */
    static HeapTensor scatterAdd(Op.ScatterAdd op, HeapTensor data, HeapTensor indices, HeapTensor updates) {
        check(op, indices, data.shape().size(op.axis()));
        HeapTensor out = HeapTensor.zeros(data.dtype(), data.shape());
        if (data.dtype().isFloating()) {
            double[] sums = new double[data.size()];
            double[] added = new double[updates.size()];
            data.load(0, 1, sums, sums.length);
            updates.load(0, 1, added, added.length);
            forEachElement(op.axis(), data, indices, (inData, inIndices) -> sums[inData] += added[inIndices]);
            out.store(sums, 0, sums.length);
        } else {
            long[] sums = new long[data.size()];
            long[] added = new long[updates.size()];
            data.load(0, 1, sums, sums.length);
            updates.load(0, 1, added, added.length);
            forEachElement(op.axis(), data, indices, (inData, inIndices) -> sums[inData] += added[inIndices]);
            out.store(sums, 0, sums.length);
        }
        return out;
    }

    /** Takes the position of an index, and of the element of the data that it points at. */
    @FunctionalInterface
    private interface Pair {
        void accept(int inData, int inIndices);
    }

    private static void forEachElement(int axis, HeapTensor data, HeapTensor indices, Pair pair) {
        long[] index = indices.longs();
        if (index.length == 0) {
            return;
        }
        int inner = Walk.rowMajor(indices.shape())[axis];
        int dataPiece = (int) data.shape().size(axis) * inner;
        int indexPiece = (int) indices.shape().size(axis) * inner;
        for (int i = 0; i < index.length; i++) {
            int outer = i / indexPiece;
            pair.accept(outer * dataPiece + (int) index[i] * inner + i % inner, i);
        }
    }

    private static void check(Op op, HeapTensor indices, long size) {
        for (long index : indices.longs()) {
            if (index < 0 || index >= size) {
                throw new IndexOutOfBoundsException(
                        op.name() + ": index " + index + " is outside an axis of size " + size);
            }
        }
    }
}
