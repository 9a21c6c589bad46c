package dev.loupe.run;

import dev.loupe.graph.Graph;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Feed;
import dev.loupe.graph.pass.Keep;
import dev.loupe.graph.pass.Splice;
import dev.loupe.graph.pass.TakeShortcuts;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What a run asks of a graph, by name. Requests are equal if they ask the same, whatever numbers are fed.
 *
 * @param inputs graph inputs that are given, those included that changes bring along
 * @param fed hook points whose incoming value is given
 * @param observed hook points whose outgoing value is wanted
 * @param changes what happens at hook points, in order
 * @param outputs graph outputs that are wanted
 * @param derivatives what is differentiated, and at which points; null for none
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record PlanRequest(
        Set<String> inputs,
        Set<String> fed,
        Set<String> observed,
        Map<String, List<Change>> changes,
        Set<String> outputs,
        @Nullable Derivatives derivatives) {

    /** Copies the collections. */
    public PlanRequest {
        inputs = Set.copyOf(inputs);
        fed = Set.copyOf(fed);
        observed = Set.copyOf(observed);
        changes = Change.copyOf(changes);
        outputs = Set.copyOf(outputs);
    }

    /** A request without derivatives. */
    public PlanRequest(
            Set<String> inputs,
            Set<String> fed,
            Set<String> observed,
            Map<String, List<Change>> changes,
            Set<String> outputs) {
        this(inputs, fed, observed, changes, outputs, null);
    }

    /** What the run needs of the graph that the steps before {@link Keep} give. */
    Keep keep() {
        Set<String> given = new HashSet<>(inputs);
        given.addAll(fed);
        if (derivatives == null) {
            return new Keep(observed, outputs, given);
        }
        Set<String> points = new HashSet<>(observed);
        points.addAll(derivatives.wanted());
        Set<String> results = new HashSet<>(outputs);
        results.add(Derivatives.METRIC);
        return new Keep(points, results, given);
    }

    /**
     * Each step of the run's preparation with the graph after it, in order: {@code given}, {@code feed}, {@code
     * splice}, {@code shortcuts}; where there are derivatives also {@code measure}, before the shortcuts are taken, and
     * {@code differentiate} in the end.
     *
     * @param fusions whether fused ops are wanted: if not, regions are wanted whole
     */
    Map<String, Graph> steps(Graph graph, boolean fusions) {
        Map<String, Graph> steps = new LinkedHashMap<>();
        steps.put("given", graph);
        Graph fedGraph = new Feed(fed).apply(graph);
        steps.put("feed", fedGraph);
        Graph spliced = new Splice(changes).apply(fedGraph);
        steps.put("splice", spliced);
        if (derivatives == null) {
            steps.put("shortcuts", new TakeShortcuts(observed, fusions).apply(spliced));
            return steps;
        }
        Graph measured = derivatives.measure(spliced);
        steps.put("measure", measured);
        Set<String> changed = derivatives.changes().keySet();
        Graph taken = new TakeShortcuts(observed, derivatives.differentiated(), changed, fusions).apply(measured);
        steps.put("shortcuts", taken);
        steps.put("differentiate", derivatives.differentiate(taken, !fusions));
        return steps;
    }

    /** As {@link #steps}, and after {@link Keep} too: what a run computes, for people to read. */
    public Map<String, Graph> explain(Graph graph, boolean fusions) {
        Map<String, Graph> steps = steps(graph, fusions);
        steps.put("keep", keep().apply(last(steps)));
        return steps;
    }

    /** The graph after all steps before {@link Keep}. */
    public Graph prepared(Graph graph, boolean fusions) {
        return last(steps(graph, fusions));
    }

    private static Graph last(Map<String, Graph> steps) {
        List<Graph> all = new ArrayList<>(steps.values());
        return all.get(all.size() - 1);
    }
}
