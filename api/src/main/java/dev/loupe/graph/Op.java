package dev.loupe.graph;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.List;
import org.apiguardian.api.API;

/**
 * An operation: the narrow waist between the graph and the backends. An op is a value; it says what is
 * computed and nothing about how. Its type rule ({@link #infer}) is the one place where arguments are
 * checked, so a backend may trust what reaches it and every backend gives the same error text.
 *
 * <p>Axes in an op are counted from 0; callers that take negative axes resolve them first. Inputs of one op
 * have equal data types unless it says otherwise. Elementwise ops with several inputs broadcast as NumPy
 * does: shapes are aligned at the last axis, and an axis of size 1 is repeated.
 *
 * <p>Most ops are <em>primitive</em>. A <em>composite</em> op is defined by its {@linkplain
 * Decompositions decomposition} into others; a backend may implement it directly to be fast.
 */
@API(status = API.Status.STABLE, since = "0.1")
public sealed interface Op {

    /**
     * The types of the outputs, given those of the inputs.
     *
     * @throws IllegalArgumentException if the number, data types or shapes of the inputs don't fit; the
     *     message names the op, what it got and what it needs
     */
    List<TensorType> infer(List<TensorType> inputs);

    /** The axis of the first input in which the second input's numbers are places; −1 if there are no such numbers. */
    default int indexedAxis() {
        return -1;
    }

    /** Whether this op is defined by its decomposition into others. */
    default boolean isComposite() {
        return false;
    }

    /** Whether the output has the elements of the first input in the same order, in another shape. */
    default boolean reshapes() {
        return false;
    }

    /** Whether this op multiplies its first input by its second, a matrix: {@code x·W}, or {@code x·W + b}. */
    default boolean isProduct() {
        return false;
    }

    /**
     * Whether this op works in the 16-bit types too that a backend only {@linkplain
     * dev.loupe.backend.Capabilities#storeDTypes stores}: casts do, and rows are read in the type in which they are kept.
     */
    default boolean worksInStoredTypes() {
        return false;
    }

    /** The name used in messages, reports and tolerances: {@code matmul}, {@code exp}, {@code reduce_sum}. */
    String name();

    /** Elementwise functions of one input. */
    enum UnaryKind {
        /** {@code -x}. Any number. */
        NEG,
        /** {@code |x|}. Any number. */
        ABS,
        /** −1, 0 or 1; NaN stays NaN. Any number. */
        SIGN,
        /** {@code e^x}. Floating. */
        EXP,
        /** Natural logarithm: −∞ at 0, NaN below. Floating. */
        LOG,
        /** Square root: NaN below 0. Floating. */
        SQRT,
        /** {@code 1/sqrt(x)}. Floating. */
        RSQRT,
        /** {@code 1/x}. Floating. */
        RECIPROCAL,
        /** Sine, of radians. Floating. */
        SIN,
        /** Cosine, of radians. Floating. */
        COS,
        /** Hyperbolic tangent. Floating. */
        TANH,
        /** The error function. Floating. */
        ERF,
        /** {@code 1/(1+e^-x)}. Floating. */
        SIGMOID,
        /** The largest whole number not above x. Floating. */
        FLOOR,
        /** The smallest whole number not below x. Floating. */
        CEIL,
        /** The nearest whole number, halves to even. Floating. */
        ROUND,
        /** {@code max(x, 0)}; NaN stays NaN. Any number. */
        RELU,
        /** Logical not, of bool. */
        NOT,
        /** Whether x is NaN. Floating to bool. */
        IS_NAN
    }

