package dev.loupe.run;

import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.backend.SegmentWriter;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Keep;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The last step of a run's preparation: divides what is needed of a graph by region, and a region further where the
 * outcome of Java code is read in it. A region that a compiling backend runs undivided, and to its end, is handed over
 * in its standard form, with all its standard hook points as outputs, so that one prepared session serves every such
 * run.
 *
 * <p>Hook points are names here: what counts are the values behind them.
 */
final class Divide {

    private final Graph graph;
    private final Keep keep;
    private final boolean compiles;
    private final BitSet needed;
    private final Set<Value> results = new LinkedHashSet<>();
    private final Map<Value, Set<Value>> readers = new HashMap<>();
    private final List<Chunk> chunks = new ArrayList<>();

    /** Operations that run as one, and after them callbacks; or callbacks alone. */
    private record Chunk(String region, List<Value> operations, List<Value> callbacks) {}

    private Divide(Graph graph, Keep keep, boolean compiles) {
        this.graph = graph;
        this.keep = keep;
        this.compiles = compiles;
        this.needed = keep.needed(graph);
    }

    /**
     * Makes a plan.
     *
     * @param graph without shortcuts
     * @param keep what the run needs of it
     * @param compiles whether the backend wants regions in their standard form
     * @param conflicts points at which code may look but not change anything, and why
     * @throws IllegalArgumentException if something is asked for that can't be computed from what is given
     */
    static Plan divide(Graph graph, Keep keep, boolean compiles, Map<String, String> conflicts) {
        return new Divide(graph, keep, compiles).plan(conflicts);
    }

    private Plan plan(Map<String, String> conflicts) {
        Map<String, Integer> observed = new LinkedHashMap<>();
        graph.hooks().forEach((name, hook) -> {
            if (keep.observed().contains(name)) {
                observed.put(name, result(hook));
            }
        });
        Map<String, Integer> outputs = new LinkedHashMap<>();
        graph.outputs().forEach((name, output) -> {
            if (keep.outputs().contains(name)) {
                outputs.put(name, result(output));
            }
        });
        divide();
        List<Plan.Action> actions = new ArrayList<>();
        Map<String, Integer> parts = new HashMap<>();
        chunks.forEach(chunk -> parts.merge(chunk.region(), chunk.operations().isEmpty() ? 0 : 1, Integer::sum));
        for (Chunk chunk : chunks) {
            if (!chunk.operations().isEmpty()) {
                boolean undivided = parts.getOrDefault(chunk.region(), 0) == 1;
                actions.add(segment(chunk, compiles && undivided ? standardForm(chunk) : List.of()));
            }
            for (Value value : chunk.callbacks()) {
                Value.Callback callback = (Value.Callback) value.source();
                int from = callback.input().behindHooks().id();
                actions.add(new Plan.Callback(callback.point(), callback.number(), from, value.id(), new int[0]));
            }
        }
        return new Plan(
                graph.values().size(),
                inputs(actions),
                Plan.withFreedPlaces(actions, results.stream().map(Value::id).toList()),
                observed,
                Plan.settled(actions, observed, outputs.values()),
                outputs,
                conflicts);
    }

    private int result(Value named) {
        Value value = named.behindHooks();
        results.add(value);
        return value.id();
    }

    // A region's standard form may read inputs that nothing else in the run needs.
    private Map<String, Integer> inputs(List<Plan.Action> actions) {
        Set<Integer> read = new HashSet<>();
        for (Plan.Action action : actions) {
            if (action instanceof Plan.RunSegment run) {
                for (int place : run.inputs()) {
                    read.add(place);
                }
            }
        }
        Map<String, Integer> places = new HashMap<>();
        graph.inputs().forEach((name, input) -> {
            if (keep.given().contains(name) && (needed.get(input.id()) || read.contains(input.id()))) {
                places.put(name, input.id());
            }
        });
        return places;
    }

    // Divides what is needed into chunks: by region, and before an operation that reads a pending callback.
    private void divide() {
        Chunk open = new Chunk("", new ArrayList<>(), new ArrayList<>());
        for (int id = needed.nextSetBit(0); id >= 0; id = needed.nextSetBit(id + 1)) {
            Value value = graph.values().get(id);
            boolean operation = value.source() instanceof Value.Result;
            if (!operation && !(value.source() instanceof Value.Callback)) {
                continue;
            }
            boolean readsPending = false;
            for (Value operand : value.operands()) {
                Value read = operand.behindHooks();
                readers.computeIfAbsent(read, key -> new HashSet<>()).add(value);
                readsPending |= operation && open.callbacks().contains(read);
            }
            if (!value.region().equals(open.region()) || readsPending) {
                close(open);
                open = new Chunk(value.region(), new ArrayList<>(), new ArrayList<>());
            }
            (operation ? open.operations() : open.callbacks()).add(value);
        }
        close(open);
    }

