package dev.loupe.backend.pytorch;

import ai.djl.Device;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A place where arrays lie and operations run.
 *
 * <p>Every array here is attached to one manager, so that DJL's rule (results go to the manager of the first
 * operand) never takes an array anywhere else. Nothing is left to that manager but to be closed at the end: each
 * array has a {@linkplain PyTorchHandle handle} that frees it.
 *
 * <p>The manager frees whatever is attached to it, without a look at who is reading. So it is there as long as anybody
 * uses the device: the backend until it is closed, every handle until its array is freed, and whoever uploads.
 */
final class TorchDevice implements AutoCloseable {

    private static final int KEPT_SCALARS = 1024;

    private final String name;
    private final long memoryBytes;
    private final Supplier<PtNDManager> managers;
    private final PtSymbolBlock functions;
    private final Map<Scalar, PtNDArray> scalars = new ConcurrentHashMap<>();

    private record Scalar(DType dtype, double value) {}

    /** How a device is treated. */
    enum Kind {
        /** It may be asked for numbers at any time. */
        CPU,
        /** To ask it for numbers holds the run up, which no run does: it waits for all that the device has to do. */
        GPU,
        /**
         * As a GPU, but there are no numbers at all, only their types and shapes. Whatever asks for one fails in libtorch,
         * whoever it is, which shows that nobody does.
         */
        NOWHERE
    }

    private final Kind kind;
    private final AtomicLong downloads = new AtomicLong();
    private final AtomicLong downloadedBytes = new AtomicLong();
    private final AtomicLong uploads = new AtomicLong();
    private final AtomicLong copies = new AtomicLong();
    private final AtomicLong works = new AtomicLong();

    private final AtomicLong users = new AtomicLong();
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile @Nullable Managers open;
    private volatile @Nullable PtNDArray staging;

    /** The manager of the device's arrays, and that of arrays on the CPU, the same on a CPU. */
    private record Managers(PtNDManager own, PtNDManager host) {}

    /**
     * A device that is treated as one of a kind, whatever it is. It is in use until it is {@linkplain #close closed}.
     *
     * @param memoryBytes how much memory of its own it has; 0 if nobody knows, and on a CPU
     * @param managers makes a manager for it
     * @param kind how it is treated
     */
    TorchDevice(String name, long memoryBytes, Supplier<PtNDManager> managers, PtSymbolBlock functions, Kind kind) {
        this.name = name;
        this.memoryBytes = memoryBytes;
        this.managers = managers;
        this.kind = kind;
        this.functions = functions;
        retain();
    }

    /** Keeps the device in use, until {@link #release}. */
    void retain() {
        long before;
        do {
            before = users.get();
            if (before == 0) {
                begin();
                return;
            }
        } while (!users.compareAndSet(before, before + 1));
    }

    // Away from zero users, and back to it, only one thread at a time.
    private synchronized void begin() {
        if (open == null) {
            PtNDManager own = managers.get();
            open = new Managers(own, isCpu() ? own : own.newSubManager(Device.cpu()));
        }
        users.incrementAndGet();
    }

    /** Undoes one {@link #retain}. The last one frees what the device keeps. */
    void release() {
        if (users.decrementAndGet() == 0) {
            end();
        }
    }

    private synchronized void end() {
        Managers last = open;
        if (users.get() == 0 && last != null) {
            open = null;
            scalars.clear();
            staging = null;
            last.own().close();
        }
    }

    private Managers managers() {
        Managers current = open;
        if (current == null) {
            throw new IllegalStateException("Nobody uses the device " + name);
        }
        return current;
    }

    /** {@code cpu}, {@code cuda:0}. */
    String name() {
        return name;
    }

    PtNDManager manager() {
        return managers().own();
    }

    /** For arrays on the CPU: those of this device if it is one, else those in transit. */
    PtNDManager host() {
        return managers().host();
    }

    boolean isCpu() {
        return kind == Kind.CPU;
    }

    /** How often numbers have been read out: each time, whoever asks waits for all that the device has to do. */
    long downloads() {
        return downloads.get();
    }

    /** Bytes that have been read out. */
    long downloadedBytes() {
        return downloadedBytes.get();
    }

