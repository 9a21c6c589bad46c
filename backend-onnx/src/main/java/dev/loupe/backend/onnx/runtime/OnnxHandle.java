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
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** A tensor in direct memory, together with the runtime's view of it. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxHandle implements TensorHandle {

    // Copying a small tensor out costs little, and its memory can be used again at once.
    private static final int COPIED_OUT_BELOW = 1 << 18;

    /** The part of its size by which what grows may grow before it is copied. */
    private static final int ROOM_TO_GROW = 4;

    /** Instead of the number of users, while the numbers are being let go. */
    private static final int AWAY = Integer.MIN_VALUE;

    private final OnnxRuntime runtime;
    private final DType dtype;
    private final Shape shape;
    private final Object place;
    private final boolean replaceable;
    private final AtomicInteger users = new AtomicInteger(1);

    /** Null while the numbers lie elsewhere only. */
    private volatile @Nullable Content content;

    /** Where they lie too, once {@link #letGo} has been told. Guarded by this. */
    private @Nullable Elsewhere elsewhere;

    /** The numbers, and the runtime's view of them. */
    private record Content(Memory memory, ByteBuffer data, OnnxTensor tensor) {}

    /** Another place that holds a tensor's numbers. Used by one thread at a time. */
    public interface Elsewhere extends AutoCloseable {

        /** Writes all of them. */
        void read(HostTensor into);

        @Override
        void close();
    }

    /** A tensor over memory, one share of which becomes the tensor's. */
    private OnnxHandle(
            OnnxRuntime runtime,
            DType dtype,
            Shape shape,
            Memory memory,
            ByteBuffer data,
            Object place,
            boolean replaceable) {
        this.runtime = runtime;
        this.dtype = dtype;
        this.shape = shape;
        this.place = place;
        this.replaceable = replaceable;
        this.content = content(memory, data);
    }

    private OnnxHandle(OnnxRuntime runtime, DType dtype, Shape shape, Memory memory, ByteBuffer data) {
        this(runtime, dtype, shape, memory, data, memory, false);
    }

    private Content content(Memory memory, ByteBuffer data) {
        try {
            OnnxTensor tensor = OnnxTensor.createTensor(runtime.environment(), data, shape.toArray(), javaType(dtype));
            return new Content(memory, data, tensor);
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
        return of(runtime, host, false);
    }

    /**
     * A tensor of the given numbers: over the same memory if that is direct, otherwise over a copy.
     *
     * @param replaceable whether it may {@linkplain #letGo let go} of them, if it lies over the same memory
     */
    public static OnnxHandle of(OnnxRuntime runtime, HostTensor host, boolean replaceable) {
        int bytes = bytes(host.dtype(), host.shape());
        ByteBuffer data = host.data();
        if (data.isDirect()) {
            return new OnnxHandle(
                    runtime, host.dtype(), host.shape(), new Memory(data), data, new Object(), replaceable);
        }
        OnnxHandle copy = allocate(runtime, host.dtype(), host.shape());
        copy.content().data().put(0, data, 0, bytes);
        return copy;
    }

    /** Part of a tensor's rows that is being written. */
    static OnnxHandle over(OnnxRuntime runtime, DType dtype, Shape shape, ByteBuffer data) {
        return new OnnxHandle(runtime, dtype, shape, new Memory(data), data);
    }

    /**
     * Lets go of the numbers, if it is a tensor that may and nobody reads them just now. They are the same elsewhere, and
     * are read from there as soon as anybody wants them here; from then on they lie in both places.
     *
     * @param taker gives the other place, which is closed with this; null to keep the numbers after all
     */
    public synchronized void letGo(Supplier<? extends @Nullable Elsewhere> taker) {
        Content held = content;
        if (!replaceable || held == null || elsewhere != null || !users.compareAndSet(1, AWAY)) {
            return;
        }
        try {
            elsewhere = taker.get();
            if (elsewhere != null) {
                content = null;
                held.tensor().close();
                held.memory().release();
                runtime.pool().dropped(held.data().capacity());
            }
        } finally {
            users.set(1);
        }
    }

    private Content content() {
        Content held = content;
        return held != null ? held : readAgain();
    }

    private synchronized Content readAgain() {
        Content held = content;
        if (held == null) {
            HostTensor numbers = readElsewhere();
            held = content(new Memory(numbers.data()), numbers.data());
            content = held;
        }
        return held;
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
        Content held = content();
        return new OnnxHandle(runtime, dtype, other, held.memory().share(), held.data(), place, false);
    }

    /** Rows {@code from} to before {@code to} of a matrix; shares the memory. */
    public OnnxHandle rows(long from, long to) {
        Content held = content();
        long row = shape.size(1) * dtype.bytes();
        ByteBuffer some =
                held.data().slice((int) (from * row), (int) ((to - from) * row)).order(ByteOrder.nativeOrder());
        return new OnnxHandle(
                runtime,
                dtype,
                Shape.of(to - from, shape.size(1)),
                held.memory().share(),
                some);
    }

    /**
     * This followed by another along an axis. A single sequence goes on growing in the same memory: whoever is the first
     * to append to it writes only what is new, and this, which ends where it ended, doesn't see it.
     *
     * @param added differs from this along the axis only
     * @param whole the shape of the result
     */
    public OnnxHandle append(OnnxHandle added, int axis, Shape whole) {
        Content before = content();
        ByteBuffer fresh = added.content().data();
        int bytes = bytes(dtype, whole);
        int rows = 1;
        for (int i = 0; i < axis; i++) {
            rows *= Math.toIntExact(whole.size(i));
        }
        int kept = before.data().capacity();
        Memory memory = before.memory();
        if (rows == 1 && before.data().capacity() > 0 && memory.extend(kept, bytes)) {
            memory.share();
        } else {
            memory = runtime.pool().take(rows == 1 ? withRoom(bytes) : bytes, bytes);
        }
        ByteBuffer data = memory.buffer().slice(0, bytes).order(ByteOrder.nativeOrder());
        if (memory != before.memory()) {
            copyRows(before.data(), data, rows, 0);
        }
        copyRows(fresh, data, rows, kept / Math.max(1, rows));
        return new OnnxHandle(runtime, dtype, whole, memory, data);
    }

    private static int withRoom(int bytes) {
        return (int) Math.min(HostTensor.LARGEST_PART, bytes + (long) bytes / ROOM_TO_GROW);
    }

    private static void copyRows(ByteBuffer from, ByteBuffer to, int rows, int start) {
        if (rows == 0) {
            return;
        }
        int length = from.capacity() / rows;
        int distance = to.capacity() / rows;
        for (int row = 0; row < rows; row++) {
            to.put(row * distance + start, from, row * length, length);
        }
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
            Content held = content;
            if (held == null) {
                return readElsewhere();
            } else if (held.data().capacity() < COPIED_OUT_BELOW) {
                HostTensor copy = HostTensor.allocateHeap(dtype, shape);
                copy.data().put(0, held.data(), 0, held.data().capacity());
                return copy;
            }
            held.memory().escape();
            return new HostTensor(dtype, shape, held.data());
        } finally {
            release();
        }
    }

    // Who looks at a weight doesn't mean to have it in memory twice from then on.
    private synchronized HostTensor readElsewhere() {
        HostTensor numbers = HostTensor.allocate(dtype, shape);
        Objects.requireNonNull(elsewhere).read(numbers);
        return numbers;
    }

    /** The numbers, for reading and, in a tensor that is still being made, writing, while the handle is open. */
    public HostTensor inPlace() {
        return new HostTensor(dtype, shape, content().data());
    }

    OnnxTensor tensor() {
        return content().tensor();
    }

    /** Equal for two tensors if they lie in the same memory. */
    public Object place() {
        return place;
    }

    /** Whether the numbers lie here, and not elsewhere only. */
    public boolean isHere() {
        return content != null;
    }

    /** Whether this may {@linkplain #letGo let go} of its numbers. */
    public boolean isReplaceable() {
        return replaceable;
    }

    /**
     * Keeps the tensor open until {@link #release}, whatever its owner does meanwhile.
     *
     * @throws IllegalStateException if it is closed
     */
    public void retain() {
        if (count(1) == 0) {
            throw new IllegalStateException("A closed tensor " + dtype + " " + shape + " was given to a run");
        }
    }

    /** Undoes one {@link #retain}. */
    public void release() {
        if (count(-1) == 1) {
            free();
        }
    }

    /** Changes the number of users, but not from 0. Gives the number before. */
    private int count(int by) {
        int before;
        do {
            before = users.get();
            while (before == AWAY) {
                Thread.onSpinWait();
                before = users.get();
            }
            if (before == 0) {
                return 0;
            }
        } while (!users.compareAndSet(before, before + by));
        return before;
    }

    private synchronized void free() {
        Content held = content;
        if (held != null) {
            held.tensor().close();
            held.memory().release();
        }
        if (elsewhere != null) {
            elsewhere.close();
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
        return shape.elements() * dtype.bytes();
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
