package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Scope;
import dev.loupe.graph.TensorType;
import dev.loupe.hook.Intervention;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * An intervention as a function of the graph, without its numbers: those are fed. Interventions of one kind are equal, so
 * that their runs share a plan.
 *
 * @param prefix of the names of the inputs
 * @param maskAxes axes along which the mask has the activation's size, 1 along the others; empty if all is changed
 * @param valueAxes likewise for the value; empty for a number
 * @param detail what else the kind needs: the axes of a mean, the number of directions, the function
 */
record SplicedIntervention(String prefix, Kind kind, List<Integer> maskAxes, List<Integer> valueAxes, Object detail)
        implements GraphFunction {

    static final String MASK = "mask";
    static final String VALUE = "value";

    enum Kind {
        SET,
        ADD,
        SCALE,
        MEAN,
        PROJECT_OUT,
        FUNCTION,
        STOP
    }

    /**
     * The axes of a mean.
     *
     * @param plain axes along which everything counts
     * @param weighted axes, batch or positions, along which only real tokens count
     */
    private record MeanAxes(List<Integer> plain, List<Integer> weighted) {}

    /** The name in the graph of an input of a user's function. */
    static String own(String prefix, String input) {
        return prefix + "input." + input;
    }

    /**
     * A user's function.
     *
     * @param inputs names of the inputs that it brings along; it reads all others of the graph by their names
     */
    record Own(GraphFunction function, Set<String> inputs) {
        Expr apply(Expr x, Scope scope, String prefix) {
            return function.apply(
                    x,
                    new InputScope(
                            scope,
                            (outer, name, dtype, sizes) ->
                                    inputs.contains(name) ? outer.input(own(prefix, name), dtype, sizes) : null));
        }
    }

    static Object meanOver(Intervention.Mean mean, HookPoint point, TensorType type) {
        List<Integer> plain = new ArrayList<>();
        List<Integer> weighted = new ArrayList<>();
        boolean tokens = point.axes().size() > 1
                && point.axes().get(0) == Axis.BATCH
                && point.axes().get(1) == Axis.POS
                && type.dim(1).equals(StandardNames.POS);
        for (Axis axis : mean.axes()) {
            int at = point.axes().indexOf(axis);
            if (at < 0) {
                throw new IllegalArgumentException(
                        "A mean over " + axis + " is asked for at " + point + ", whose axes are " + point.axes());
            }
            (tokens && at < 2 ? weighted : plain).add(at);
        }
        return new MeanAxes(List.copyOf(plain), List.copyOf(weighted));
    }

    @Override
    public Expr apply(Expr x, Scope scope) {
        return switch (kind) {
            case SET -> chosen(x, value(x, scope), scope);
            case ADD -> x.add(maskAxes.isEmpty() ? value(x, scope) : where(value(x, scope), x.constant(0), x, scope));
            case SCALE -> x.mul(maskAxes.isEmpty() ? value(x, scope) : where(value(x, scope), x.constant(1), x, scope));
            case MEAN -> chosen(x, mean(x, scope), scope);
            case PROJECT_OUT -> chosen(x, projected(x, scope), scope);
            case FUNCTION -> chosen(x, ((Own) detail).apply(x, scope, prefix), scope);
            case STOP -> chosen(x, x.stopGradient(), scope);
        };
    }

    /** The new value where the selection is, the old one elsewhere. */
    private Expr chosen(Expr x, Expr replacement, Scope scope) {
        if (!maskAxes.isEmpty()) {
            return where(replacement, x, x, scope);
        }
        if (replacement.type().equals(x.type())) {
            return replacement;
        }
        // Broadcasts to the activation without reading it: what stood there may be infinite.
        return Expr.where(x.eq(x).or(x.ne(x)), replacement, x);
    }

    private Expr where(Expr chosen, Expr other, Expr x, Scope scope) {
        Expr mask = scope.input(prefix + MASK, DType.BOOL, sizes(x, maskAxes));
        return Expr.where(mask, chosen, other);
    }

    private Expr value(Expr x, Scope scope) {
        Dim[] sizes = valueAxes.isEmpty() ? new Dim[0] : sizes(x, valueAxes);
        return scope.input(prefix + VALUE, x.dtype(), sizes);
    }

    private static Dim[] sizes(Expr x, List<Integer> axes) {
        Dim[] sizes = new Dim[x.rank()];
        for (int axis = 0; axis < sizes.length; axis++) {
            sizes[axis] = axes.contains(axis) ? x.size(axis) : Dim.of(1);
        }
        return sizes;
    }

    private Expr mean(Expr x, Scope scope) {
        MeanAxes axes = (MeanAxes) detail;
        Expr mean = axes.plain().isEmpty() ? x : x.reduce(ReduceKind.MEAN, true, array(axes.plain()));
        if (axes.weighted().isEmpty()) {
            return mean;
        }
        Expr real = scope.mask().to(x.dtype());
        while (real.rank() < x.rank()) {
            real = real.unsqueeze(real.rank());
        }
        int[] over = array(axes.weighted());
        Expr sum = Expr.where(real.gt(0), mean, x.constant(0)).reduce(ReduceKind.SUM, true, over);
        // A row of padding alone has a mean of 0.
        return sum.div(real.reduce(ReduceKind.SUM, true, over).maximum(1));
    }

    private static int[] array(List<Integer> axes) {
        return axes.stream().mapToInt(Integer::intValue).toArray();
    }

    private Expr projected(Expr x, Scope scope) {
        Expr basis = scope.input(prefix + VALUE, x.dtype(), x.size(-1), Dim.of((Long) detail));
        return x.sub(x.matmul(basis).matmul(basis.transpose(0, 1)));
    }
}
