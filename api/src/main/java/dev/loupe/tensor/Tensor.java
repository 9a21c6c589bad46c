package dev.loupe.tensor;

import dev.loupe.array.Axes;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.Answers;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Backends;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Arithmetic;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.TensorType;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
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
@API(status = API.Status.STABLE, since = "0.1")
public final class Tensor implements Arithmetic<Tensor>, AutoCloseable {

    /** Bytes that are fetched as quickly as cutting out a piece of them takes. */
    private static final long FETCHED_WHOLE = 1 << 16;

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
    @Override
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
    @Override
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

    /**
     * How often Java has been asked for a collection in this process, so that tensors that nobody can reach any more are
     * freed. Each holds everything up for some tens of milliseconds: who closes tensors has none.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public static long collectionsAskedFor() {
        return TensorMemory.collections();
    }

    // Reading out.

    /**
     * The data in host memory.
     *
     * @throws OutOfTensorMemoryException if there is no room
     */
    public HostTensor toHost() {
        try {
            return Answers.download(backend, handle());
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

    /**
     * One element, which alone is fetched from a tensor that isn't small.
     *
     * @throws IndexOutOfBoundsException if there is no such place
     */
    public double item(long... position) {
        if (position.length != rank()) {
            throw new IndexOutOfBoundsException(
                    position.length + " indices for a tensor of rank " + rank() + " " + shape);
        }
        long[] places = new long[position.length];
        long flat = 0;
        for (int i = 0; i < places.length; i++) {
            places[i] = Index.resolve(position[i], size(i), i);
            flat = flat * size(i) + places[i];
        }
        if (elements() * dtype.bytes() <= FETCHED_WHOLE) {
            return toHost().getDouble(flat);
        }
        try (TensorScope scope = TensorScope.open()) {
            Tensor part = movable();
            for (int axis = 0; axis < places.length; axis++) {
                if (part.size(axis) > 1) {
                    part = part.slice(axis, places[axis], places[axis] + 1);
                }
            }
            return part.toHost().getDouble(0);
        }
    }

    /** This, in a type that the backend can cut pieces out of: one that it only stores is widened. */
    Tensor movable() {
        return dtype.isFloating() && !backend.capabilities().computeDTypes().contains(dtype) ? to(DType.FLOAT32) : this;
    }

    /** {@code condition ? a : b}, elementwise; all three broadcast. */
    public static Tensor where(Tensor condition, Tensor a, Tensor b) {
        return execute(new Op.Where(), condition, a, b);
    }

    /** A copy on another backend; this very tensor if it lies there. */
    public Tensor to(Backend other) {
        return other == backend ? this : new TensorFactory(other).of(toHost());
    }

    /**
     * A copy on another device of the same backend; this very tensor if it lies there. All that is moved to a device by
     * name can be computed with together.
     *
     * @param device {@code cpu}, {@code cuda} (the first one) or {@code cuda:N}
     * @throws dev.loupe.backend.BackendUnavailableException if the backend has no such device; names it
     */
    public Tensor to(String device) {
        String full = device.equals("cuda") ? "cuda:0" : device;
        return device().equals(full) ? this : to(Backends.onDevice(backend, full));
    }

    /**
     * Checks that this lies where it is needed.
     *
     * @param what what this is, for the message: {@code "what is fed into hook_embed"}
     * @throws IllegalArgumentException if it lies on another backend; names both and their devices
     */
    public void requireOn(Backend expected, String what) {
        if (backend == expected) {
            return;
        }
        boolean alike = backend.id().equals(expected.id()) && backend.device().equals(expected.device());
        throw new IllegalArgumentException(what + " lies on " + place(backend) + ", and is needed on "
                + place(expected)
                + (alike
                        ? ", which was opened by itself: every model that is loaded without a backend opens its own"
                        : "")
                + ". Found " + describe() + "; move it with to(backend), or load both models on one backend");
    }

    private static String place(Backend backend) {
        return "the backend '" + backend.id() + "' on " + backend.device();
    }

    // Reductions.

    /** Whether any element is true: not 0, which a NaN isn't. */
    public boolean any() {
        return elements() > 0 && trues() > 0;
    }

    /** Whether all elements are true: not 0, which a NaN isn't. */
    public boolean all() {
        return elements() == 0 || trues() == elements();
    }

    // Counted where the elements lie; one number is fetched.
    private long trues() {
        try (TensorScope scope = TensorScope.open()) {
            return (long) to(DType.BOOL).to(DType.INT64).sum().item();
        }
    }

    /** The best numbers along an axis and where they stand. */
    public record TopK(Tensor values, Tensor indices) {}

    /** The k largest along an axis, the largest first. */
    public TopK topk(int k, int axis) {
        List<Tensor> both = execute(backend, new Op.TopK(k, axis(axis), true), List.of(this));
        return new TopK(both.get(0), both.get(1));
    }

    /**
     * One element.
     *
     * @param index where it stands, one index for each axis
     * @param value the element
     */
    public record Entry(List<Integer> index, double value) {}

    /**
     * The k largest elements of the whole tensor, the largest first, each with its index on every axis ("unravelled").
     * Equal elements come in row-major order, NaN last; all of them if there are fewer.
     *
     * @throws IllegalArgumentException if k is negative
     */
    public List<Entry> topEntries(int k) {
        return TopEntries.of(toDoubleArray(), shape, k);
    }

    // Products.

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

    /**
     * The same elements under another shape; one size may be −1.
     *
     * @throws IllegalArgumentException if that shape has more or fewer elements
     */
    public Tensor reshape(long... sizes) {
        long known = 1;
        int open = -1;
        for (int i = 0; i < sizes.length; i++) {
            if (sizes[i] == -1 && open < 0) {
                open = i;
            } else if (sizes[i] < 0 || Math.multiplyHigh(known, sizes[i]) != 0 || known * sizes[i] < 0) {
                throw cantReshape(sizes);
            } else {
                known *= sizes[i];
            }
        }
        long[] full = sizes.clone();
        if (open >= 0 && known != 0 && elements() % known == 0) {
            full[open] = elements() / known;
        } else if (open >= 0 || known != elements()) {
            throw cantReshape(sizes);
        }
        return apply(new Op.Reshape(Shape.of(full)));
    }

    private IllegalArgumentException cantReshape(long[] sizes) {
        return new IllegalArgumentException("Can't reshape " + shape + " to " + Arrays.toString(sizes) + ": it has "
                + elements() + " elements, and the sizes must multiply to that; one of them may be -1");
    }

    /** All elements on one axis. */
    public Tensor flatten() {
        return reshape(elements());
    }

    /** Inserts an axis of size 1, axis {@code at} of the result. */
    @Override
    public Tensor unsqueeze(int at) {
        List<Long> sizes = list(shape.toArray());
        sizes.add(Axes.normalize(at, rank() + 1), 1L);
        return reshape(array(sizes));
    }

    /** Drops an axis of size 1. */
    @Override
    public Tensor squeeze(int axis) {
        if (size(axis) != 1) {
            throw new IllegalArgumentException("Axis " + axis + " of " + shape + " can't be dropped: its size isn't 1");
        }
        List<Long> sizes = list(shape.toArray());
        sizes.remove(axis(axis));
        return reshape(array(sizes));
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

    /** One place of an axis, which is dropped. */
    @Override
    public Tensor select(int axis, long position) {
        int where = axis(axis);
        long place = Index.resolve(position, size(where), where);
        return slice(where, place, place + 1).squeeze(where);
    }

    /** Chosen places of an axis, in the given order. */
    public Tensor pick(int axis, long... positions) {
        return Indexing.pick(this, axis(axis), positions);
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
                operand.requireOn(
                        backend,
                        op.name() + " of "
                                + operands.stream().map(Tensor::describe).toList() + ": operand " + (i + 1));
            }
            types[i] = operand.type();
            handles[i] = operand.handle();
        }
        List<TensorType> outputs = op.infer(Arrays.asList(types));
        for (TensorType output : outputs) {
            checkCountable(op, types, output);
        }
        try {
            List<TensorHandle> made = Answers.of(
                    backend, "execute", backend.execute(op, Arrays.asList(handles), outputs), outputs.size());
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

    private static void checkCountable(Op op, TensorType[] operands, TensorType output) {
        try {
            output.shape();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    op.name() + " of " + Arrays.toString(operands) + ": " + e.getMessage(), e);
        }
    }

    private static Tensor execute(Op op, Tensor... operands) {
        return execute(operands[0].backend, op, Arrays.asList(operands)).get(0);
    }

    @Override
    public List<Tensor> applyAll(Op op, List<Tensor> more) {
        if (more.isEmpty()) {
            return execute(backend, op, List.of(this));
        }
        List<Tensor> operands = new ArrayList<>(more.size() + 1);
        operands.add(this);
        operands.addAll(more);
        return execute(backend, op, operands);
    }

    @Override
    public Tensor self() {
        return this;
    }

    @Override
    public Tensor withNumber(BinaryKind kind, double number) {
        try (Tensor constant = constant(number)) {
            return apply(new Op.Binary(kind), constant);
        }
    }

    @Override
    public TensorType type() {
        TensorType known = type;
        if (known == null) {
            known = TensorType.of(dtype, shape);
            type = known;
        }
        return known;
    }

    @Override
    public Tensor constant(double number) {
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