    /** Elementwise functions of two inputs, with broadcasting. */
    enum BinaryKind {
        /** Sum. */
        ADD,
        /** Difference. */
        SUB,
        /** Product. */
        MUL,
        /** Quotient. Floating. */
        DIV,
        /** Power. Floating. */
        POW,
        /** The larger; NaN if either is NaN. */
        MAX,
        /** The smaller; NaN if either is NaN. */
        MIN,
        /** Equal. Any type to bool; NaN equals nothing. */
        EQ,
        /** Not equal. Any type to bool. */
        NE,
        /** Less. Numbers to bool. */
        LT,
        /** Less or equal. Numbers to bool. */
        LE,
        /** Greater. Numbers to bool. */
        GT,
        /** Greater or equal. Numbers to bool. */
        GE,
        /** Logical and, of bools. */
        AND,
        /** Logical or, of bools. */
        OR
    }

    /** Ways to reduce axes. */
    enum ReduceKind {
        /** Sum; 0 over nothing. Numbers. */
        SUM,
        /** Mean; NaN over nothing. Floating. */
        MEAN,
        /** Largest; NaN if any is NaN; over nothing an error. Numbers. */
        MAX,
        /** Smallest; NaN if any is NaN; over nothing an error. Numbers. */
        MIN,
        /** Product; 1 over nothing. Numbers. */
        PROD
    }

    /** Activation functions that are composed of other ops. */
    enum ActivationKind {
        /** {@code x·Φ(x)} with the error function (Hendrycks and Gimpel 2016). */
        GELU,
        /** The tanh approximation of GELU, GPT-2's {@code gelu_new}. */
        GELU_TANH,
        /** {@code x·sigmoid(1.702x)}. */
        QUICK_GELU,
        /** {@code x·sigmoid(x)}, also called swish. */
        SILU
    }

