package dev.loupe.run;

import dev.loupe.graph.Graph;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The part of a graph that a run needs. Values are looked at through their <em>roots</em>: a hook point where
 * nothing happens is the value that enters it, the target of a shortcut that is taken is its replacement. A root is
 * the id of a value; what is fed into a hook point has a root of its own, {@code number of values + id}.
 */
final class Cut {

    private final Graph graph;
    private final PlanRequest request;
    private final Map<Value, Value> shortcuts = new HashMap<>();
    private final Map<String, String> conflicts = new HashMap<>();
    private final BitSet needed = new BitSet();

    Cut(Graph graph, PlanRequest request, boolean compiles) {
        this.graph = graph;
        this.request = request;
        chooseShortcuts(compiles);
        request.outputs().forEach(name -> need(rootOf(output(name))));
        request.observed().forEach(name -> need(rootOf(hook(name))));
        request.edited().forEach(name -> need(rootOf(hook(name))));
    }

    private Value hook(String name) {
        Value value = graph.hooks().get(name);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no hook point '" + name + "'");
        }
        return value;
    }

    /** The output of that name. */
    Value output(String name) {
        Value value = graph.outputs().get(name);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no output '" + name + "'; it has "
                    + graph.outputs().keySet());
        }
        return value;
    }

    private void chooseShortcuts(boolean compiles) {
        for (Shortcut shortcut : graph.shortcuts()) {
            boolean edited =
                    touches(shortcut.bypassed(), request.edited()) || touches(shortcut.bypassed(), request.fed());
            boolean observed = touches(shortcut.bypassed(), request.observed());
            boolean taken = switch (shortcut.kind()) {
                case FUSION -> !compiles && !edited && !observed;
                case DETOUR_UNLESS_TOUCHED -> !edited && !observed;
                case DETOUR_UNLESS_EDITED -> !edited;
            };
            if (taken) {
                shortcuts.put(shortcut.target(), shortcut.replacement());
            } else if (edited && touches(shortcut.exclusive(), request.edited())) {
                noteConflict(shortcut);
            }
        }
    }

    // The run goes the full way for the sake of hooks at some points, and so past others: a change made there
    // would be lost in part. Hooks that only look do no harm.
    private void noteConflict(Shortcut shortcut) {
        Set<String> one = new TreeSet<>(shortcut.bypassed());
        one.removeIf(name -> !request.edited().contains(name) && !request.fed().contains(name));
        Set<String> other = new TreeSet<>(shortcut.exclusive());
        other.retainAll(request.edited());
        String message = "Hooks at " + one + " and at " + other
                + " can't both take effect: the former replace what the latter would change. Edit one or the other.";
        other.forEach(point -> conflicts.putIfAbsent(point, message));
    }

    private static boolean touches(Set<String> points, Set<String> active) {
        for (String point : points) {
            if (active.contains(point)) {
                return true;
            }
        }
        return false;
    }

    /** Points at which a change would be lost in part because of other hooks, with what to tell the user then. */
    Map<String, String> conflicts() {
        return conflicts;
    }

    /** The root of a value. */
    int rootOf(Value value) {
        Value v = value;
        while (true) {
            if (v.source() instanceof Value.Hooked hooked) {
                if (request.edited().contains(hooked.point().name())) {
                    return v.id();
                }
                if (request.fed().contains(hooked.point().name())) {
                    return fedRoot(v);
                }
                v = hooked.input();
            } else if (shortcuts.containsKey(v)) {
                v = shortcuts.get(v);
            } else {
                return v.id();
            }
        }
    }

    /** The root of what enters an edited hook point. */
    int rootBeforeEdit(Value hooked) {
        Value.Hooked source = (Value.Hooked) hooked.source();
        return request.fed().contains(source.point().name()) ? fedRoot(hooked) : rootOf(source.input());
    }

    int fedRoot(Value hooked) {
        return graph.values().size() + hooked.id();
    }

    boolean isFed(int root) {
        return root >= graph.values().size();
    }

    /** The value behind a root; for a fed root, the hook point's. */
    Value value(int root) {
        return graph.values().get(isFed(root) ? root - graph.values().size() : root);
    }

    /** Whether the root is the outcome of hooks. */
    boolean isEdit(int root) {
        return !isFed(root) && value(root).source() instanceof Value.Hooked;
    }

    /** Whether the root is an operation's result. */
    boolean isResult(int root) {
        return !isFed(root) && value(root).source() instanceof Value.Result;
    }

    boolean isWeight(int root) {
        return !isFed(root) && value(root).source() instanceof Value.Weight;
    }

    /** The roots that a root is made from; none for inputs and weights. */
    List<Integer> reads(int root) {
        if (isFed(root)) {
            return List.of();
        }
        Value value = value(root);
        if (value.source() instanceof Value.Hooked) {
            return List.of(rootBeforeEdit(value));
        }
        if (value.source() instanceof Value.Result result) {
            List<Integer> roots = new ArrayList<>(result.inputs().size());
            result.inputs().forEach(input -> roots.add(rootOf(input)));
            return roots;
        }
        return List.of();
    }

    private void need(int start) {
        List<Integer> open = new ArrayList<>(List.of(start));
        while (!open.isEmpty()) {
            int root = open.remove(open.size() - 1);
            if (needed.get(root)) {
                continue;
            }
            if (!isFed(root)
                    && value(root).source() instanceof Value.Input input
                    && !request.inputs().contains(input.name())) {
                throw missing(start, input.name());
            }
            needed.set(root);
            open.addAll(reads(root));
        }
    }

    private IllegalArgumentException missing(int start, String input) {
        Set<String> asked = new HashSet<>();
        graph.hooks().forEach((name, value) -> {
            if (value == value(start) || rootOf(value) == start) {
                asked.add(name);
            }
        });
        graph.outputs().forEach((name, value) -> {
            if (rootOf(value) == start) {
                asked.add(name);
            }
        });
        return new IllegalArgumentException("To compute " + asked + " the run needs '" + input
                + "', which was not given; given are " + new TreeSet<>(request.inputs())
                + (request.fed().isEmpty() ? "" : " and the values at " + new TreeSet<>(request.fed()))
                + ". Start the run further up, or ask for something further down.");
    }

    boolean isNeeded(int root) {
        return needed.get(root);
    }

    /** The needed roots in ascending order: those of values in an order in which they can be computed. */
    BitSet needed() {
        return needed;
    }

    /** Whether everything that stands outside a region, and that the region's roots would read, is at hand. */
    boolean canRead(int root) {
        if (needed.get(root) || isWeight(root) || isFed(root)) {
            return true;
        }
        return value(root).source() instanceof Value.Input input
                && request.inputs().contains(input.name());
    }
}
