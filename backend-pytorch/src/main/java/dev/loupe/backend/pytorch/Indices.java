package dev.loupe.backend.pytorch;

import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.nio.LongBuffer;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Indices that are out of range. On a CPU libtorch notices them, and only then is looked for the one to name. On a
 * GPU it would leave the whole device unusable: there they are looked at beforehand. What comes from this process is
 * looked at as it enters, and what is made of it keeps what is known, so that no run waits for the device to answer;
 * indices that the device has computed are looked at once.
 */
final class Indices {

    /** The least and the largest of some indices. */
    record Range(long least, long largest) {

        boolean isIn(long size) {
            return least >= 0 && largest < size;
        }
    }

    private static final Set<Class<? extends Op>> KEEP_RANGE = Set.of(
            Op.Reshape.class,
            Op.SplitAxis.class,
            Op.MergeAxes.class,
            Op.Transpose.class,
            Op.Slice.class,
            Op.Expand.class);

    private Indices() {}

    /** The range of numbers that are about to enter; null for what can't be indices. */
    static @Nullable Range of(HostTensor numbers) {
        if (numbers.dtype() != DType.INT64 || numbers.parts().size() != 1) {
            return null;
        }
        LongBuffer all = numbers.data().asLongBuffer();
        long least = Long.MAX_VALUE;
        long largest = Long.MIN_VALUE;
        while (all.hasRemaining()) {
            long number = all.get();
            least = Math.min(least, number);
            largest = Math.max(largest, number);
        }
        return new Range(Math.max(least, -1), largest);
    }

    /** Whether an op gives some of the elements of its first operand, and no other. */
    static boolean keepsRange(Op op) {
        return KEEP_RANGE.contains(op.getClass());
    }

    /** Looks at the indices of an op that would not notice them itself. */
    static void check(TorchDevice on, Op op, PtNDArray[] in, List<TensorHandle> inputs) {
        int axis = op.indexedAxis();
        if (on.isCpu() || axis < 0) {
            return;
        }
        PyTorchHandle indices = (PyTorchHandle) inputs.get(1);
        long size = in[0].getShape().get(axis);
        Range known = indices.range();
        if (known != null && known.isIn(size)) {
            return;
        }
        IndexOutOfBoundsException wrong =
                firstWrong(on, op, in[1], Shape.of(in[1].getShape().getShape()), size);
        if (wrong != null) {
            throw wrong;
        }
        indices.isIn(new Range(0, size - 1));
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