    private void close(Chunk chunk) {
        if (!chunk.operations().isEmpty() || !chunk.callbacks().isEmpty()) {
            chunks.add(chunk);
        }
    }

    /**
     * The outputs of a region's standard form: its standard hook points, what other regions read, and the graph
     * outputs that are asked for. Empty if this run doesn't go to the region's end, or lacks something that the
     * form would read.
     */
    private List<Value> standardForm(Chunk chunk) {
        Map<Integer, Value> outputs = new TreeMap<>();
        Value last = null;
        for (HookPoint point : graph.hookPoints()) {
            Value hook = graph.hooks().get(point.name());
            if (hook == null || point.optional() || !hook.region().equals(chunk.region())) {
                continue;
            }
            // Code at a point ends the region's form with the value that enters it.
            last = beforeCallbacks(hook.behindHooks(), point);
            if (isMadeIn(chunk.region(), last)) {
                outputs.put(last.id(), last);
            }
        }
        if (last == null || !needed.get(last.id())) {
            return List.of();
        }
        exports(chunk.region()).forEach(value -> outputs.put(value.id(), value));
        for (Value value : chunk.operations()) {
            if (isReadOutside(value, chunk)) {
                outputs.put(value.id(), value);
            }
        }
        return canCompute(outputs.values(), chunk.region()) ? new ArrayList<>(outputs.values()) : List.of();
    }

    private static Value beforeCallbacks(Value value, HookPoint point) {
        Value before = value;
        while (before.source() instanceof Value.Callback callback
                && callback.point().equals(point)) {
            before = callback.input().behindHooks();
        }
        return before;
    }

    private static boolean isMadeIn(String region, Value value) {
        return value.source() instanceof Value.Result && value.region().equals(region);
    }

    private Set<Value> exports(String region) {
        Set<Value> exports = new LinkedHashSet<>();
        for (Value value : graph.values()) {
            if (!value.region().equals(region) && value.source() instanceof Value.Result result) {
                for (Value operand : result.inputs()) {
                    Value read = operand.behindHooks();
                    if (isMadeIn(region, read)) {
                        exports.add(read);
                    }
                }
            }
        }
        return exports;
    }

    private boolean canCompute(Iterable<Value> outputs, String region) {
        BitSet seen = new BitSet();
        Deque<Value> open = new ArrayDeque<>();
        outputs.forEach(open::push);
        while (!open.isEmpty()) {
            Value value = open.pop();
            if (seen.get(value.id())) {
                continue;
            }
            seen.set(value.id());
            if (isMadeIn(region, value)) {
                value.operands().forEach(operand -> open.push(operand.behindHooks()));
            } else if (!canRead(value) || dependsOnCallbackIn(region, value)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Whether something that stands outside a region, and that the region would read, is at hand. What is needed only
     * inside its own segment isn't: it never leaves it.
     */
    private boolean canRead(Value value) {
        return (needed.get(value.id()) && leavesItsChunk(value))
                || value.source() instanceof Value.Weight
                || (value.source() instanceof Value.Input input && keep.given().contains(input.name()));
    }

    // The outcome of code in the middle of the region is at hand only after a part of the region has run.
    private static boolean dependsOnCallbackIn(String region, Value value) {
        if (!(value.source() instanceof Value.Callback) || !value.region().equals(region)) {
            return false;
        }
        Value before = value;
        while (before.source() instanceof Value.Callback callback) {
            before = callback.input().behindHooks();
        }
        return isMadeIn(region, before);
    }

    private boolean leavesItsChunk(Value value) {
        return chunks.stream()
                .filter(chunk -> chunk.region().equals(value.region())
                        && chunk.operations().contains(value))
                .allMatch(chunk -> isReadOutside(value, chunk));
    }

    private boolean isReadOutside(Value value, Chunk chunk) {
        return results.contains(value)
                || readers.getOrDefault(value, Set.of()).stream()
                        .anyMatch(reader -> !chunk.operations().contains(reader));
    }

    private Plan.RunSegment segment(Chunk chunk, List<Value> standard) {
        List<Value> wanted = chunk.operations().stream()
                .filter(value -> isReadOutside(value, chunk))
                .toList();
        boolean whole = !standard.isEmpty();
        Set<Value> members = new HashSet<>(chunk.operations());
        SegmentWriter writer = new SegmentWriter(
                graph, value -> members.contains(value) || (whole && isMadeIn(chunk.region(), value)));
        List<Value> outputs = whole ? standard : wanted;
        outputs.forEach(writer::write);
        Placement placement = new Placement(
                Math.max(graph.regions().indexOf(graph.homeOf(chunk.region())), 0),
                graph.regions().size());
        Segment segment = writer.segment(chunk.region(), placement, whole, outputs);
        return new Plan.RunSegment(
                new Plan.Key(segment),
                writer.inputs().stream().mapToInt(Value::id).toArray(),
                wanted.stream().map(writer::slot).toList(),
                wanted.stream().mapToInt(Value::id).toArray(),
                new int[0]);
    }
}
