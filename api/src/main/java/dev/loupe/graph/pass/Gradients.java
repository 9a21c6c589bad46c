package dev.loupe.graph.pass;

import dev.loupe.graph.Dim;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * Adds the backward part: derivatives of a scalar with respect to what leaves hook points, each of which is a hook point
 * too ({@link HookPoint#gradient}), so that looking at it gives the derivative and a change at it flows on upstream. What
 * belongs to a region is added to a region of its own, that runs at the same place. Forward values that derivatives are
 * made of are read where they are; what is recomputed is named at the operation's line in the table.
 *
 * <p>Where {@link TakeShortcuts} left a shortcut in the graph, the derivative goes the short way as the values do, and
 * on the side along the full way to the points that lie on it alone.
 *
 * @param scalar the output of the graph that is differentiated: a floating-point scalar, or one number for each row of
 *     the batch, whose sum it then is
 * @param points full names of the points whose derivatives are wanted
 * @param wholeRegions whether to add the derivatives at every standard point of the regions that are passed through, so
 *     that a region's backward part is the same whatever is wanted of it; {@link Keep} then drops what isn't
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Gradients(String scalar, Set<String> points, boolean wholeRegions) implements Pass {

    private static final String SUFFIX = ".backward";

    /** Copies the set. */
    public Gradients {
        points = Set.copyOf(points);
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the output isn't a scalar or depends on no hook point, if a point isn't in the
     *     graph or holds whole numbers, or if Java code stands between a point and the scalar
     */
    @Override
    public Graph apply(Graph graph) {
        Value old = checkedScalar(graph);
        BitSet above = Uses.above(List.of(old));
        List<Value> asked = asked(graph);
        checkReachable(graph, asked, above);
        Set<Value> wanted = new LinkedHashSet<>(asked);
        if (wholeRegions) {
            wanted.addAll(standardPoints(graph, asked, above));
        }
        Rewriter rewriter = Rewriter.copy(graph, (value, to) -> to.copy(value));
        rewriter.copyOutputs();
        GraphBuilder b = rewriter.builder();
        Backward backward = new Backward(b, wanted.stream().map(rewriter::get).toList());
        backward.beforeEach(value -> enterBackwardOf(b, graph, value.region()));
        backward.atWanted((value, gradient) -> b.hook(point(value).gradient(), gradient));
        for (Shortcut shortcut : graph.shortcuts()) {
            backward.twin(rewriter.get(shortcut.target()), rewriter.get(shortcut.replacement()));
        }
        Value copied = rewriter.get(old);
        enterBackwardOf(b, graph, copied.region());
        Value one = b.scalar(1, copied);
        backward.seed(copied, copied.type().rank() == 0 ? one : b.apply(new Op.BroadcastLike(), one, copied));
        backward.run();
        for (Value value : asked) {
            Value point = rewriter.get(value);
            if (backward.gradient(point) == null) {
                enterBackwardOf(b, graph, point.region());
                b.hook(point(point).gradient(), b.apply(new Op.BroadcastLike(), b.scalar(0, point), point));
            }
        }
        return b.build();
    }

    private static void enterBackwardOf(GraphBuilder b, Graph graph, String region) {
        b.beside(graph.homeOf(region), region + SUFFIX);
    }

    private static HookPoint point(Value hooked) {
        return ((Value.Hooked) hooked.source()).point();
    }

    private Value checkedScalar(Graph graph) {
        Value value = graph.outputs().get(scalar);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no output '" + scalar + "' to differentiate; it has "
                    + graph.outputs().keySet());
        }
        TensorType type = value.type();
        boolean isScalar = type.rank() == 0 || (type.rank() == 1 && type.dim(0).equals(Dim.symbol("batch")));
        if (!type.dtype().isFloating() || !isScalar) {
            throw new IllegalArgumentException(
                    "What is differentiated must be one floating-point number, or one for each"
                            + " row of the batch, but '" + scalar + "' is " + type
                            + ". Take its mean, or pick one of its elements");
        }
        BitSet above = Uses.above(List.of(value));
        if (graph.hooks().values().stream().noneMatch(hook -> above.get(hook.id()))) {
            throw new IllegalArgumentException("'" + scalar + "' depends on no activation of the model, so it has no"
                    + " derivatives. Make it of logits or of values at hook points");
        }
        return value;
    }

    private List<Value> asked(Graph graph) {
        List<Value> asked = new ArrayList<>();
        Set<String> missing = new TreeSet<>(points);
        for (Map.Entry<String, Value> hook : graph.hooks().entrySet()) {
            if (missing.remove(hook.getKey())) {
                if (!hook.getValue().type().dtype().isFloating()) {
                    throw new IllegalArgumentException("What leaves '" + hook.getKey() + "' is "
                            + hook.getValue().type() + "; only floating-point numbers have derivatives");
                }
                asked.add(hook.getValue());
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException("The graph has no hook point " + missing + " to differentiate at");
        }
        return asked;
    }

    // Java code is opaque: past it there is no derivative, and saying zero would be wrong.
    private void checkReachable(Graph graph, List<Value> asked, BitSet above) {
        Uses uses = Uses.of(graph);
        Map<Value, Value> shortcuts = new HashMap<>();
        graph.shortcuts().forEach(shortcut -> shortcuts.put(shortcut.target(), shortcut.replacement()));
        BitSet reached = new BitSet();
        Deque<Value> open = new ArrayDeque<>(asked);
        while (!open.isEmpty()) {
            Value value = open.pop();
            if (reached.get(value.id()) || value.source() instanceof Value.Stop) {
                continue;
            }
            reached.set(value.id());
            if (value.source() instanceof Value.Callback callback && above.get(value.id())) {
                throw new IllegalArgumentException("Java code at '" + callback.point() + "' stands between '" + scalar
                        + "' and " + upstream(asked, value)
                        + ": no derivative goes through it. Make the change there an"
                        + " intervention (zero, add, scale, set, patch, a function of Expr), observe the point instead of"
                        + " hooking it, or ask for points further down");
            }
            open.addAll(uses.of(value));
            Value replacement = shortcuts.get(value);
            if (replacement != null) {
                open.push(replacement);
            }
        }
    }

    private static Set<String> upstream(List<Value> asked, Value callback) {
        BitSet above = Uses.above(List.of(callback));
        Set<String> names = new TreeSet<>();
        asked.stream()
                .filter(value -> above.get(value.id()))
                .forEach(value -> names.add(point(value).name()));
        // Optional points, which the run goes round, are upstream by way of what stands for them.
        if (names.isEmpty()) {
            asked.forEach(value -> names.add(point(value).name()));
        }
        return names;
    }

    // From the first region of a point that is asked for to the end; regions before it are left alone.
    private static List<Value> standardPoints(Graph graph, List<Value> asked, BitSet above) {
        List<String> regions = graph.regions();
        int first = regions.size();
        for (Value value : asked) {
            if (above.get(value.id())) {
                first = Math.min(first, place(graph, value));
            }
        }
        List<Value> points = new ArrayList<>();
        for (Value value : graph.hooks().values()) {
            boolean standard = !point(value).optional() && value.type().dtype().isFloating();
            if (standard && above.get(value.id()) && place(graph, value) >= first) {
                points.add(value);
            }
        }
        return points;
    }

    private static int place(Graph graph, Value value) {
        return graph.regions().indexOf(graph.homeOf(value.region()));
    }
}
