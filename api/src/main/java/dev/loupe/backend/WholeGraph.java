package dev.loupe.backend;

import dev.loupe.graph.Graph;
import dev.loupe.run.WholeGraphs;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A model's graph as one segment, from its inputs to chosen hook points and outputs: what to write down when the model
 * is to leave Loupe in another form. A run gets its segments from the planner instead, region by region.
 *
 * @param segment everything that is needed, in the region {@code ""}; its outputs are the slots below
 * @param regions the region of the graph that each step of the segment lies in
 * @param inputs slot of each graph input that is read, by name
 * @param observed slot of the value at each chosen hook point, by name, in the order in which they fire
 * @param outputs slot of each chosen output, by name; several names may share a slot
 */
public record WholeGraph(
        Segment segment,
        List<String> regions,
        Map<String, Integer> inputs,
        Map<String, Integer> observed,
        Map<String, Integer> outputs) {

    /** Copies the collections. */
    public WholeGraph {
        regions = List.copyOf(regions);
        inputs = Collections.unmodifiableMap(new LinkedHashMap<>(inputs));
        observed = Collections.unmodifiableMap(new LinkedHashMap<>(observed));
        outputs = Collections.unmodifiableMap(new LinkedHashMap<>(outputs));
    }

    /**
     * What computes the chosen points and outputs, and nothing else. Optional points are computed where they are
     * chosen. Nothing is fused, as for a {@linkplain Backend#compiles() compiling} backend.
     *
     * @param graph for example that of {@link dev.loupe.model.HookedTransformer#graph}
     * @param observed full names of hook points
     * @param outputs names of outputs of the graph, such as {@link dev.loupe.architecture.StandardNames#LOGITS}
     * @throws IllegalArgumentException if the graph doesn't have one of them
     */
    public static WholeGraph of(Graph graph, Set<String> observed, Set<String> outputs) {
        return WholeGraphs.write(graph, observed, outputs);
    }
}
