package dev.loupe.tensor;

import dev.loupe.array.Axes;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.TensorType;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * An immutable array of numbers on some backend. Every method that computes returns a new tensor and leaves this
 * one as it is.
 *
 * <p>Operands of one operation lie on the same backend and have the same data type, and broadcast as NumPy's do;
 * plain numbers take the tensor's type. Axes may be negative: −1 is the last one. An operation that doesn't fit
 * throws {@link IllegalArgumentException} with the shapes, one on a closed tensor {@link IllegalStateException}.
 *
 * <p>A tensor needn't be closed: its memory goes when it can't be reached any more. {@link #close} and {@link
 * TensorScope} free it at once.
 */
public final class Tensor implements AutoCloseable {

    private final Backend backend;
    private final TensorMemory.Lease lease;
    private final Cleaner.Cleanable cleanable;
    private final Shape shape;
    private final DType dtype;
    private final String label;

    /** Shape and data type as the type rules want them, once an op has asked. */
    private @Nullable TensorType type;

    private Tensor(Backend backend, TensorHandle handle, String label) {
        this.backend = backend;
        this.shape = handle.shape();
        this.dtype = handle.dtype();
        this.label = label;
        this.lease = new TensorMemory.Lease(handle);
        this.cleanable = TensorMemory.register(this, lease);
        TensorScope.register(this);
    }

    /** Takes ownership of a backend's handle. For backends and for Loupe itself. */
    public static Tensor wrap(Backend backend, TensorHandle handle) {
        return new Tensor(backend, handle, "");
    }

    /** As {@link #wrap(Backend, TensorHandle)}, with a name for messages, such as a hook point's. */
    public static Tensor wrap(Backend backend, TensorHandle handle, String label) {
        return new Tensor(backend, handle, label);
    }

    // What it is.

    /** The sizes. */
    public Shape shape() {
        return shape;
    }

    /** The number of axes. */
    public int rank() {
        return shape.rank();
    }

    /** The size of an axis. */
    public long size(int axis) {
        return shape.size(axis);
    }

    /** The number of elements. */
    public long elements() {
        return shape.elements();
    }

    /** The data type. */
    public DType dtype() {
        return dtype;
    }

    /** Where the data lies: {@code cpu}, {@code cuda:0}. */
    public String device() {
        return handle().device();
    }

    /** The backend that holds the data. */
    public Backend backend() {
        return backend;
    }

    /** Makes other tensors on the same backend. */
    public TensorFactory factory() {
        return new TensorFactory(backend);
    }

    /**
     * The backend's own representation, for backends and for Loupe itself. It lives as long as this tensor.
     *
     * @throws IllegalStateException if this tensor is closed
     */
    public TensorHandle handle() {
        if (lease.isClosed()) {
            throw new IllegalStateException("This tensor was closed: " + describe()
                    + ". Keep it open as long as it is used, or keep a copy of what is needed of it.");
        }
        return lease.handle;
    }

    /** Whether {@link #close} was called. */
    public boolean isClosed() {
        return lease.isClosed();
    }

    /** Frees the memory at once. Idempotent. */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** Bytes outside the Java heap that all tensors of this process hold at present. */
    public static long liveNativeBytes() {
        return TensorMemory.liveNativeBytes();
    }

    // Reading out.

