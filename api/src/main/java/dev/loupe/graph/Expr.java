package dev.loupe.graph;

import dev.loupe.array.Axes;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A value of a graph that is being built, with the arithmetic of a tensor: what is written with it becomes part of the
 * graph, and so runs on every backend, can be differentiated and exported. Sizes may be symbolic, such as {@code batch}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Expr implements Arithmetic<Expr> {

    private final GraphBuilder builder;
    private final Value value;

    /** A value of the graph that the builder builds. */
    public Expr(GraphBuilder builder, Value value) {
        this.builder = builder;
        this.value = value;
    }

    /** The value in the graph. */
    public Value value() {
        return value;
    }

    /** The builder of the graph, for ops that have no name here. */
    public GraphBuilder builder() {
        return builder;
    }

    @Override
    public Expr self() {
        return this;
    }

    @Override
    public TensorType type() {
        return value.type();
    }

    /** The size of an axis, a number or a symbol; a negative axis counts from the end. */
    public Dim size(int axis) {
        return value.type().dim(axis);
    }

    @Override
    public Expr constant(double number) {
        return new Expr(builder, builder.scalar(number, value));
    }

    @Override
    public List<Expr> applyAll(Op op, List<Expr> more) {
        List<Value> operands = new ArrayList<>(more.size() + 1);
        operands.add(value);
        for (Expr other : more) {
            if (other.builder != builder) {
                throw new IllegalArgumentException(op.name() + " of values of different graphs: " + value.type()
                        + " and " + other.value.type() + "; an Expr lives in the graph that it was made for");
            }
            operands.add(other.value);
        }
        return builder.applyAll(op, operands).stream()
                .map(made -> new Expr(builder, made))
                .toList();
    }

    @Override
    public Expr unsqueeze(int at) {
        return new Expr(builder, builder.unsqueeze(value, at));
    }

    @Override
    public Expr squeeze(int axis) {
        int where = Axes.normalize(axis, rank());
        if (!size(where).is(1)) {
            throw new IllegalArgumentException(
                    "Axis " + axis + " of " + type() + " can't be dropped: its size isn't known to be 1");
        }
        if (rank() == 1) {
            return apply(new Op.Reshape(Shape.SCALAR));
        }
        return where == 0 ? mergeAxes(0, 2) : mergeAxes(where - 1, 2);
    }

    @Override
    public Expr select(int axis, long position) {
        int where = Axes.normalize(axis, rank());
        if (size(where).isFixed()) {
            Index.resolve(position, size(where).value(), where);
        }
        return slice(where, position, position == -1 ? Op.Slice.TO_END : position + 1)
                .squeeze(where);
    }

    /** The value itself, through which no derivative flows. */
    public Expr stopGradient() {
        return new Expr(builder, builder.stop(value));
    }

    /**
     * The same elements under another shape.
     *
     * @throws IllegalArgumentException if a size of this is symbolic: split and merge axes then
     */
    public Expr reshape(long... sizes) {
        if (!type().isFixed()) {
            throw new IllegalArgumentException("Can't reshape " + type() + " to " + Arrays.toString(sizes)
                    + ": a size is known only when the graph runs; use splitAxis and mergeAxes");
        }
        return apply(new Op.Reshape(Shape.of(sizes)));
    }

    /** {@code condition ? a : b}, elementwise; all three broadcast. */
    public static Expr where(Expr condition, Expr a, Expr b) {
        return condition.apply(new Op.Where(), a, b);
    }

    /** Joins values along an axis. */
    public static Expr concat(int axis, List<Expr> parts) {
        Expr first = parts.get(0);
        return first.applyAll(new Op.Concat(Axes.normalize(axis, first.rank())), parts.subList(1, parts.size()))
                .get(0);
    }

    /** The best numbers along an axis and where they stand. */
    public record TopK(Expr values, Expr indices) {}

    /** The k largest along an axis, the largest first. */
    public TopK topk(int k, int axis) {
        List<Expr> both = applyAll(new Op.TopK(k, Axes.normalize(axis, rank()), true), List.of());
        return new TopK(both.get(0), both.get(1));
    }

    @Override
    public String toString() {
        return "Expr " + value;
    }
}