    /** An elementwise function of one input; same shape. */
    record Unary(UnaryKind kind) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.unary(this, inputs);
        }

        @Override
        public String name() {
            return TypeRules.lower(kind);
        }
    }

    /** An elementwise function of two inputs, which broadcast. */
    record Binary(BinaryKind kind) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.binary(this, inputs);
        }

        @Override
        public String name() {
            return TypeRules.lower(kind);
        }
    }

    /** {@code condition ? a : b}, elementwise; inputs (condition bool, a, b), all three broadcast. */
    record Where() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.where(this, inputs);
        }

        @Override
        public String name() {
            return "where";
        }
    }

    /**
     * Converts to another data type. Floating to integer truncates towards 0; what doesn't fit gives the nearest integer
     * that does, so an infinity the largest or smallest, and NaN gives 0, as Java's casts do. int64 to int32 keeps the low
     * 32 bits. To bool: whether not 0, which NaN isn't; from bool: 0 or 1; to a narrower floating type: to nearest, ties
     * to even, infinite beyond its range. Casting to the type a value already has is allowed.
     */
    record Cast(DType to) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return List.of(TypeRules.one(this, inputs).withDType(to));
        }

        @Override
        public boolean worksInStoredTypes() {
            return true;
        }

        @Override
        public String name() {
            return "cast";
        }
    }

    /**
     * Matrix product over the last two axes: {@code [..., n, k] x [..., k, m] -> [..., n, m]}; both of rank 2
     * or more, floating; leading axes broadcast.
     */
    record MatMul() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.matmul(this, inputs);
        }

        @Override
        public boolean isProduct() {
            return true;
        }

        @Override
        public String name() {
            return "matmul";
        }
    }

    /** Reduces the given axes (distinct, at least one), which are dropped or kept with size 1. */
    record Reduce(ReduceKind kind, List<Integer> axes, boolean keepDims) implements Op {
        /** Copies the axes in ascending order. */
        public Reduce {
            axes = axes.stream().sorted().toList();
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.reduce(this, inputs);
        }

        @Override
        public String name() {
            return "reduce_" + TypeRules.lower(kind);
        }
    }

    /**
     * The int64 index of the largest (or smallest) number along an axis; the first of equals; the first NaN
     * if there is one. The axis is dropped or kept with size 1.
     */
    record ArgReduce(boolean largest, int axis, boolean keepDims) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.argReduce(this, inputs);
        }

        @Override
        public String name() {
            return largest ? "argmax" : "argmin";
        }
    }

    /**
     * The k largest (or smallest) numbers along an axis, best first, and their int64 indices; equals in
     * ascending order of index, and NaNs before any number. Two outputs: values, indices.
     */
    record TopK(int k, int axis, boolean largest) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.topK(this, inputs);
        }

        @Override
        public String name() {
            return "topk";
        }
    }

    /**
     * Running sum along an axis, the own element included; in reverse it runs from the end. Numbers.
     *
     * @param reverse whether the sum of the last element is the element itself, and that of the first all of them
     */
    record CumSum(int axis, boolean reverse) implements Op {
        /** A sum that runs from the beginning. */
        public CumSum(int axis) {
            this(axis, false);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.cumSum(this, inputs);
        }

        @Override
        public String name() {
            return "cumsum";
        }
    }

    /**
     * Picks entries of one axis: inputs (data, indices int64 of any rank); the axis is replaced by the axes
     * of the indices. Indices lie in {@code [0, size)}; a backend throws {@link IndexOutOfBoundsException}
     * for others.
     */
    record Gather(int axis) implements Op {
        @Override
        public int indexedAxis() {
            return axis;
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.gather(this, inputs);
        }

        @Override
        public boolean worksInStoredTypes() {
            return true;
        }

        @Override
        public String name() {
            return "gather";
        }
    }

    /**
     * {@code out[..., i, ...] = data[..., indices[..., i, ...], ...]}: inputs (data, indices int64 of the
     * same rank, and of the same sizes but along the axis); the output has the shape of the indices.
     */
    record GatherElements(int axis) implements Op {
        @Override
        public int indexedAxis() {
            return axis;
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.gatherElements(this, inputs);
        }

        @Override
        public String name() {
            return "gather_elements";
        }
    }

    /**
     * A copy of data with {@code out[..., indices[..., i, ...], ...] = updates[..., i, ...]}: inputs (data,
     * indices int64, updates of the shape of the indices), sizes as in {@link GatherElements}. If an
     * index stands several times along the axis, the last of its updates counts.
     */
    record ScatterElements(int axis) implements Op {
        @Override
        public int indexedAxis() {
            return axis;
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.scatterElements(this, inputs);
        }

        @Override
        public String name() {
            return "scatter_elements";
        }
    }

    /**
     * A copy of data with every update added where its index points: {@code out[..., indices[..., i, ...], ...] +=
     * updates[..., i, ...]}, so that what meets at one place adds up. Inputs (data, indices int64, updates of the shape
     * of the indices), sizes as in {@link GatherElements}. Numbers.
     */
    record ScatterAdd(int axis) implements Op {
        @Override
        public int indexedAxis() {
            return axis;
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.scatterAdd(this, inputs);
        }

        @Override
        public String name() {
            return "scatter_add";
        }
    }

    /**
     * {@code x[start:end:step]} along one axis with Python's meaning: negative bounds count from the end,
     * bounds beyond the ends are clipped. The step is positive. {@link #TO_END} as end means up to the end.
     */
    record Slice(int axis, long start, long end, long step) implements Op {
        /** An end that is never reached. */
        public static final long TO_END = Long.MAX_VALUE;

        /** The place, from 0 to the size of the axis, that a bound stands for. */
        public static long clip(long bound, long size) {
            return Math.max(0, Math.min(size, bound < 0 ? bound + size : bound));
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.slice(this, inputs);
        }

        @Override
        public String name() {
            return "slice";
        }
    }

    /**
     * The way back from {@link Slice}: inputs (update, like); zeros of the sizes of {@code like}, in which the update
     * stands where the slice of the same numbers would read. The output has the update's data type.
     */
    record Unslice(int axis, long start, long end, long step) implements Op {
        /** The slice whose way back this is. */
        public Slice slice() {
            return new Slice(axis, start, end, step);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.unslice(this, inputs);
        }

        @Override
        public String name() {
            return "unslice";
        }
    }

    /** Joins one or more inputs along an axis; the other sizes are equal. */
    record Concat(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.concat(this, inputs);
        }

        @Override
        public String name() {
            return "concat";
        }
    }

    /**
     * The way back from {@link Concat}: inputs (x, part, part, …), of which the parts tell sizes alone; x is divided
     * along the axis into pieces as long as the parts are there. One output for each part, of x's data type.
     */
    record SplitLike(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.splitLike(this, inputs);
        }

        @Override
        public String name() {
            return "split_like";
        }
    }

    /** The same elements in row-major order under another shape with as many elements. */
    record Reshape(Shape shape) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.reshape(this, inputs);
        }

        @Override
        public boolean reshapes() {
            return true;
        }

        @Override
        public String name() {
            return "reshape";
        }
    }

    /**
     * {@link Reshape} to sizes that may be known only when the graph runs: inputs (x, like), of which the second tells
     * its sizes alone, and has as many elements.
     */
    record ReshapeLike() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.reshapeLike(this, inputs);
        }

        @Override
        public boolean reshapes() {
            return true;
        }

        @Override
        public String name() {
            return "reshape_like";
        }
    }

    /**
     * Splits one axis into several, row-major: {@code [b, p, h*d] -> [b, p, h, d]}. One of the sizes may be
     * −1, which takes what is left; {@code [1, -1]} inserts an axis before this one.
     */
    record SplitAxis(int axis, List<Long> sizes) implements Op {
        /** Copies the sizes. */
        public SplitAxis {
            sizes = List.copyOf(sizes);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.splitAxis(this, inputs);
        }

        @Override
        public boolean reshapes() {
            return true;
        }

        @Override
        public String name() {
            return "split_axis";
        }
    }

    /** Merges {@code count} neighbouring axes from {@code axis} on into one, row-major. */
    record MergeAxes(int axis, int count) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.mergeAxes(this, inputs);
        }

        @Override
        public boolean reshapes() {
            return true;
        }

        @Override
        public String name() {
            return "merge_axes";
        }
    }

    /** Reorders axes: output axis i is input axis {@code permutation[i]}. */
    record Transpose(List<Integer> permutation) implements Op {
        /** Copies the permutation. */
        public Transpose {
            permutation = List.copyOf(permutation);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.transpose(this, inputs);
        }

        @Override
        public String name() {
            return "transpose";
        }
    }

    /**
     * Repeats axes of size 1 to the given sizes, one for each axis of the input; −1 keeps an axis as it is.
     */
    record Expand(List<Long> sizes) implements Op {
        /** Copies the sizes. */
        public Expand {
            sizes = List.copyOf(sizes);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.expand(this, inputs);
        }

        @Override
        public String name() {
            return "expand";
        }
    }

    /**
     * Repeats x to the sizes of another tensor, as elementwise ops would: inputs (x, like), of which the second tells its
     * sizes alone. The output has x's data type.
     */
    record BroadcastLike() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.broadcastLike(this, inputs);
        }

        @Override
        public String name() {
            return "broadcast_like";
        }
    }

    /** No inputs; a tensor filled with one number, which is {@linkplain DType#nearest converted} to the data type. */
    record Full(DType dtype, Shape shape, double value) implements Op {
        /** Converts the number, so that no engine has to. */
        public Full {
            value = dtype.nearest(value);
        }

        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            TypeRules.count(this, inputs, 0);
            return List.of(TensorType.of(dtype, shape));
        }

        @Override
        public String name() {
            return "full";
        }
    }

    // Composite ops.

    /**
     * Softmax along an axis. A row that is −∞ throughout gives zeros; a row with a NaN gives NaN; an empty row gives an
     * empty one. Floating.
     */
    record Softmax(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.floatingAlong(this, inputs, axis);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "softmax";
        }
    }

    /** Logarithm of the softmax along an axis, computed stably. Floating. */
    record LogSoftmax(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.floatingAlong(this, inputs, axis);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "log_softmax";
        }
    }

    /** A smooth activation function, elementwise. Floating. */
    record Activation(ActivationKind kind) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return List.of(TypeRules.floating(this, TypeRules.one(this, inputs)));
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return TypeRules.lower(kind);
        }
    }

    /** {@code x·W + b}: inputs (x {@code [..., in]}, W {@code [in, out]}, b {@code [out]}). Floating. */
    record Linear() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.linear(this, inputs);
        }

        @Override
        public boolean isProduct() {
            return true;
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "linear";
        }
    }

    /**
     * Layer normalisation over the last axis (Ba et al. 2016): inputs (x) or (x, weight, bias), both of the
     * last axis' size: {@code (x - mean)/sqrt(var + eps)·weight + bias} with the biased variance.
     */
    record LayerNorm(double eps) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.norm(this, inputs, 3);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "layer_norm";
        }
    }

    /**
     * Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019): inputs (x) or (x, weight):
     * {@code x/sqrt(mean(x^2) + eps)·weight}.
     */
    record RmsNorm(double eps) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.norm(this, inputs, 2);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "rms_norm";
        }
    }

    /**
     * Rotary position embedding (Su et al. 2021) in halves: inputs (x {@code [b, p, h, d]}, cos and sin
     * {@code [b, p, r]} with {@code 2r <= d}). With x1 the first r entries of the last axis and x2 the next
     * r: {@code (x1·cos - x2·sin, x2·cos + x1·sin)}, and the entries from 2r on as they are.
     */
    record Rotate() implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.rotate(this, inputs);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "rotate";
        }
    }

    /**
     * Scaled dot-product attention in one step: inputs (q {@code [b, p, h, d]}, k {@code [b, t, kv, d]}, v
     * {@code [b, t, kv, e]}, mask bool {@code [b, 1, p, t]}, true where a query may look). Query head i
     * reads key/value head {@code i / (h/kv)}. Output {@code [b, p, h, e]}; a query that may look nowhere
     * gives zeros.
     */
    record Attention(double scale) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.attention(this, inputs);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "attention";
        }
    }

    /**
     * A copy of data with a contiguous range of one axis replaced: inputs (data, update); the range starts
     * at {@code start} and is as long as the update's axis, and lies within the data's.
     */
    record SliceScatter(int axis, long start) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.sliceScatter(this, inputs);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "slice_scatter";
        }
    }

    // Composite ops that derivatives are made of. Each takes the derivative g with respect to the output of the op that
    // it is named after, and gives the one with respect to that op's first input.

    /** Inputs (g, x): {@code g · f'(x)} for an activation function f. Floating. */
    record ActivationGradient(ActivationKind kind) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.alike(this, inputs);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return TypeRules.lower(kind) + "_gradient";
        }
    }

    /**
     * Inputs (g, y), y being what the softmax gave: {@code y · (g - sum(g·y))}. A row of zeros, which stands for one that
     * was masked throughout, gives zeros. Floating.
     */
    record SoftmaxGradient(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.alikeAlong(this, inputs, axis);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "softmax_gradient";
        }
    }

    /** Inputs (g, y), y being what the log-softmax gave: {@code g - e^y · sum(g)}. Floating. */
    record LogSoftmaxGradient(int axis) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.alikeAlong(this, inputs, axis);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return "log_softmax_gradient";
        }
    }

    /**
     * Inputs (g, x), of a norm without parameters: with s the divisor and y the normalised x, {@code (g - mean(g) -
     * y·mean(g·y))/s}, where {@code mean(g)} is left out if the norm doesn't centre. Floating.
     *
     * @param centres whether the norm is {@link LayerNorm}; otherwise it is {@link RmsNorm}
     */
    record NormGradient(boolean centres, double eps) implements Op {
        @Override
        public List<TensorType> infer(List<TensorType> inputs) {
            return TypeRules.alikeAlong(
                    this, inputs, inputs.isEmpty() ? 0 : inputs.get(0).rank() - 1);
        }

        @Override
        public boolean isComposite() {
            return true;
        }

        @Override
        public String name() {
            return centres ? "layer_norm_gradient" : "rms_norm_gradient";
        }
    }
}
