package dev.loupe.run;

import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Gradients;
import dev.loupe.graph.pass.Measure;
import dev.loupe.graph.pass.Splice;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * The derivatives that a run asks for. Equal if they ask the same, whatever numbers are fed.
 *
 * @param of the graph output that the metric is a function of
 * @param metric what is differentiated
 * @param points full names of the points at which derivatives are wanted
 * @param changes what happens to derivatives on their way, by full name of the point
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Derivatives(String of, GraphFunction metric, Set<String> points, Map<String, List<Change>> changes) {

    /** The name of the output that holds the metric. */
    public static final String METRIC = "metric";

    /** Copies the collections. */
    public Derivatives {
        points = Set.copyOf(points);
        changes = Change.copyOf(changes);
    }

    /** Every point whose derivative is computed: those that are wanted and those where it is changed. */
    Set<String> differentiated() {
        Set<String> all = new LinkedHashSet<>(points);
        all.addAll(changes.keySet());
        return all;
    }

    /** The names of the points of the backward part that are wanted. */
    Set<String> wanted() {
        return points.stream().map(HookPoint::gradientOf).collect(Collectors.toSet());
    }

    /** The step that adds the metric. */
    Graph measure(Graph graph) {
        return new Measure(METRIC, of, metric).apply(graph);
    }

    /** The step that adds the backward part, with the changes to derivatives in it. */
    Graph differentiate(Graph graph, boolean wholeRegions) {
        Graph differentiated = new Gradients(METRIC, differentiated(), wholeRegions).apply(graph);
        Map<String, List<Change>> backward = new LinkedHashMap<>();
        changes.forEach((point, list) -> backward.put(HookPoint.gradientOf(point), list));
        return new Splice(backward).apply(differentiated);
    }

    /** As {@link Splice#conflicts}, of the changes to derivatives. */
    Map<String, String> conflicts(Graph graph) {
        Map<String, String> conflicts = new LinkedHashMap<>();
        Splice.conflicts(graph, Set.of(), changes.keySet())
                .forEach((point, message) -> conflicts.put(HookPoint.gradientOf(point), message));
        return conflicts;
    }
}
