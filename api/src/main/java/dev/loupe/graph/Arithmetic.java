package dev.loupe.graph;

import dev.loupe.array.Axes;
import dev.loupe.array.DType;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * The arithmetic that numbers at hand ({@code Tensor}) and values of a graph ({@link Expr}) share: one definition of
 * each name, so that what is written for the one does the same for the other.
 *
 * <p>Operands have the same data type and broadcast as NumPy's do; plain numbers take the type of what they meet. Axes
 * may be negative: −1 is the last one. An operation that doesn't fit throws {@link IllegalArgumentException} with the
 * types.
 *
 * @param <T> what is computed with
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface Arithmetic<T extends Arithmetic<T>> {

    /** This very object, by its own type. */
    T self();

    /** Data type and sizes; those of a graph's value may be symbolic. */
    TensorType type();

    /** A number of this data type, of rank 0. */
    T constant(double number);

    /**
     * Applies an op to this and further operands.
     *
     * @return one result for each output of the op
     * @throws IllegalArgumentException if the operands don't fit the op
     */
    List<T> applyAll(Op op, List<T> more);

    /** Inserts an axis of size 1, axis {@code at} of the result. */
    T unsqueeze(int at);

    /**
     * Drops an axis of size 1.
     *
     * @throws IllegalArgumentException if its size isn't 1
     */
    T squeeze(int axis);

    /** One place of an axis, which is dropped; negative from the end. */
    T select(int axis, long position);

    /** Applies an op with one output to this alone. */
    default T apply(Op op) {
        return applyAll(op, List.of()).get(0);
    }

    /** Applies an op with one output to this and another operand. */
    default T apply(Op op, T second) {
        return applyAll(op, List.of(second)).get(0);
    }

    /** Applies an op with one output to this and two other operands. */
    default T apply(Op op, T second, T third) {
        return applyAll(op, List.of(second, third)).get(0);
    }

    /** Applies an elementwise op to this and a number of the same type. */
    default T withNumber(BinaryKind kind, double number) {
        return apply(new Op.Binary(kind), constant(number));
    }

    /** The number of axes. */
    default int rank() {
        return type().rank();
    }

    /** The data type. */
    default DType dtype() {
        return type().dtype();
    }

    /** The same numbers in another data type; this very object if it has that type. */
    default T to(DType dtype) {
        return dtype == dtype() ? self() : apply(new Op.Cast(dtype));
    }

    /** {@code this + other}. */
    default T add(T other) {
        return apply(new Op.Binary(BinaryKind.ADD), other);
    }

    /** {@code this + number}. */
    default T add(double number) {
        return withNumber(BinaryKind.ADD, number);
    }

    /** {@code this - other}. */
    default T sub(T other) {
        return apply(new Op.Binary(BinaryKind.SUB), other);
    }

    /** {@code this - number}. */
    default T sub(double number) {
        return withNumber(BinaryKind.SUB, number);
    }

    /** {@code this · other}, elementwise. */
    default T mul(T other) {
        return apply(new Op.Binary(BinaryKind.MUL), other);
    }

    /** {@code this · number}. */
    default T mul(double number) {
        return withNumber(BinaryKind.MUL, number);
    }

    /** {@code this / other}, elementwise. */
    default T div(T other) {
        return apply(new Op.Binary(BinaryKind.DIV), other);
    }

    /** {@code this / number}. */
    default T div(double number) {
        return withNumber(BinaryKind.DIV, number);
    }

    /** {@code this} to the power of {@code other}. */
    default T pow(T other) {
        return apply(new Op.Binary(BinaryKind.POW), other);
    }

    /** {@code this} to the power of {@code number}. */
    default T pow(double number) {
        return withNumber(BinaryKind.POW, number);
    }

    // The names that Kotlin knows as + - *; / is div already.

    /** {@link #add(Arithmetic)}: {@code +} in Kotlin. */
    default T plus(T other) {
        return add(other);
    }

    /** {@link #add(double)}: {@code +} in Kotlin. */
    default T plus(double number) {
        return add(number);
    }

    /** {@link #sub(Arithmetic)}: {@code -} in Kotlin. */
    default T minus(T other) {
        return sub(other);
    }

    /** {@link #sub(double)}: {@code -} in Kotlin. */
    default T minus(double number) {
        return sub(number);
    }

    /** {@link #mul(Arithmetic)}: {@code *} in Kotlin. */
    default T times(T other) {
        return mul(other);
    }

    /** {@link #mul(double)}: {@code *} in Kotlin. */
    default T times(double number) {
        return mul(number);
    }

    /** {@link #neg}: the sign in Kotlin. */
    default T unaryMinus() {
        return neg();
    }

    /** The larger of each pair; NaN if either is NaN. */
    default T maximum(T other) {
        return apply(new Op.Binary(BinaryKind.MAX), other);
    }

    /** The larger of each element and a number. */
    default T maximum(double number) {
        return withNumber(BinaryKind.MAX, number);
    }

    /** The smaller of each pair; NaN if either is NaN. */
    default T minimum(T other) {
        return apply(new Op.Binary(BinaryKind.MIN), other);
    }

    /** The smaller of each element and a number. */
    default T minimum(double number) {
        return withNumber(BinaryKind.MIN, number);
    }

    /** Each element brought between two bounds. */
    default T clamp(double low, double high) {
        return maximum(low).minimum(high);
    }

    /** {@code this == other}, as bool. */
    default T eq(T other) {
        return apply(new Op.Binary(BinaryKind.EQ), other);
    }

    /** {@code this == number}, as bool. */
    default T eq(double number) {
        return withNumber(BinaryKind.EQ, number);
    }

    /** {@code this != other}, as bool. */
    default T ne(T other) {
        return apply(new Op.Binary(BinaryKind.NE), other);
    }

    /** {@code this != number}, as bool. */
    default T ne(double number) {
        return withNumber(BinaryKind.NE, number);
    }

    /** {@code this < other}, as bool. */
    default T lt(T other) {
        return apply(new Op.Binary(BinaryKind.LT), other);
    }

    /** {@code this < number}, as bool. */
    default T lt(double number) {
        return withNumber(BinaryKind.LT, number);
    }

    /** {@code this <= other}, as bool. */
    default T le(T other) {
        return apply(new Op.Binary(BinaryKind.LE), other);
    }

    /** {@code this <= number}, as bool. */
    default T le(double number) {
        return withNumber(BinaryKind.LE, number);
    }

    /** {@code this > other}, as bool. */
    default T gt(T other) {
        return apply(new Op.Binary(BinaryKind.GT), other);
    }

    /** {@code this > number}, as bool. */
    default T gt(double number) {
        return withNumber(BinaryKind.GT, number);
    }

    /** {@code this >= other}, as bool. */
    default T ge(T other) {
        return apply(new Op.Binary(BinaryKind.GE), other);
    }

    /** {@code this >= number}, as bool. */
    default T ge(double number) {
        return withNumber(BinaryKind.GE, number);
    }

    /** Logical and, of bools. */
    default T and(T other) {
        return apply(new Op.Binary(BinaryKind.AND), other);
    }

    /** Logical or, of bools. */
    default T or(T other) {
        return apply(new Op.Binary(BinaryKind.OR), other);
    }

    /** Logical not, of bools. */
    default T not() {
        return apply(new Op.Unary(UnaryKind.NOT));
    }

    /** {@code -this}. */
    default T neg() {
        return apply(new Op.Unary(UnaryKind.NEG));
    }

    /** Absolute value. */
    default T abs() {
        return apply(new Op.Unary(UnaryKind.ABS));
    }

    /** −1, 0 or 1. */
    default T sign() {
        return apply(new Op.Unary(UnaryKind.SIGN));
    }

    /** {@code e^this}. */
    default T exp() {
        return apply(new Op.Unary(UnaryKind.EXP));
    }

    /** Natural logarithm. */
    default T log() {
        return apply(new Op.Unary(UnaryKind.LOG));
    }

    /** Square root. */
    default T sqrt() {
        return apply(new Op.Unary(UnaryKind.SQRT));
    }

    /** {@code 1/sqrt(this)}. */
    default T rsqrt() {
        return apply(new Op.Unary(UnaryKind.RSQRT));
    }

    /** {@code 1/this}. */
    default T reciprocal() {
        return apply(new Op.Unary(UnaryKind.RECIPROCAL));
    }

    /** {@code this · this}. */
    default T square() {
        return mul(self());
    }

    /** Sine, of radians. */
    default T sin() {
        return apply(new Op.Unary(UnaryKind.SIN));
    }

    /** Cosine, of radians. */
    default T cos() {
        return apply(new Op.Unary(UnaryKind.COS));
    }

    /** Hyperbolic tangent. */
    default T tanh() {
        return apply(new Op.Unary(UnaryKind.TANH));
    }

    /** The error function. */
    default T erf() {
        return apply(new Op.Unary(UnaryKind.ERF));
    }

    /** {@code 1/(1+e^-this)}. */
    default T sigmoid() {
        return apply(new Op.Unary(UnaryKind.SIGMOID));
    }

    /** Rounded down. */
    default T floor() {
        return apply(new Op.Unary(UnaryKind.FLOOR));
    }

    /** Rounded up. */
    default T ceil() {
        return apply(new Op.Unary(UnaryKind.CEIL));
    }

    /** Rounded to the nearest, halves to even. */
    default T round() {
        return apply(new Op.Unary(UnaryKind.ROUND));
    }

    /** {@code max(this, 0)}. */
    default T relu() {
        return apply(new Op.Unary(UnaryKind.RELU));
    }

    /** Whether each element is NaN. */
    default T isNaN() {
        return apply(new Op.Unary(UnaryKind.IS_NAN));
    }

    /** GELU with the error function. */
    default T gelu() {
        return apply(new Op.Activation(ActivationKind.GELU));
    }

    /** The tanh approximation of GELU. */
    default T geluTanh() {
        return apply(new Op.Activation(ActivationKind.GELU_TANH));
    }

    /** {@code this · sigmoid(this)}. */
    default T silu() {
        return apply(new Op.Activation(ActivationKind.SILU));
    }

    /** A number where the bool mask is true, this elsewhere. */
    default T maskedFill(T mask, double number) {
        return mask.apply(new Op.Where(), constant(number), self());
    }

    /** The sum of all elements, a scalar. */
    default T sum() {
        return reduceAll(ReduceKind.SUM);
    }

    /** Sums over axes, which are dropped. */
    default T sum(int... axes) {
        return reduce(ReduceKind.SUM, false, axes);
    }

    /** The mean of all elements, a scalar. */
    default T mean() {
        return reduceAll(ReduceKind.MEAN);
    }

    /** Means over axes, which are dropped. */
    default T mean(int... axes) {
        return reduce(ReduceKind.MEAN, false, axes);
    }

    /** The largest of all elements, a scalar. */
    default T max() {
        return reduceAll(ReduceKind.MAX);
    }

    /** The largest over axes, which are dropped. */
    default T max(int... axes) {
        return reduce(ReduceKind.MAX, false, axes);
    }

    /** The smallest of all elements, a scalar. */
    default T min() {
        return reduceAll(ReduceKind.MIN);
    }

    /** The smallest over axes, which are dropped. */
    default T min(int... axes) {
        return reduce(ReduceKind.MIN, false, axes);
    }

    /** Products over axes, which are dropped. */
    default T prod(int... axes) {
        return reduce(ReduceKind.PROD, false, axes);
    }

    /** Reduces axes, which are kept with size 1 or dropped. */
    default T reduce(ReduceKind kind, boolean keepDims, int... axes) {
        List<Integer> list = Arrays.stream(axes)
                .mapToObj(axis -> Axes.normalize(axis, rank()))
                .toList();
        return apply(new Op.Reduce(kind, list, keepDims));
    }

    /** The biased variance over axes, which are dropped. */
    default T var(int... axes) {
        return sub(reduce(ReduceKind.MEAN, true, axes)).square().mean(axes);
    }

    /** The square root of the biased variance over axes, which are dropped. */
    default T std(int... axes) {
        return var(axes).sqrt();
    }

    /** The Euclidean norm of all elements, a scalar. */
    default T norm() {
        return square().sum().sqrt();
    }

    /** Euclidean norms over axes, which are dropped. */
    default T norm(int... axes) {
        return square().sum(axes).sqrt();
    }

    /** int64 index of the largest along an axis, which is dropped; the first of equals. */
    default T argmax(int axis) {
        return apply(new Op.ArgReduce(true, Axes.normalize(axis, rank()), false));
    }

    /** int64 index of the smallest along an axis, which is dropped; the first of equals. */
    default T argmin(int axis) {
        return apply(new Op.ArgReduce(false, Axes.normalize(axis, rank()), false));
    }

    /** Running sum along an axis. */
    default T cumsum(int axis) {
        return apply(new Op.CumSum(Axes.normalize(axis, rank())));
    }

    /** Softmax along an axis; a row of −∞ gives zeros. */
    default T softmax(int axis) {
        return apply(new Op.Softmax(Axes.normalize(axis, rank())));
    }

    /** Logarithm of the softmax along an axis. */
    default T logSoftmax(int axis) {
        return apply(new Op.LogSoftmax(Axes.normalize(axis, rank())));
    }

    /** {@code log(sum(exp(this)))} along an axis, which is dropped; computed stably. */
    default T logSumExp(int axis) {
        T max = reduce(ReduceKind.MAX, true, axis);
        T sums = sub(max).exp().sum(axis).log();
        return sums.add(max.squeeze(axis));
    }

    /** Layer normalisation over the last axis, without parameters. */
    default T layerNorm(double eps) {
        return apply(new Op.LayerNorm(eps));
    }

    /** Matrix product over the last two axes; leading axes broadcast. */
    default T matmul(T other) {
        return apply(new Op.MatMul(), other);
    }

    /** Merges {@code count} axes from {@code axis} on. */
    default T mergeAxes(int axis, int count) {
        return apply(new Op.MergeAxes(Axes.normalize(axis, rank()), count));
    }

    /** Splits an axis into several; one size may be −1. */
    default T splitAxis(int axis, long... sizes) {
        return apply(new Op.SplitAxis(
                Axes.normalize(axis, rank()), Arrays.stream(sizes).boxed().toList()));
    }

    /** Reorders axes: axis i of the result is axis {@code order[i]} of this. */
    default T permute(int... order) {
        return apply(new Op.Transpose(IntStream.of(order)
                .mapToObj(axis -> Axes.normalize(axis, rank()))
                .toList()));
    }

    /** Exchanges two axes. */
    default T transpose(int first, int second) {
        List<Integer> order = new ArrayList<>(IntStream.range(0, rank()).boxed().toList());
        Collections.swap(order, Axes.normalize(first, rank()), Axes.normalize(second, rank()));
        return apply(new Op.Transpose(order));
    }

    /** Repeats axes of size 1 to the given sizes, one for each axis; −1 keeps an axis. */
    default T expand(long... sizes) {
        return apply(new Op.Expand(Arrays.stream(sizes).boxed().toList()));
    }

    /** {@code start:end} of an axis, Python's meaning. */
    default T slice(int axis, long start, long end) {
        return apply(new Op.Slice(Axes.normalize(axis, rank()), start, end, 1));
    }

    /** Entries of an axis by an int64 tensor, whose axes replace it. */
    default T gather(int axis, T indices) {
        return apply(new Op.Gather(Axes.normalize(axis, rank())), indices);
    }

    /** {@code out[..., i, ...] = this[..., indices[..., i, ...], ...]} along an axis. */
    default T gatherElements(int axis, T indices) {
        return apply(new Op.GatherElements(Axes.normalize(axis, rank())), indices);
    }

    /** A copy of this with {@code out[..., indices[..., i, ...], ...] = updates[..., i, ...]} along an axis. */
    default T scatterElements(int axis, T indices, T updates) {
        return apply(new Op.ScatterElements(Axes.normalize(axis, rank())), indices, updates);
    }

    /** Reduces all axes, which are dropped: a scalar. */
    default T reduceAll(ReduceKind kind) {
        return rank() == 0
                ? unsqueeze(0).reduce(kind, false, 0)
                : reduce(kind, false, IntStream.range(0, rank()).toArray());
    }
}