    /**
     * The data in host memory.
     *
     * @throws OutOfTensorMemoryException if there is no room
     */
    public HostTensor toHost() {
        try {
            return backend.download(handle());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    // What can't become an array isn't fetched first.
    private HostTensor toHostForArray() {
        HostTensor.checkFitsIntoArray(dtype, shape);
        return toHost();
    }

    /** The elements in row-major order. */
    public float[] toFloatArray() {
        return toHostForArray().toFloatArray();
    }

    /** The elements in row-major order. */
    public double[] toDoubleArray() {
        return toHostForArray().toDoubleArray();
    }

    /** The elements in row-major order; fractions are cut off. */
    public long[] toLongArray() {
        return toHostForArray().toLongArray();
    }

    /** The elements in row-major order: whether they are not 0. */
    public boolean[] toBooleanArray() {
        double[] numbers = toDoubleArray();
        boolean[] result = new boolean[numbers.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = numbers[i] != 0;
        }
        return result;
    }

    /**
     * The only element.
     *
     * @throws IllegalStateException if there isn't exactly one
     */
    public double item() {
        if (shape.elements() != 1) {
            throw new IllegalStateException("item() needs exactly one element, this is " + describe());
        }
        return toHost().getDouble(0);
    }

    /** One element. */
    public double item(long... position) {
        if (position.length != rank()) {
            throw new IndexOutOfBoundsException(
                    position.length + " indices for a tensor of rank " + rank() + " " + shape);
        }
        long flat = 0;
        for (int i = 0; i < position.length; i++) {
            flat = flat * size(i) + Index.resolve(position[i], size(i), i);
        }
        return toHost().getDouble(flat);
    }

    // Elementwise.

    /** {@code this + other}. */
    public Tensor add(Tensor other) {
        return binary(BinaryKind.ADD, other);
    }

    /** {@code this + number}. */
    public Tensor add(double number) {
        return binary(BinaryKind.ADD, number);
    }

    /** {@code this - other}. */
    public Tensor sub(Tensor other) {
        return binary(BinaryKind.SUB, other);
    }

    /** {@code this - number}. */
    public Tensor sub(double number) {
        return binary(BinaryKind.SUB, number);
    }

    /** {@code this · other}, elementwise. */
    public Tensor mul(Tensor other) {
        return binary(BinaryKind.MUL, other);
    }

    /** {@code this · number}. */
    public Tensor mul(double number) {
        return binary(BinaryKind.MUL, number);
    }

    /** {@code this / other}, elementwise. */
    public Tensor div(Tensor other) {
        return binary(BinaryKind.DIV, other);
    }

    /** {@code this / number}. */
    public Tensor div(double number) {
        return binary(BinaryKind.DIV, number);
    }

    /** {@code this} to the power of {@code other}. */
    public Tensor pow(Tensor other) {
        return binary(BinaryKind.POW, other);
    }

    /** {@code this} to the power of {@code number}. */
    public Tensor pow(double number) {
        return binary(BinaryKind.POW, number);
    }

    /** The larger of each pair; NaN if either is NaN. */
    public Tensor maximum(Tensor other) {
        return binary(BinaryKind.MAX, other);
    }

    /** The larger of each element and a number. */
    public Tensor maximum(double number) {
        return binary(BinaryKind.MAX, number);
    }

    /** The smaller of each pair; NaN if either is NaN. */
    public Tensor minimum(Tensor other) {
        return binary(BinaryKind.MIN, other);
    }

    /** The smaller of each element and a number. */
    public Tensor minimum(double number) {
        return binary(BinaryKind.MIN, number);
    }

    /** Each element brought between two bounds. */
    public Tensor clamp(double low, double high) {
        return maximum(low).minimum(high);
    }

    /** {@code this == other}, as bool. */
    public Tensor eq(Tensor other) {
        return binary(BinaryKind.EQ, other);
    }

    /** {@code this == number}, as bool. */
    public Tensor eq(double number) {
        return binary(BinaryKind.EQ, number);
    }

    /** {@code this != other}, as bool. */
    public Tensor ne(Tensor other) {
        return binary(BinaryKind.NE, other);
    }

    /** {@code this != number}, as bool. */
    public Tensor ne(double number) {
        return binary(BinaryKind.NE, number);
    }

    /** {@code this < other}, as bool. */
    public Tensor lt(Tensor other) {
        return binary(BinaryKind.LT, other);
    }

    /** {@code this < number}, as bool. */
    public Tensor lt(double number) {
        return binary(BinaryKind.LT, number);
    }

    /** {@code this <= other}, as bool. */
    public Tensor le(Tensor other) {
        return binary(BinaryKind.LE, other);
    }

    /** {@code this <= number}, as bool. */
    public Tensor le(double number) {
        return binary(BinaryKind.LE, number);
    }

    /** {@code this > other}, as bool. */
    public Tensor gt(Tensor other) {
        return binary(BinaryKind.GT, other);
    }

    /** {@code this > number}, as bool. */
    public Tensor gt(double number) {
        return binary(BinaryKind.GT, number);
    }

    /** {@code this >= other}, as bool. */
    public Tensor ge(Tensor other) {
        return binary(BinaryKind.GE, other);
    }

    /** {@code this >= number}, as bool. */
    public Tensor ge(double number) {
        return binary(BinaryKind.GE, number);
    }

    /** Logical and, of bools. */
    public Tensor and(Tensor other) {
        return binary(BinaryKind.AND, other);
    }

    /** Logical or, of bools. */
    public Tensor or(Tensor other) {
        return binary(BinaryKind.OR, other);
    }

    /** Logical not, of bools. */
    public Tensor not() {
        return unary(UnaryKind.NOT);
    }

    /** {@code -this}. */
    public Tensor neg() {
        return unary(UnaryKind.NEG);
    }

    /** Absolute value. */
    public Tensor abs() {
        return unary(UnaryKind.ABS);
    }

    /** −1, 0 or 1. */
    public Tensor sign() {
        return unary(UnaryKind.SIGN);
    }

    /** {@code e^this}. */
    public Tensor exp() {
        return unary(UnaryKind.EXP);
    }

    /** Natural logarithm. */
    public Tensor log() {
        return unary(UnaryKind.LOG);
    }

    /** Square root. */
    public Tensor sqrt() {
        return unary(UnaryKind.SQRT);
    }

    /** {@code 1/sqrt(this)}. */
    public Tensor rsqrt() {
        return unary(UnaryKind.RSQRT);
    }

    /** {@code 1/this}. */
    public Tensor reciprocal() {
        return unary(UnaryKind.RECIPROCAL);
    }

    /** {@code this · this}. */
    public Tensor square() {
        return mul(this);
    }

    /** Sine, of radians. */
    public Tensor sin() {
        return unary(UnaryKind.SIN);
    }

    /** Cosine, of radians. */
    public Tensor cos() {
        return unary(UnaryKind.COS);
    }

    /** Hyperbolic tangent. */
    public Tensor tanh() {
        return unary(UnaryKind.TANH);
    }

    /** The error function. */
    public Tensor erf() {
        return unary(UnaryKind.ERF);
    }

    /** {@code 1/(1+e^-this)}. */
    public Tensor sigmoid() {
        return unary(UnaryKind.SIGMOID);
    }

    /** Rounded down. */
    public Tensor floor() {
        return unary(UnaryKind.FLOOR);
    }

    /** Rounded up. */
    public Tensor ceil() {
        return unary(UnaryKind.CEIL);
    }

    /** Rounded to the nearest, halves to even. */
    public Tensor round() {
        return unary(UnaryKind.ROUND);
    }

    /** {@code max(this, 0)}. */
    public Tensor relu() {
        return unary(UnaryKind.RELU);
    }

    /** Whether each element is NaN. */
    public Tensor isNaN() {
        return unary(UnaryKind.IS_NAN);
    }

    /** GELU with the error function. */
    public Tensor gelu() {
        return run(new Op.Activation(ActivationKind.GELU));
    }

    /** The tanh approximation of GELU. */
    public Tensor geluTanh() {
        return run(new Op.Activation(ActivationKind.GELU_TANH));
    }

    /** {@code this · sigmoid(this)}. */
    public Tensor silu() {
        return run(new Op.Activation(ActivationKind.SILU));
    }

    /** {@code condition ? a : b}, elementwise; all three broadcast. */
    public static Tensor where(Tensor condition, Tensor a, Tensor b) {
        return execute(new Op.Where(), condition, a, b);
    }

    /** A number where the bool mask is true, this elsewhere. */
    public Tensor maskedFill(Tensor mask, double number) {
        return where(mask, constant(number), this);
    }

    /** The same numbers in another data type; this very tensor if it has that type. */
    public Tensor to(DType type) {
        return type == dtype ? this : run(new Op.Cast(type));
    }

    /** A copy on another backend; this very tensor if it lies there. */
    public Tensor to(Backend other) {
        return other == backend ? this : new TensorFactory(other).of(toHost());
    }

    // Reductions.

    /** The sum of all elements, a scalar. */
    public Tensor sum() {
        return reduceAll(ReduceKind.SUM);
    }

    /** Sums over axes, which are dropped. */
    public Tensor sum(int... axes) {
        return reduce(ReduceKind.SUM, false, axes);
    }

    /** The mean of all elements, a scalar. */
    public Tensor mean() {
        return reduceAll(ReduceKind.MEAN);
    }

    /** Means over axes, which are dropped. */
    public Tensor mean(int... axes) {
        return reduce(ReduceKind.MEAN, false, axes);
    }

    /** The largest of all elements, a scalar. */
    public Tensor max() {
        return reduceAll(ReduceKind.MAX);
    }

    /** The largest over axes, which are dropped. */
    public Tensor max(int... axes) {
        return reduce(ReduceKind.MAX, false, axes);
    }

    /** The smallest of all elements, a scalar. */
    public Tensor min() {
        return reduceAll(ReduceKind.MIN);
    }

    /** The smallest over axes, which are dropped. */
    public Tensor min(int... axes) {
        return reduce(ReduceKind.MIN, false, axes);
    }

    /** Products over axes, which are dropped. */
    public Tensor prod(int... axes) {
        return reduce(ReduceKind.PROD, false, axes);
    }

    /** Reduces axes, which are kept with size 1 or dropped. */
    public Tensor reduce(ReduceKind kind, boolean keepDims, int... axes) {
        List<Integer> list = Arrays.stream(axes)
                .mapToObj(axis -> Axes.normalize(axis, rank()))
                .toList();
        return run(new Op.Reduce(kind, list, keepDims));
    }

    private Tensor reduceAll(ReduceKind kind) {
        return rank() == 0
                ? reshape(1).reduce(kind, false, 0)
                : reduce(kind, false, IntStream.range(0, rank()).toArray());
    }

    /** The biased variance over axes, which are dropped. */
    public Tensor var(int... axes) {
        return sub(reduce(ReduceKind.MEAN, true, axes)).square().mean(axes);
    }

    /** The square root of the biased variance over axes, which are dropped. */
    public Tensor std(int... axes) {
        return var(axes).sqrt();
    }

    /** The Euclidean norm of all elements, a scalar. */
    public Tensor norm() {
        return square().sum().sqrt();
    }

    /** Euclidean norms over axes, which are dropped. */
    public Tensor norm(int... axes) {
        return square().sum(axes).sqrt();
    }

    /** Whether any element is true (not 0). */
    public boolean any() {
        boolean found = false;
        for (boolean element : toBooleanArray()) {
            found |= element;
        }
        return found;
    }

    /** Whether all elements are true (not 0). */
    public boolean all() {
        boolean every = true;
        for (boolean element : toBooleanArray()) {
            every &= element;
        }
        return every;
    }

    /** int64 index of the largest along an axis, which is dropped; the first of equals. */
    public Tensor argmax(int axis) {
        return run(new Op.ArgReduce(true, axis(axis), false));
    }

    /** int64 index of the smallest along an axis, which is dropped; the first of equals. */
    public Tensor argmin(int axis) {
        return run(new Op.ArgReduce(false, axis(axis), false));
    }

    /** The best numbers along an axis and where they stand. */
    public record TopK(Tensor values, Tensor indices) {}

    /** The k largest along an axis, the largest first. */
    public TopK topk(int k, int axis) {
        List<Tensor> both = execute(backend, new Op.TopK(k, axis(axis), true), List.of(this));
        return new TopK(both.get(0), both.get(1));
    }

    /** Running sum along an axis. */
    public Tensor cumsum(int axis) {
        return run(new Op.CumSum(axis(axis)));
    }

    /** Softmax along an axis; a row of −∞ gives zeros. */
    public Tensor softmax(int axis) {
        return run(new Op.Softmax(axis(axis)));
    }

    /** Logarithm of the softmax along an axis. */
    public Tensor logSoftmax(int axis) {
        return run(new Op.LogSoftmax(axis(axis)));
    }

    /** {@code log(sum(exp(this)))} along an axis, which is dropped; computed stably. */
    public Tensor logSumExp(int axis) {
        Tensor max = reduce(ReduceKind.MAX, true, axis);
        Tensor sums = sub(max).exp().sum(axis).log();
        return sums.add(max.squeeze(axis));
    }

    /** Layer normalisation over the last axis, without parameters. */
    public Tensor layerNorm(double eps) {
        return run(new Op.LayerNorm(eps));
    }

    // Products.

    /** Matrix product over the last two axes; leading axes broadcast. */
    public Tensor matmul(Tensor other) {
        return execute(new Op.MatMul(), this, other);
    }

    /**
     * Einstein summation of one or two tensors, such as {@code "bphd,hde->bphe"}: letters name axes, letters that
     * aren't in the result are summed over. The two share at least no more than a letter each per axis.
     *
     * @throws IllegalArgumentException if the pattern is malformed or sizes disagree
     */
    public static Tensor einsum(String pattern, Tensor... operands) {
        return Einsum.run(pattern, operands);
    }

    // Shape.

    /** The same elements under another shape; one size may be −1. */
    public Tensor reshape(long... sizes) {
        long known = 1;
        int open = -1;
        for (int i = 0; i < sizes.length; i++) {
            if (sizes[i] == -1 && open < 0) {
                open = i;
            } else {
                known *= sizes[i];
            }
        }
        long[] full = sizes.clone();
        if (open >= 0) {
            if (known == 0 || elements() % known != 0) {
                throw new IllegalArgumentException(
                        "Can't reshape " + shape + " to " + Arrays.toString(sizes) + ": " + elements() + " elements");
            }
            full[open] = elements() / known;
        }
        return run(new Op.Reshape(Shape.of(full)));
    }

    /** All elements on one axis. */
    public Tensor flatten() {
        return reshape(elements());
    }

    /** Inserts an axis of size 1, axis {@code at} of the result. */
    public Tensor unsqueeze(int at) {
        List<Long> sizes = list(shape.toArray());
        sizes.add(Axes.normalize(at, rank() + 1), 1L);
        return reshape(array(sizes));
    }

    /** Drops an axis of size 1. */
    public Tensor squeeze(int axis) {
        if (size(axis) != 1) {
            throw new IllegalArgumentException("Axis " + axis + " of " + shape + " can't be dropped: its size isn't 1");
        }
        List<Long> sizes = list(shape.toArray());
        sizes.remove(axis(axis));
        return reshape(array(sizes));
    }

    /** Merges {@code count} axes from {@code axis} on. */
    public Tensor mergeAxes(int axis, int count) {
        return run(new Op.MergeAxes(axis(axis), count));
    }

    /** Splits an axis into several; one size may be −1. */
    public Tensor splitAxis(int axis, long... sizes) {
        return run(new Op.SplitAxis(axis(axis), list(sizes)));
    }

    /** Reorders axes: axis i of the result is axis {@code order[i]} of this. */
    public Tensor permute(int... order) {
        return run(new Op.Transpose(IntStream.of(order)
                .mapToObj(axis -> Axes.normalize(axis, rank()))
                .toList()));
    }

    /** Exchanges two axes. */
    public Tensor transpose(int first, int second) {
        List<Integer> order = new ArrayList<>(IntStream.range(0, rank()).boxed().toList());
        Collections.swap(order, axis(first), axis(second));
        return run(new Op.Transpose(order));
    }

    /** Repeats axes of size 1 to the given sizes, one for each axis; −1 keeps an axis. */
    public Tensor expand(long... sizes) {
        return run(new Op.Expand(list(sizes)));
    }

    /** Joins tensors along an axis. */
    public static Tensor concat(int axis, Tensor... parts) {
        return concat(axis, Arrays.asList(parts));
    }

    /** Joins tensors along an axis. */
    public static Tensor concat(int axis, List<Tensor> parts) {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("concat needs at least one tensor");
        }
        Tensor first = parts.get(0);
        return execute(first.backend, new Op.Concat(first.axis(axis)), parts).get(0);
    }

    /** Joins tensors of one shape along a new axis. */
    public static Tensor stack(int axis, List<Tensor> parts) {
        return concat(axis, parts.stream().map(part -> part.unsqueeze(axis)).toList());
    }

    // Indexing.

    /**
     * Part of this tensor: {@code get(at(all(), 5, range(0, 3)))}.
     *
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public Tensor get(Index.Selection selection) {
        return Indexing.get(this, selection);
    }

    /** Part of this tensor; see {@link Index#at}. */
    public Tensor get(Object... indices) {
        return Indexing.get(this, Index.at(indices));
    }

    /**
     * A copy of this tensor with a part replaced: Python's {@code x[5] = value}.
     *
     * @param value broadcasts to the part's shape
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public Tensor with(Index.Selection selection, Tensor value) {
        return Indexing.with(this, selection, value);
    }

    /** A copy of this tensor with a part filled with a number. */
    public Tensor with(Index.Selection selection, double number) {
        return Indexing.with(this, selection, constant(number));
    }

    /** {@code start:end} of an axis, Python's meaning. */
    public Tensor slice(int axis, long start, long end) {
        return run(new Op.Slice(axis(axis), start, end, 1));
    }

    /** One place of an axis, which is dropped. */
    public Tensor select(int axis, long position) {
        int where = axis(axis);
        long place = Index.resolve(position, size(where), where);
        return slice(where, place, place + 1).squeeze(where);
    }

    /** Chosen places of an axis, in the given order. */
    public Tensor pick(int axis, long... positions) {
        return Indexing.pick(this, axis(axis), positions);
    }

    /** Entries of an axis by an int64 tensor, whose axes replace it. */
    public Tensor gather(int axis, Tensor indices) {
        return execute(new Op.Gather(axis(axis)), this, indices);
    }

    /** {@code out[..., i, ...] = this[..., indices[..., i, ...], ...]} along an axis. */
    public Tensor gatherElements(int axis, Tensor indices) {
        return execute(new Op.GatherElements(axis(axis)), this, indices);
    }

    /** A copy of this with {@code out[..., indices[..., i, ...], ...] = updates[..., i, ...]} along an axis. */
    public Tensor scatterElements(int axis, Tensor indices, Tensor updates) {
        return execute(new Op.ScatterElements(axis(axis)), this, indices, updates);
    }

    // Comparing and showing.

    /**
     * The largest absolute difference of corresponding elements, in float64. Equal infinities and two NaNs differ
     * by 0; a NaN against a number by NaN.
     *
     * @throws IllegalArgumentException if the shapes differ
     */
    public double maxAbsDifference(Tensor other) {
        if (!shape.equals(other.shape)) {
            throw new IllegalArgumentException("Can't compare " + describe() + " with " + other.describe());
        }
        double[] a = toDoubleArray();
        double[] b = other.toDoubleArray();
        double worst = 0;
        for (int i = 0; i < a.length; i++) {
            if (Double.compare(a[i], b[i]) != 0) {
                double difference = Math.abs(a[i] - b[i]);
                if (Double.isNaN(difference)) {
                    return Double.NaN;
                }
                worst = Math.max(worst, difference);
            }
        }
        return worst;
    }

    /** Whether no two corresponding elements differ by more than {@code tolerance}. */
    public boolean allClose(Tensor other, double tolerance) {
        return maxAbsDifference(other) <= tolerance;
    }

    /** Type, shape and device, without elements: for messages. */
    public String describe() {
        return (label.isEmpty() ? "" : label + " ") + dtype + " " + shape + " on " + backend.id();
    }

    /** Type, shape and the elements, long axes shortened. */
    @Override
    public String toString() {
        return isClosed() ? "Tensor " + describe() + " (closed)" : TensorFormat.format(this);
    }

    // Running ops.

    /** Runs an op after checking its arguments. For Loupe's own modules and for interop. */
    public static List<Tensor> execute(Backend backend, Op op, List<Tensor> operands) {
        TensorType[] types = new TensorType[operands.size()];
        TensorHandle[] handles = new TensorHandle[types.length];
        for (int i = 0; i < types.length; i++) {
            Tensor operand = operands.get(i);
            if (operand.backend != backend) {
                throw new IllegalArgumentException(op.name() + " of tensors on different backends: "
                        + operands.stream().map(Tensor::describe).toList() + "; move one with to(backend)");
            }
            types[i] = operand.type();
            handles[i] = operand.handle();
        }
        List<TensorType> outputs = op.infer(Arrays.asList(types));
        try {
            List<TensorHandle> made = backend.execute(op, Arrays.asList(handles), outputs);
            if (made.size() == 1) {
                return List.of(wrap(backend, made.get(0)));
            }
            List<Tensor> results = new ArrayList<>(made.size());
            for (TensorHandle handle : made) {
                results.add(wrap(backend, handle));
            }
            return results;
        } finally {
            Reference.reachabilityFence(operands);
        }
    }

    private static Tensor execute(Op op, Tensor... operands) {
        return execute(operands[0].backend, op, Arrays.asList(operands)).get(0);
    }

    Tensor run(Op op) {
        return execute(op, this);
    }

    private Tensor unary(UnaryKind kind) {
        return execute(new Op.Unary(kind), this);
    }

    private Tensor binary(BinaryKind kind, Tensor other) {
        return execute(new Op.Binary(kind), this, other);
    }

    private Tensor binary(BinaryKind kind, double number) {
        try (Tensor constant = constant(number)) {
            return binary(kind, constant);
        }
    }

    private TensorType type() {
        TensorType known = type;
        if (known == null) {
            known = TensorType.of(dtype, shape);
            type = known;
        }
        return known;
    }

    private Tensor constant(double number) {
        return factory().full(dtype, number);
    }

    private int axis(int axis) {
        return Axes.normalize(axis, rank());
    }

    private static List<Long> list(long[] sizes) {
        List<Long> list = new ArrayList<>();
        for (long size : sizes) {
            list.add(size);
        }
        return list;
    }

    private static long[] array(List<Long> sizes) {
        return sizes.stream().mapToLong(Long::longValue).toArray();
    }
}
