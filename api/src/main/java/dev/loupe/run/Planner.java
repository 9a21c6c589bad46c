package dev.loupe.run;

import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Turns a request into a plan: drops what isn't needed, divides the rest by region, and divides a region further
 * where an edit's outcome is read in it. A region that a compiling backend runs undivided, and to its end, is handed
 * over in its standard form, with all its standard hook points as outputs, so that one prepared session serves
 * every such run.
 */
final class Planner {

    private final Graph graph;
    private final PlanRequest request;
    private final boolean compiles;
    private final Cut cut;
    private final Set<Integer> results = new HashSet<>();
    private final Map<Integer, Set<Integer>> readers = new HashMap<>();
    private final List<Chunk> chunks = new ArrayList<>();

    /** Operations that run as one, or, without any, edits alone. */
    private record Chunk(String region, List<Integer> roots, List<Integer> edits) {}

    private Planner(Graph graph, PlanRequest request, boolean compiles) {
        this.graph = graph;
        this.request = request;
        this.compiles = compiles;
        this.cut = new Cut(graph, request, compiles);
    }

    /**
     * Makes a plan.
     *
     * @throws IllegalArgumentException if something is asked for that can't be computed from what is given
     */
    static Plan plan(Graph graph, PlanRequest request, boolean compiles) {
        return new Planner(graph, request, compiles).plan();
    }

    private Plan plan() {
        Map<String, Integer> observed = new LinkedHashMap<>();
        graph.hooks().forEach((name, value) -> {
            if (request.observed().contains(name)) {
                observed.put(name, cut.rootOf(value));
            }
        });
        Map<String, Integer> outputs = new LinkedHashMap<>();
        for (String name : new TreeSet<>(request.outputs())) {
            outputs.put(name, cut.rootOf(cut.output(name)));
        }
        results.addAll(observed.values());
        results.addAll(outputs.values());
        divide();
        List<Plan.Action> actions = new ArrayList<>();
        Map<String, Integer> parts = new HashMap<>();
        chunks.forEach(chunk -> parts.merge(chunk.region(), chunk.roots().isEmpty() ? 0 : 1, Integer::sum));
        for (Chunk chunk : chunks) {
            if (!chunk.roots().isEmpty()) {
                List<Integer> standard =
                        compiles && parts.getOrDefault(chunk.region(), 0) == 1 ? standardForm(chunk) : List.of();
                actions.add(segment(chunk, standard));
            }
            for (int root : chunk.edits()) {
                Value value = cut.value(root);
                Value.Hooked hooked = (Value.Hooked) value.source();
                actions.add(new Plan.Edit(hooked.point(), cut.rootBeforeEdit(value), root, new int[0]));
            }
        }
        return new Plan(2 * graph.values().size(), inputs(actions), free(actions), observed, outputs, cut.conflicts());
    }

    // A region's standard form may read inputs that nothing else in the run needs.
    private Map<String, Integer> inputs(List<Plan.Action> actions) {
        Map<String, Integer> places = new HashMap<>();
        Set<Integer> read = new HashSet<>();
        for (Plan.Action action : actions) {
            if (action instanceof Plan.RunSegment run) {
                Arrays.stream(run.inputs()).forEach(read::add);
            }
        }
        for (String name : request.inputs()) {
            Value input = graph.inputs().get(name);
            if (input != null && (cut.isNeeded(input.id()) || read.contains(input.id()))) {
                places.put(name, input.id());
            }
        }
        for (String name : request.fed()) {
            Value hook = graph.hooks().get(name);
            int fed = hook == null ? -1 : cut.fedRoot(hook);
            if (fed >= 0 && (cut.isNeeded(fed) || read.contains(fed))) {
                places.put(name, fed);
            }
        }
        return places;
    }

    // Divides what is needed into chunks: by region, and before an operation that reads a pending edit.
    private void divide() {
        List<Integer> roots = new ArrayList<>();
        List<Integer> edits = new ArrayList<>();
        String region = "";
        BitSet needed = cut.needed();
        for (int root = needed.nextSetBit(0); root >= 0 && !cut.isFed(root); root = needed.nextSetBit(root + 1)) {
            boolean result = cut.isResult(root);
            if (!result && !cut.isEdit(root)) {
                continue;
            }
            for (int read : cut.reads(root)) {
                readers.computeIfAbsent(read, key -> new HashSet<>()).add(root);
            }
            String next = cut.value(root).region();
            boolean readsPending = result && cut.reads(root).stream().anyMatch(edits::contains);
            if (!next.equals(region) || readsPending) {
                close(region, roots, edits);
                roots = new ArrayList<>();
                edits = new ArrayList<>();
                region = next;
            }
            (result ? roots : edits).add(root);
        }
        close(region, roots, edits);
    }

    private void close(String region, List<Integer> roots, List<Integer> edits) {
        if (!roots.isEmpty() || !edits.isEmpty()) {
            chunks.add(new Chunk(region, roots, edits));
        }
    }

