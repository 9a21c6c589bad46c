package dev.loupe.backend.pytorch;

import ai.djl.Device;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * libtorch's functions, as far as they are needed. The only class that reaches into DJL's internals
 * ({@code JniUtils}, {@code IValueUtils}): NDArray's own methods lack some functions, take scalars as floats, and
 * look at shapes that the caller has checked already.
 *
 * <p>Results are attached to the manager of the first argument, which in this backend is always the device's.
 */
final class Torch {

    /** Threads for one operation, 0 for as many as libtorch likes. libtorch keeps the number for each Java thread. */
    private static volatile int threads;

    private static final ThreadLocal<Integer> THREADS_HERE = ThreadLocal.withInitial(() -> 0);

    private Torch() {}

    // The state of the thread.

    /**
     * Begins work on this thread: autograd is off, the number of threads is the one asked for. DJL switches autograd
     * off only on the thread that loaded the engine.
     *
     * @return whether autograd was on, for {@link #leave}
     */
    static boolean enter() {
        int wanted = threads;
        if (wanted != 0 && THREADS_HERE.get() != wanted) {
            JniUtils.setNumThreads(wanted);
            THREADS_HERE.set(wanted);
        }
        boolean gradients = JniUtils.isGradMode();
        if (gradients) {
            JniUtils.setGradMode(false);
        }
        return gradients;
    }

    /** Ends work on this thread, which may belong to someone who trains a model with DJL. */
    static void leave(boolean gradients) {
        if (gradients) {
            JniUtils.setGradMode(true);
        }
    }

    static synchronized void setThreads(int count) {
        threads = count;
    }

    /**
     * Sets the number of threads if nobody has: libtorch left alone takes as many as the machine has, where MKL doesn't
     * know it, and whatever a container may use. Who has set {@code OMP_NUM_THREADS} has told libtorch.
     */
    static synchronized void setThreadsUnlessTold(int count) {
        if (threads == 0 && System.getenv("OMP_NUM_THREADS") == null && System.getenv("MKL_NUM_THREADS") == null) {
            threads = count;
        }
    }

    static int threads() {
        return JniUtils.getNumThreads();
    }

    static boolean gradientsOn() {
        return JniUtils.isGradMode();
    }

    /** Where the libtorch that has been loaded lies. */
    static Path folder() {
        return Path.of(LibUtils.getLibtorchPath());
    }

    // Making arrays.

    static PtNDArray full(PtNDManager manager, DataType type, long[] shape, double value) {
        return JniUtils.full(
                manager, new ai.djl.ndarray.types.Shape(shape), value, type, manager.getDevice(), SparseFormat.DENSE);
    }

    static PtNDArray copy(PtNDArray x) {
        return JniUtils.clone(x);
    }

    /** Another type that DJL has a name for; the same memory if it is the type already. */
    static PtNDArray cast(PtNDArray x, DataType type) {
        return JniUtils.to(x, type, x.getManager().getDevice());
    }

    /** A copy attached to a manager, on the manager's device. Of a type that DJL has a name for. */
    static PtNDArray move(PtNDArray x, PtNDManager target) {
        Device device = target.getDevice();
        if (device.equals(x.getDevice())) {
            PtNDArray copy = JniUtils.clone(x);
            copy.attach(target);
            return copy;
        }
        // DJL then makes a manager for the other device, which would outlive its only array.
        boolean makesManager = !device.equals(x.getManager().getDevice());
        PtNDArray moved = JniUtils.to(x, x.getDataType(), device);
        PtNDManager made = moved.getManager();
        moved.attach(target);
        if (makesManager) {
            made.close();
        }
        return moved;
    }

    /** Writes to a fresh, contiguous array on the CPU. */
    static void fill(PtNDArray fresh, ByteBuffer data) {
        if (data.hasRemaining()) {
            fresh.toByteBuffer(true).put(data);
        }
    }

