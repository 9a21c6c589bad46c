package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Indices that are out of range. On a CPU libtorch notices them, and only then is looked for the one to name. On a
 * GPU it would leave the whole device unusable: there they are looked at beforehand.
 */
final class Indices {

    private Indices() {}

    /** Looks at the indices of an op that would not notice them itself. */
    static void check(TorchDevice on, Op op, PtNDArray[] in) {
        int axis = op.indexedAxis();
        if (on.isCpu() || axis < 0) {
            return;
        }
        IndexOutOfBoundsException wrong = firstWrong(
                on,
                op,
                in[1],
                Shape.of(in[1].getShape().getShape()),
                in[0].getShape().get(axis));
        if (wrong != null) {
            throw wrong;
        }
    }

    /** The exception to throw if an op failed because an index is out of range; null if none is. */
    static @Nullable IndexOutOfBoundsException outOfRange(TorchDevice on, Op op, List<TensorHandle> inputs) {
        int axis = op.indexedAxis();
        if (axis < 0) {
            return null;
        }
        PyTorchHandle indices = (PyTorchHandle) inputs.get(1);
        PtNDArray array = indices.acquire();
        try {
            return firstWrong(
                    on, op, array, indices.shape(), inputs.get(0).shape().size(axis));
        } finally {
            indices.release();
        }
    }

    private static @Nullable IndexOutOfBoundsException firstWrong(
            TorchDevice on, Op op, PtNDArray indices, Shape shape, long size) {
        HostTensor numbers = Transfer.download(on, indices, DType.INT64, shape);
        for (int i = 0; i < shape.elements(); i++) {
            long index = numbers.data().getLong(i * Long.BYTES);
            if (index < 0 || index >= size) {
                return new IndexOutOfBoundsException(op + ": index " + index + " at place " + i + " of the indices "
                        + shape + " is not in [0, " + size + ")");
            }
        }
        return null;
    }
}
