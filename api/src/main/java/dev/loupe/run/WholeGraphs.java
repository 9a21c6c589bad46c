package dev.loupe.run;

import dev.loupe.backend.Placement;
import dev.loupe.backend.WholeGraph;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Writes what a request needs as one segment, without regard to regions. */
public final class WholeGraphs {

    private WholeGraphs() {}

    /** See {@link WholeGraph#of}. */
    public static WholeGraph write(Graph graph, Set<String> observed, Set<String> outputs) {
        Set<String> given = graph.inputs().keySet();
        Cut cut = new Cut(graph, new PlanRequest(given, Set.of(), observed, Set.of(), outputs), true);
        SegmentWriter writer = new SegmentWriter(cut, cut::isResult);
        List<String> regions = new ArrayList<>();
        BitSet needed = cut.needed();
        // In this order each value's makers are written before it, so that the writer never goes deep.
        for (int root = needed.nextSetBit(0); root >= 0; root = needed.nextSetBit(root + 1)) {
            writer.write(root);
            while (regions.size() < writer.steps()) {
                regions.add(cut.value(root).region());
            }
        }
        Map<String, Integer> inputSlots = new LinkedHashMap<>();
        for (int root : writer.inputs()) {
            inputSlots.put(((Value.Input) cut.value(root).source()).name(), writer.slot(root));
        }
        Set<Integer> roots = new LinkedHashSet<>();
        Map<String, Integer> outputSlots = new LinkedHashMap<>();
        for (String name : new TreeSet<>(outputs)) {
            int root = cut.rootOf(cut.output(name));
            roots.add(root);
            outputSlots.put(name, writer.slot(root));
        }
        Map<String, Integer> observedSlots = new LinkedHashMap<>();
        graph.hooks().forEach((name, value) -> {
            if (observed.contains(name)) {
                int root = cut.rootOf(value);
                roots.add(root);
                observedSlots.put(name, writer.slot(root));
            }
        });
        return new WholeGraph(
                writer.segment("", Placement.ANYWHERE, false, new ArrayList<>(roots)),
                regions,
                inputSlots,
                observedSlots,
                outputSlots);
    }
}
