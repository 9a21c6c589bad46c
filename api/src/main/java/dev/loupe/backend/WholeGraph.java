package dev.loupe.backend;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Keep;
import dev.loupe.graph.pass.TakeShortcuts;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * A model's graph as one segment, from its inputs to chosen hook points and outputs: what to write down when the model
 * is to leave Loupe in another form. A run gets its segments from the planner instead, region by region.
 *
 * @param segment everything that is needed, in the region {@code ""}; its outputs are the slots below
 * @param regions the region of the graph that each step of the segment lies in
 * @param inputs slot of each graph input that is read, by name
 * @param observed slot of the value at each chosen hook point, by name, in the order in which they fire
 * @param outputs slot of each chosen output, by name; several names may share a slot
 * @param constants the numbers of those weights that come with the graph, by name
 */
@API(status = API.Status.STABLE, since = "0.1")
public record WholeGraph(
        Segment segment,
        List<String> regions,
        Map<String, Integer> inputs,
        Map<String, Integer> observed,
        Map<String, Integer> outputs,
        Map<String, HostTensor> constants) {

    /** Copies the collections. */
    public WholeGraph {
        regions = List.copyOf(regions);
        inputs = Collections.unmodifiableMap(new LinkedHashMap<>(inputs));
        observed = Collections.unmodifiableMap(new LinkedHashMap<>(observed));
        outputs = Collections.unmodifiableMap(new LinkedHashMap<>(outputs));
        constants = Map.copyOf(constants);
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
        Graph kept = new TakeShortcuts(observed, false)
                .then(new Keep(observed, outputs, graph.inputs().keySet()))
                .apply(graph);
        SegmentWriter writer = new SegmentWriter(kept, value -> true);
        List<String> regions = new ArrayList<>();
        // In this order each value's makers are written before it, so that the writer never goes deep.
        for (Value value : kept.values()) {
            writer.write(value);
            while (regions.size() < writer.steps()) {
                regions.add(value.region());
            }
        }
        Map<String, Integer> inputSlots = new LinkedHashMap<>();
        for (Value input : writer.inputs()) {
            inputSlots.put(((Value.Input) input.source()).name(), writer.slot(input));
        }
        Set<Value> wanted = new LinkedHashSet<>();
        Map<String, Integer> outputSlots = new LinkedHashMap<>();
        for (String name : new TreeSet<>(outputs)) {
            Value value = Objects.requireNonNull(kept.outputs().get(name)).behindHooks();
            wanted.add(value);
            outputSlots.put(name, writer.slot(value));
        }
        Map<String, Integer> observedSlots = new LinkedHashMap<>();
        kept.hooks().forEach((name, hook) -> {
            wanted.add(hook.behindHooks());
            observedSlots.put(name, writer.slot(hook));
        });
        return new WholeGraph(
                writer.segment("", Placement.ANYWHERE, false, new ArrayList<>(wanted)),
                regions,
                inputSlots,
                observedSlots,
                outputSlots,
                kept.constants());
    }
}