    void countDownload(long bytes) {
        downloads.incrementAndGet();
        downloadedBytes.addAndGet(bytes);
    }

    /** How often numbers have been taken in, from Java's memory. */
    long uploads() {
        return uploads.get();
    }

    void countUpload() {
        uploads.incrementAndGet();
    }

    /** How often something has been copied here from another device. */
    long copies() {
        return copies.get();
    }

    void countCopy() {
        copies.incrementAndGet();
    }

    /** How many operations have run, those that are done at once counting as one. */
    long works() {
        return works.get();
    }

    void countWork() {
        works.incrementAndGet();
    }

    /** Bytes of memory on a GPU; 0 if nobody knows, and on a CPU. Asked for with every tensor, so it is only told. */
    long memoryBytes() {
        return memoryBytes;
    }

    /** A constant, which the device keeps: constants come back in every run. */
    PtNDArray scalar(DType dtype, double value) {
        Scalar key = new Scalar(dtype, value);
        PtNDArray known = scalars.get(key);
        return known != null ? known : scalars.computeIfAbsent(key, k -> full(dtype, Shape.SCALAR, value));
    }

    /** A handle of a constant; of a new array once a great many different ones have been seen. */
    PyTorchHandle scalarHandle(DType dtype, double value) {
        if (scalars.size() < KEPT_SCALARS || scalars.containsKey(new Scalar(dtype, value))) {
            return PyTorchHandle.sharing(this, scalar(dtype, value));
        }
        return PyTorchHandle.owning(this, full(dtype, Shape.SCALAR, value), 0);
    }

    /** @param value as {@link DType#nearest} gives it */
    PtNDArray full(DType dtype, Shape shape, double value) {
        if (dtype == DType.BFLOAT16) {
            try (PtNDArray wide = full(DType.FLOAT32, shape, value)) {
                return call("to_bfloat16", wide);
            }
        }
        if (dtype == DType.INT64 && value >= 0x1p63) {
            // No double is the largest long.
            try (PtNDArray wide = full(DType.FLOAT64, shape, value)) {
                return call("to_int64", wide);
            }
        }
        PtNDArray full = Torch.full(manager(), TorchTypes.carrier(dtype), shape.toArray(), value);
        if (kind != Kind.NOWHERE) {
            return full;
        }
        try (full) {
            return call("nowhere", full);
        }
    }

    /** An array with anything in it, on a manager's device: on the CPU for bfloat16. */
    PtNDArray empty(PtNDManager where, DType type, long... sizes) {
        return type == DType.BFLOAT16
                ? call("empty_bfloat16", scalar(DType.FLOAT32, 0), (Object) sizes)
                : where.create(new ai.djl.ndarray.types.Shape(sizes), TorchTypes.carrier(type));
    }

    /**
     * Does something with memory that is kept for the next who asks, one at a time, until {@link #forgetStaging}.
     *
     * @param elements how many it holds at least
     */
    synchronized PtNDArray staged(DType type, long elements, Function<PtNDArray, PtNDArray> use) {
        PtNDArray kept = staging;
        if (kept == null || TorchTypes.of(kept) != type || kept.getShape().size() < elements) {
            forgetStaging();
            kept = empty(manager(), type, elements);
            staging = kept;
        }
        return use.apply(kept);
    }

    /** Frees what {@link #staged} keeps, if anything. */
    void forgetStaging() {
        if (staging != null) {
            dropStaging();
        }
    }

    private synchronized void dropStaging() {
        PtNDArray kept = staging;
        staging = null;
        if (kept != null) {
            kept.close();
        }
    }

    /** Runs one of the functions in {@code ops.py}. */
    PtNDArray call(String function, PtNDArray first, Object... others) {
        return Torch.call(functions, function, first, others);
    }

    /** Runs one of the functions in {@code ops.py} that answer a question. */
    boolean test(String function) {
        return Torch.test(functions, function, scalar(DType.FLOAT32, 0));
    }

    /** Runs one of the functions in {@code ops.py} that have several results. */
    List<PtNDArray> callForSeveral(String function, PtNDArray first, Object... others) {
        return Torch.callForSeveral(functions, function, first, others);
    }

    /** Ends the use that the device began with. Arrays that have handles stay until those are closed. Idempotent. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release();
        }
    }
}
