package dev.loupe.backend.onnx.runtime;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import org.apiguardian.api.API;

/** A tensor in direct memory, together with the runtime's view of it. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxHandle implements TensorHandle {

    // Copying a small tensor out costs little, and its memory can be used again at once.
    private static final int COPIED_OUT_BELOW = 1 << 18;

    private final OnnxRuntime runtime;
    private final DType dtype;
    private final Shape shape;
    private final Memory memory;
    private final ByteBuffer data;
    private final OnnxTensor tensor;
    private final AtomicInteger users = new AtomicInteger(1);

    /** A tensor over memory, one share of which becomes the tensor's. */
    private OnnxHandle(OnnxRuntime runtime, DType dtype, Shape shape, Memory memory, ByteBuffer data) {
        this.runtime = runtime;
        this.dtype = dtype;
        this.shape = shape;
        this.memory = memory;
        this.data = data;
        try {
            this.tensor = OnnxTensor.createTensor(runtime.environment(), data, shape.toArray(), javaType(dtype));
        } catch (OrtException e) {
            memory.release();
            throw new IllegalStateException("ONNX Runtime refused a tensor " + dtype + " " + shape, e);
        }
    }

    /** A tensor with anything in it. */
    public static OnnxHandle allocate(OnnxRuntime runtime, DType dtype, Shape shape) {
        int bytes = bytes(dtype, shape);
        Memory memory = runtime.pool().take(bytes);
        ByteBuffer data = memory.buffer().slice(0, bytes).order(ByteOrder.nativeOrder());
        return new OnnxHandle(runtime, dtype, shape, memory, data);
    }

    /** A tensor of the given numbers: over the same memory if that is direct, otherwise over a copy. */
    public static OnnxHandle of(OnnxRuntime runtime, HostTensor host) {
        int bytes = bytes(host.dtype(), host.shape());
        ByteBuffer data = host.data();
        if (data.isDirect()) {
            return new OnnxHandle(runtime, host.dtype(), host.shape(), new Memory(data, null), data);
        }
        OnnxHandle copy = allocate(runtime, host.dtype(), host.shape());
        copy.data.put(0, data, 0, bytes);
        return copy;
    }

    private static int bytes(DType dtype, Shape shape) {
        long bytes = shape.elements() * dtype.bytes();
        if (bytes > HostTensor.LARGEST_PART) {
            throw new OutOfTensorMemoryException(
                    "The backend 'onnx' can't hold a tensor " + dtype + " " + shape + " of "
                            + bytes + " bytes: its tensors lie in Java's buffers, of 2 GiB at most. Use the backend"
                            + " 'pytorch', or run fewer or shorter sequences at once");
        }
        return (int) bytes;
    }

    /** The same elements under another shape with as many of them; shares the memory. */
    public OnnxHandle view(Shape other) {
        return new OnnxHandle(runtime, dtype, other, memory.share(), data);
    }

    private static OnnxJavaType javaType(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> OnnxJavaType.FLOAT;
            case FLOAT64 -> OnnxJavaType.DOUBLE;
            case FLOAT16 -> OnnxJavaType.FLOAT16;
            case BFLOAT16 -> OnnxJavaType.BFLOAT16;
            case INT64 -> OnnxJavaType.INT64;
            case INT32 -> OnnxJavaType.INT32;
            case BOOL -> OnnxJavaType.BOOL;
        };
    }

    /** The numbers, for as long as anybody wants to read them: large ones without a copy. */
    public HostTensor toHost() {
        retain();
        try {
            if (data.capacity() < COPIED_OUT_BELOW) {
                HostTensor copy = HostTensor.allocateHeap(dtype, shape);
                copy.data().put(0, data, 0, data.capacity());
                return copy;
            }
            memory.escape();
            return new HostTensor(dtype, shape, data);
        } finally {
            release();
        }
    }

    /** The numbers, for reading and, in a tensor that is still being made, writing, while the handle is open. */
    public HostTensor inPlace() {
        return new HostTensor(dtype, shape, data);
    }

    OnnxTensor tensor() {
        return tensor;
    }

    /** Equal for two tensors if they lie in the same memory. */
    public Object place() {
        return memory;
    }

    /**
     * Keeps the tensor open until {@link #release}, whatever its owner does meanwhile.
     *
     * @throws IllegalStateException if it is closed
     */
    public void retain() {
        int before;
        do {
            before = users.get();
            if (before == 0) {
                throw new IllegalStateException("A closed tensor " + dtype + " " + shape + " was given to a run");
            }
        } while (!users.compareAndSet(before, before + 1));
    }

    /** Undoes one {@link #retain}. */
    public void release() {
        if (users.decrementAndGet() == 0) {
            tensor.close();
            memory.release();
        }
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Shape shape() {
        return shape;
    }

    @Override
    public long nativeBytes() {
        return data.capacity();
    }

    @Override
    public String device() {
        return runtime.device();
    }

    @Override
    public void close() {
        release();
    }
}