    /**
     * The outputs of a region's standard form: its standard hook points, what other regions read, and the graph
     * outputs that are asked for. Empty if this run doesn't go to the region's end, or lacks something that the
     * form would read.
     */
    private List<Integer> standardForm(Chunk chunk) {
        Set<Integer> outputs = new LinkedHashSet<>();
        int last = -1;
        for (Value hook : graph.hooks().values()) {
            boolean optional = ((Value.Hooked) hook.source()).point().optional();
            if (!hook.region().equals(chunk.region()) || optional) {
                continue;
            }
            // An edited point ends the region's form with the value that enters it.
            last = cut.isEdit(cut.rootOf(hook)) ? cut.rootBeforeEdit(hook) : cut.rootOf(hook);
            if (cut.isResult(last) && cut.value(last).region().equals(chunk.region())) {
                outputs.add(last);
            }
        }
        if (last < 0 || !cut.isNeeded(last)) {
            return List.of();
        }
        outputs.addAll(exports(chunk.region()));
        for (int root : chunk.roots()) {
            if (isReadOutside(root, chunk)) {
                outputs.add(root);
            }
        }
        return canCompute(outputs, chunk.region()) ? new ArrayList<>(new TreeSet<>(outputs)) : List.of();
    }

    private Set<Integer> exports(String region) {
        Set<Integer> exports = new LinkedHashSet<>();
        for (Value value : graph.values()) {
            if (value.region().equals(region)) {
                continue;
            }
            if (value.source() instanceof Value.Result result) {
                for (Value input : result.inputs()) {
                    int root = cut.rootOf(input);
                    if (cut.isResult(root) && cut.value(root).region().equals(region)) {
                        exports.add(root);
                    }
                }
            }
        }
        return exports;
    }

    private boolean canCompute(Set<Integer> outputs, String region) {
        BitSet seen = new BitSet();
        List<Integer> open = new ArrayList<>(outputs);
        while (!open.isEmpty()) {
            int root = open.remove(open.size() - 1);
            if (seen.get(root)) {
                continue;
            }
            seen.set(root);
            boolean inside = cut.isResult(root) && cut.value(root).region().equals(region);
            if (inside) {
                open.addAll(cut.reads(root));
            } else if (!cut.canRead(root) || readsOwnEdit(root, region)) {
                return false;
            }
        }
        return true;
    }

    // The outcome of an edit in the middle of the region is at hand only after a part of the region has run.
    private boolean readsOwnEdit(int root, String region) {
        if (!cut.isEdit(root) || !cut.value(root).region().equals(region)) {
            return false;
        }
        int before = cut.rootBeforeEdit(cut.value(root));
        while (cut.isEdit(before)) {
            before = cut.rootBeforeEdit(cut.value(before));
        }
        return cut.isResult(before) && cut.value(before).region().equals(region);
    }

    private boolean isReadOutside(int root, Chunk chunk) {
        return results.contains(root)
                || readers.getOrDefault(root, Set.of()).stream()
                        .anyMatch(reader -> !chunk.roots().contains(reader));
    }

    private Plan.RunSegment segment(Chunk chunk, List<Integer> standard) {
        List<Integer> wanted = chunk.roots().stream()
                .filter(root -> isReadOutside(root, chunk))
                .toList();
        boolean whole = !standard.isEmpty();
        List<Integer> outputs = whole ? standard : wanted;
        Set<Integer> members = new HashSet<>(chunk.roots());
        SegmentWriter writer = new SegmentWriter(
                cut,
                root -> members.contains(root)
                        || (whole
                                && cut.isResult(root)
                                && cut.value(root).region().equals(chunk.region())));
        outputs.forEach(writer::write);
        Placement placement = new Placement(
                Math.max(graph.regions().indexOf(chunk.region()), 0),
                graph.regions().size());
        Segment segment = writer.segment(chunk.region(), placement, whole, outputs);
        return new Plan.RunSegment(
                new Plan.Key(segment),
                writer.inputs(),
                wanted.stream().map(writer::slot).toList(),
                wanted.stream().mapToInt(Integer::intValue).toArray(),
                new int[0]);
    }

    /** Notes in each action the places that nobody reads after it. What the run gives back is never freed. */
    private List<Plan.Action> free(List<Plan.Action> actions) {
        BitSet kept = new BitSet();
        results.forEach(kept::set);
        List<Plan.Action> done = new ArrayList<>();
        for (int i = actions.size() - 1; i >= 0; i--) {
            BitSet touched = new BitSet();
            if (actions.get(i) instanceof Plan.RunSegment run) {
                for (int place : run.inputs()) {
                    touched.set(place);
                }
                for (int place : run.results()) {
                    touched.set(place);
                }
                touched.andNot(kept);
                kept.or(touched);
                done.add(
                        0,
                        new Plan.RunSegment(
                                run.key(),
                                run.inputs(),
                                run.wanted(),
                                run.results(),
                                touched.stream().toArray()));
            } else if (actions.get(i) instanceof Plan.Edit edit) {
                touched.set(edit.from());
                touched.set(edit.to());
                touched.andNot(kept);
                kept.or(touched);
                done.add(
                        0,
                        new Plan.Edit(
                                edit.point(),
                                edit.from(),
                                edit.to(),
                                touched.stream().toArray()));
            }
        }
        return done;
    }
}
