package dev.loupe.backend.pytorch;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.util.cuda.CudaUtils;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A place where arrays lie and operations run.
 *
 * <p>Every array here is attached to one manager, so that DJL's rule (results go to the manager of the first
 * operand) never takes an array anywhere else. Nothing is left to that manager but to be closed at the end: each
 * array has a {@linkplain PyTorchHandle handle} that frees it.
 */
final class TorchDevice implements AutoCloseable {

    private static final int KEPT_SCALARS = 1024;

    private final String name;
    private final PtNDManager manager;
    private final PtNDManager host;
    private final PtSymbolBlock functions;
    private final Map<Scalar, PtNDArray> scalars = new ConcurrentHashMap<>();

    private record Scalar(DType dtype, double value) {}

    private final boolean cpu;
    private final AtomicLong downloads = new AtomicLong();

    TorchDevice(String name, PtNDManager manager, PtSymbolBlock functions) {
        this(name, manager, functions, !manager.getDevice().isGpu());
    }

    /**
     * A device that is treated as a CPU or not, whatever it is.
     *
     * @param cpu whether it may be asked for numbers at any time, which on a GPU holds the run up
     */
    TorchDevice(String name, PtNDManager manager, PtSymbolBlock functions, boolean cpu) {
        this.name = name;
        this.manager = manager;
        this.cpu = cpu;
        this.host = !cpu ? manager.newSubManager(Device.cpu()) : manager;
        this.functions = functions;
    }

    /** {@code cpu}, {@code cuda:0}. */
    String name() {
        return name;
    }

    PtNDManager manager() {
        return manager;
    }

    /** For arrays on the CPU: those of this device if it is one, else those in transit. */
    PtNDManager host() {
        return host;
    }

    boolean isCpu() {
        return cpu;
    }

    /** How often numbers have been read out: each time, whoever asks waits for all that the device has to do. */
    long downloads() {
        return downloads.get();
    }

    void countDownload() {
        downloads.incrementAndGet();
    }

    /** Bytes of memory on a GPU; 0 if nobody knows, and on a CPU. */
    long memoryBytes() {
        return manager.getDevice().isGpu() && CudaUtils.getGpuCount() > 0
                ? CudaUtils.getGpuMemory(manager.getDevice()).getMax()
                : 0;
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

    PtNDArray full(DType dtype, Shape shape, double value) {
        if (dtype == DType.BFLOAT16) {
            try (PtNDArray wide = full(DType.FLOAT32, shape, value)) {
                return call("to_bfloat16", wide);
            }
        }
        DataType type = TorchTypes.carrier(dtype);
        double element = switch (dtype) {
            case BOOL -> value != 0 ? 1 : 0;
            case INT32 -> (int) value;
            case INT64 -> Math.min((long) value, Long.MAX_VALUE - 1023);
            default -> value;
        };
        return Torch.full(manager, type, shape.toArray(), element);
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

    /** Frees every array that is still here. */
    @Override
    public void close() {
        scalars.clear();
        manager.close();
    }
}
