package dev.loupe.graph.pass;

import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * An operation in a graph whose derivative is asked for, and a pen.
 *
 * @param b adds values to the graph
 * @param inputs what the operation read
 * @param outputs what it gave
 * @param gradients the derivative with respect to each output; null where it is zero
 * @param needs whether the derivative with respect to an input is wanted
 * @param alike a value of the sizes of another that is at hand anyway: so that nothing is kept for its sizes' sake
 */
record VjpSite(
        GraphBuilder b,
        List<Value> inputs,
        List<Value> outputs,
        List<@Nullable Value> gradients,
        IntPredicate needs,
        UnaryOperator<Value> alike) {

    Value input(int index) {
        return inputs.get(index);
    }

    /** The only output, or the first. */
    Value output() {
        return outputs.get(0);
    }

    /** A number of the data type of the first output. */
    Value number(double number) {
        return b.scalar(number, output());
    }

    /** A derivative if it is wanted, otherwise null. */
    @Nullable
    Value ifNeeded(int index, Supplier<Value> derivative) {
        return needs.test(index) ? derivative.get() : null;
    }

    /** A derivative for each input from {@code first} on that is wanted. */
    @SafeVarargs
    final List<@Nullable Value> each(Supplier<Value>... derivatives) {
        @Nullable Value[] all = new Value[derivatives.length];
        for (int i = 0; i < all.length; i++) {
            all[i] = ifNeeded(i, derivatives[i]);
        }
        return Arrays.asList(all);
    }

    /** A value that tells the sizes of another, whatever its numbers and their type. */
    Value sizesOf(Value value) {
        return alike.apply(value);
    }

    /** Zeros of the type of a value. */
    Value zerosLike(Value value) {
        return repeated(b.scalar(0, value), value);
    }

    /** Repeats a value to the sizes of another, unless it has them. */
    Value repeated(Value value, Value like) {
        return sizesAreSame(value.type(), like.type()) ? value : b.apply(new Op.BroadcastLike(), value, sizesOf(like));
    }

    /** Sums over the axes along which an input was repeated, so that the derivative has the input's sizes. */
    Value summedTo(Value g, Value input) {
        return summedTo(b, g, input.type());
    }

    /** Sums over the axes along which something was repeated, so that {@code g} has its sizes again. */
    static Value summedTo(GraphBuilder b, Value g, TensorType to) {
        int lead = g.type().rank() - to.rank();
        List<Integer> repeated = IntStream.range(0, to.rank())
                .filter(i -> to.dim(i).is(1) && !g.type().dim(lead + i).is(1))
                .mapToObj(i -> lead + i)
                .toList();
        Value sum = repeated.isEmpty() ? g : b.apply(new Op.Reduce(Op.ReduceKind.SUM, repeated, true), g);
        List<Integer> leading = IntStream.range(0, lead).boxed().toList();
        return leading.isEmpty() ? sum : b.apply(new Op.Reduce(Op.ReduceKind.SUM, leading, false), sum);
    }

    private static boolean sizesAreSame(TensorType a, TensorType b) {
        Dim[] sizes = a.dims();
        return Arrays.equals(sizes, b.dims());
    }
}