    /** Reads an array on the CPU. */
    static void read(PtNDArray x, ByteBuffer into) {
        if (!into.hasRemaining()) {
            return;
        }
        // Where the elements don't lie in a row, DJL makes a copy that only a scope catches.
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            into.put(JniUtils.getByteBuffer(x, true).limit(into.remaining()));
        }
    }

    /** The memory of a contiguous array on the CPU, in native order. Not to be touched once the array is closed. */
    static ByteBuffer view(PtNDArray x) {
        return JniUtils.getByteBuffer(x, true);
    }

    // Elementwise.

    static PtNDArray unary(UnaryKind kind, PtNDArray x) {
        return switch (kind) {
            case NEG -> JniUtils.neg(x);
            case ABS -> JniUtils.abs(x);
            case SIGN -> JniUtils.sign(x);
            case EXP -> JniUtils.exp(x);
            case LOG -> JniUtils.log(x);
            case SQRT -> JniUtils.sqrt(x);
            case SIN -> JniUtils.sin(x);
            case COS -> JniUtils.cos(x);
            case TANH -> JniUtils.tanh(x);
            case ERF -> JniUtils.erf(x);
            case SIGMOID -> JniUtils.sigmoid(x);
            case FLOOR -> JniUtils.floor(x);
            case CEIL -> JniUtils.ceil(x);
            case ROUND -> JniUtils.round(x);
            case RELU -> JniUtils.relu(x);
            case NOT -> JniUtils.logicalNot(x);
            case IS_NAN -> JniUtils.isNaN(x);
            case RSQRT, RECIPROCAL -> throw new IllegalArgumentException(kind + " is composed");
        };
    }

    static PtNDArray binary(BinaryKind kind, PtNDArray a, PtNDArray b) {
        return switch (kind) {
            case ADD -> JniUtils.add(a, b);
            case SUB -> JniUtils.sub(a, b);
            case MUL -> JniUtils.mul(a, b);
            case DIV -> JniUtils.div(a, b);
            case POW -> JniUtils.pow(a, b);
            case MAX -> JniUtils.max(a, b);
            case MIN -> JniUtils.min(a, b);
            case EQ -> JniUtils.eq(a, b);
            case NE -> JniUtils.neq(a, b);
            case LT -> JniUtils.lt(a, b);
            case LE -> JniUtils.lte(a, b);
            case GT -> JniUtils.gt(a, b);
            case GE -> JniUtils.gte(a, b);
            case AND -> JniUtils.logicalAnd(a, b);
            case OR -> JniUtils.logicalOr(a, b);
        };
    }

    /** Whether all elements are equal, which NaN isn't even to itself. */
    static boolean equal(PtNDArray a, PtNDArray b) {
        return JniUtils.contentEqual(a, b);
    }

    static PtNDArray where(PtNDArray condition, PtNDArray a, PtNDArray b) {
        return JniUtils.where(condition, a, b);
    }

    static PtNDArray gelu(PtNDArray x) {
        return JniUtils.gelu(x);
    }

    // Reductions.

    static PtNDArray sum(PtNDArray x, long[] axes, boolean keepDims) {
        return JniUtils.sum(x, axes, keepDims);
    }

    static PtNDArray mean(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.mean(x, axis, keepDims);
    }

    static PtNDArray max(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.max(x, axis, keepDims);
    }

    static PtNDArray min(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.min(x, axis, keepDims);
    }

    static PtNDArray prod(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.prod(x, axis, keepDims);
    }

    static PtNDArray argMax(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.argMax(x, axis, keepDims);
    }

    static PtNDArray argMin(PtNDArray x, int axis, boolean keepDims) {
        return JniUtils.argMin(x, axis, keepDims);
    }

    static PtNDArray cumSum(PtNDArray x, int axis) {
        return JniUtils.cumSum(x, axis);
    }

    /** Of a type that DJL has a name for. */
    static PtNDArray softmax(PtNDArray x, int axis) {
        return JniUtils.softmax(x, axis, x.getDataType());
    }

    /** Of a type that DJL has a name for. */
    static PtNDArray logSoftmax(PtNDArray x, int axis) {
        return JniUtils.logSoftmax(x, axis, x.getDataType());
    }

    static PtNDArray layerNorm(PtNDArray x, long width, PtNDArray weight, PtNDArray bias, double eps) {
        return JniUtils.layerNorm(x, new ai.djl.ndarray.types.Shape(width), weight, bias, eps);
    }

    // Products.

    static PtNDArray matmul(PtNDArray a, PtNDArray b) {
        return JniUtils.matmul(a, b);
    }

    /** {@code x·weight + bias}; the bias goes into the product's own memory, which is faster than libtorch's addmm. */
    static PtNDArray linear(PtNDArray x, PtNDArray weight, PtNDArray bias) {
        PtNDArray product = JniUtils.matmul(x, weight);
        boolean done = false;
        try {
            JniUtils.addi(product, bias);
            done = true;
            return product;
        } finally {
            if (!done) {
                product.close();
            }
        }
    }

    // Moving elements about.

    static PtNDArray gather(PtNDArray x, PtNDArray indices, int axis) {
        return JniUtils.gather(x, indices, axis);
    }

    static PtNDArray scatter(PtNDArray x, PtNDArray indices, PtNDArray updates, int axis) {
        return JniUtils.scatter(x, indices, updates, axis);
    }

    /** Rows of a matrix, by index. */
    static PtNDArray rows(PtNDArray matrix, PtNDArray indices) {
        return JniUtils.embedding(indices, matrix, false);
    }

    static PtNDArray slice(PtNDArray x, int axis, long start, long end, long step) {
        return JniUtils.slice(x, axis, start, end, step);
    }

    static PtNDArray cat(PtNDArray[] parts, int axis) {
        return JniUtils.cat(parts, axis);
    }

    static PtNDArray reshape(PtNDArray x, long... sizes) {
        return JniUtils.reshape(x, sizes);
    }

    static PtNDArray flatten(PtNDArray x, int first, int last) {
        return JniUtils.flatten(x, first, last);
    }

    static PtNDArray permute(PtNDArray x, long[] axes) {
        return JniUtils.permute(x, axes);
    }

    static PtNDArray expand(PtNDArray x, long[] sizes) {
        return JniUtils.broadcast(x, new ai.djl.ndarray.types.Shape(sizes));
    }

    // TorchScript.

    static PtSymbolBlock load(PtNDManager manager, byte[] archive) {
        try {
            return JniUtils.loadModule(manager, new ByteArrayInputStream(archive), false, false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static PtNDArray call(PtSymbolBlock module, String method, PtNDArray first, Object... others) {
        try (IValue result = run(module, method, first, others)) {
            return result.toTensor(first.getManager());
        }
    }

    static boolean test(PtSymbolBlock module, String method, PtNDArray first) {
        try (IValue result = run(module, method, first)) {
            return result.toBoolean();
        }
    }

    static List<PtNDArray> callForSeveral(PtSymbolBlock module, String method, PtNDArray first, Object... others) {
        try (IValue result = run(module, method, first, others)) {
            List<PtNDArray> arrays = new ArrayList<>();
            for (IValue element : result.toIValueTuple()) {
                try (element) {
                    arrays.add(element.toTensor(first.getManager()));
                }
            }
            return arrays;
        }
    }

    // Methods of one or a few operations gain nothing from the graph optimizer, which would compile each anew for
    // every shape. The switch belongs to the thread; it is left as DJL itself leaves it.
    private static IValue run(PtSymbolBlock module, String method, PtNDArray first, Object... others) {
        IValue[] arguments = new IValue[others.length + 1];
        JniUtils.setGraphExecutorOptimize(false);
        try {
            arguments[0] = IValue.from(first);
            for (int i = 0; i < others.length; i++) {
                arguments[i + 1] = argument(others[i]);
            }
            return IValueUtils.runMethod(module, method, arguments);
        } finally {
            JniUtils.setGraphExecutorOptimize(!"false".equals(System.getProperty("ai.djl.pytorch.graph_optimizer")));
            for (IValue argument : arguments) {
                if (argument != null) {
                    argument.close();
                }
            }
        }
    }

    private static IValue argument(Object value) {
        if (value instanceof PtNDArray array) {
            return IValue.from(array);
        } else if (value instanceof Double number) {
            return IValue.from((double) number);
        } else if (value instanceof Boolean flag) {
            return IValue.from((boolean) flag);
        } else if (value instanceof long[] list) {
            return IValue.listFrom(list);
        }
        return IValue.from(((Number) value).longValue());
    }
}
