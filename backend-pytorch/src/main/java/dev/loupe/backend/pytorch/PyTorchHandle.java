package dev.loupe.backend.pytorch;

import ai.djl.ndarray.NDScope;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.TensorType;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Owns one NDArray and frees it once: when it is closed and nobody computes with it any more. libtorch doesn't
 * notice when memory is freed under a running operation, so operations say when they begin and end.
 */
final class PyTorchHandle implements TensorHandle {

    private static final VarHandle USERS = users();
    private static final int CLOSED = 1 << 30;

    /** Bytes up to which it is cheaper to keep a view's memory than to copy the view. */
    private static final long LITTLE = 1 << 16;

    private final TorchDevice device;
    private final PtNDArray array;
    private final boolean shared;

    /** Bytes of the memory that this is a view of; 0 for just what the elements need. */
    private final long storage;

    /** The least and the largest of these indices, if somebody has looked. */
    private volatile Indices.@Nullable Range range;

    private @Nullable Shape shape;
    private @Nullable DType dtype;

    /** Operations going on, plus {@link #CLOSED}. */
    @SuppressWarnings("unused")
    private volatile int users;

    private PyTorchHandle(TorchDevice device, PtNDArray array, long storage, boolean shared) {
        this.device = device;
        this.array = array;
        this.storage = storage;
        this.shared = shared;
        // A scope that the caller has open would free the array when it ends.
        NDScope.unregister(array);
    }

    /** Takes an array over, which may be a view of {@code storage} bytes, or 0. */
    static PyTorchHandle owning(TorchDevice device, PtNDArray array, long storage) {
        return new PyTorchHandle(device, array, storage, false);
    }

    /** As {@link #owning}, where the type is known to be another handle's: it is costly to ask the array for it. */
    static PyTorchHandle owning(TorchDevice device, PtNDArray array, PyTorchHandle ofSameType) {
        PyTorchHandle handle = new PyTorchHandle(device, array, 0, false);
        handle.shape = ofSameType.shape;
        handle.dtype = ofSameType.dtype;
        return handle;
    }

    /** Stands for an array that the device keeps for good. */
    static PyTorchHandle sharing(TorchDevice device, PtNDArray array) {
        return new PyTorchHandle(device, array, 0, true);
    }

    /** Results whose types have been inferred already, told so. */
    static List<TensorHandle> areOf(List<TensorType> types, List<TensorHandle> results) {
        for (int i = 0; i < types.size(); i++) {
            ((PyTorchHandle) results.get(i)).isOf(types.get(i));
        }
        return results;
    }

    /** Notes what the type rules say of this, so that libtorch needn't be asked, which costs as much as a small op. */
    void isOf(TensorType type) {
        if (shape == null || dtype == null) {
            dtype = type.dtype();
            shape = type.shape();
        }
    }

    /** The array, which stays until {@link #release} is called. */
    PtNDArray acquire() {
        int before = (int) USERS.getAndAdd(this, 1);
        if (before >= CLOSED) {
            release();
            throw new IllegalStateException("A tensor was closed before the operation that reads it was done");
        }
        return array;
    }

    void release() {
        int before = (int) USERS.getAndAdd(this, -1);
        if (before == CLOSED + 1) {
            free();
        }
    }

    @Override
    public void close() {
        int before = (int) USERS.getAndBitwiseOr(this, CLOSED);
        if (before == 0) {
            free();
        }
    }

    private void free() {
        if (!shared) {
            array.close();
        }
    }

    Indices.@Nullable Range range() {
        return range;
    }

    void isIn(Indices.@Nullable Range known) {
        range = known;
    }

    TorchDevice on() {
        return device;
    }

    @Override
    public DType dtype() {
        DType known = dtype;
        if (known == null) {
            known = TorchTypes.of(array);
            dtype = known;
        }
        return known;
    }

    @Override
    public Shape shape() {
        Shape known = shape;
        if (known == null) {
            known = Shape.of(array.getShape().getShape());
            shape = known;
        }
        return known;
    }

    /**
     * Of a view of little memory, all of it. Of others, its own elements: {@link Results} copies views that are small
     * beside what they keep alive.
     */
    @Override
    public long nativeBytes() {
        if (shared) {
            return 0;
        }
        if (storage > 0 && storage <= LITTLE) {
            return storage;
        }
        long own = ownBytes();
        return storage == 0 ? own : Math.min(own, storage);
    }

    /** Whether this keeps much more memory alive than its elements need. */
    boolean isSmallPartOfMuch() {
        return storage > LITTLE && 2 * ownBytes() < storage;
    }

    /** Whether the shapes are known, and this one's is what broadcasting the two gives. */
    boolean hasKnownShapeThatTakes(PyTorchHandle other) {
        Shape own = shape;
        Shape others = other.shape;
        return own != null && others != null && (others.rank() == 0 || own.equals(others));
    }

    /** Bytes of the memory that this is a view of; 0 for just what the elements need. */
    long storage() {
        return storage;
    }

    /** Bytes of memory that views of this keep alive. */
    long storageBytes() {
        return storage == 0 ? ownBytes() : storage;
    }

    private long ownBytes() {
        return shape().elements() * dtype().bytes();
    }

    @Override
    public String device() {
        return device.name();
    }

    @Override
    public String toString() {
        return dtype() + " " + shape();
    }

    private static VarHandle users() {
        try {
            return MethodHandles.lookup().findVarHandle(PyTorchHandle.class, "users", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }
}
