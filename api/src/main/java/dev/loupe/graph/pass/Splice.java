package dev.loupe.graph.pass;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.graph.Expr;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.graph.Value;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Puts changes into hook points, in order: functions become part of the graph, Java code becomes a {@link
 * Value.Callback}. What leaves a point is the outcome of all of its changes.
 *
 * @param changes by full name of the point; a point may be one that another change brings along
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Splice(Map<String, List<Change>> changes) implements Pass {

    /** Copies the collections. */
    public Splice {
        changes = Change.copyOf(changes);
    }

    @Override
    public Graph apply(Graph graph) {
        return changes.isEmpty() ? graph : new Splicing(graph, changes).splice();
    }

    /**
     * Points at which a change would be lost in part, because for the sake of other changes the run goes a way past
     * them, with what to tell the user then. Code that only looks does no harm there.
     *
     * @param fed points that are fed
     * @param changed points that are changed
     */
    public static Map<String, String> conflicts(Graph graph, Set<String> fed, Set<String> changed) {
        Map<String, String> conflicts = new LinkedHashMap<>();
        for (Shortcut shortcut : graph.shortcuts()) {
            Set<String> one = new TreeSet<>(shortcut.bypassed());
            one.removeIf(name -> !changed.contains(name) && !fed.contains(name));
            Set<String> other = new TreeSet<>(shortcut.exclusive());
            other.retainAll(changed);
            if (!one.isEmpty() && !other.isEmpty()) {
                String message = "Hooks at " + one + " and at " + other
                        + " can't both take effect: the former replace what the latter would change."
                        + " Edit one or the other.";
                other.forEach(point -> conflicts.putIfAbsent(point, message));
            }
        }
        return conflicts;
    }

    private static final class Splicing extends GraphScope {

        private final Graph graph;
        private final Map<String, List<Change>> changes;
        private final Rewriter rewriter;
        private final GraphBuilder builder;
        private final Set<String> spliced = new HashSet<>();
        private final Set<String> read = new HashSet<>();
        private String region = "";

        Splicing(Graph graph, Map<String, List<Change>> changes) {
            this(graph, changes, new Rewriter(graph));
        }

        private Splicing(Graph graph, Map<String, List<Change>> changes, Rewriter rewriter) {
            super(rewriter.builder());
            this.graph = graph;
            this.changes = changes;
            this.rewriter = rewriter;
            this.builder = rewriter.builder();
        }

        Graph splice() {
            rewriter.copyValues((old, to) -> {
                region = old.region();
                if (old.source() instanceof Value.Hooked hooked) {
                    return changed(hooked.point(), to.get(hooked.input()));
                }
                Value early = takenEarly(old);
                return early == null ? to.copy(old) : early;
            });
            Set<String> missing = new TreeSet<>(changes.keySet());
            missing.removeAll(spliced);
            if (!missing.isEmpty()) {
                throw new UnknownHookException("The graph has no hook point " + missing + "; near are "
                        + Nearest.to(missing.iterator().next(), builder.hooks().keySet(), 3));
            }
            rewriter.copyOutputs();
            graph.shortcuts().stream().filter(this::stands).forEach(rewriter::copyShortcut);
            return builder.build();
        }

        // A function may have asked for an input or a weight that stands further on.
        private @Nullable Value takenEarly(Value old) {
            if (old.source() instanceof Value.Input input) {
                return builder.inputs().get(input.name());
            } else if (old.source() instanceof Value.Weight weight) {
                return builder.weights().get(weight.name());
            }
            return null;
        }

        private Value takeEarly(Value original) {
            Value copy = builder.copy(original, List.of());
            builder.in(region);
            return copy;
        }

        // A way round a changed point would lose the change; one round a point that is read would compute it twice.
        private boolean stands(Shortcut shortcut) {
            boolean past = !Collections.disjoint(shortcut.bypassed(), changes.keySet());
            boolean reads = shortcut.kind() != Shortcut.Kind.DETOUR_UNLESS_EDITED
                    && !Collections.disjoint(shortcut.bypassed(), read);
            return !past && !reads;
        }

        private Value changed(HookPoint point, Value entering) {
            Value value = entering;
            for (Change change : changes.getOrDefault(point.name(), List.of())) {
                if (change instanceof Change.Code code) {
                    value = builder.callback(point, code.number(), value);
                } else if (change instanceof Change.Function function) {
                    value = applied(function, point, value);
                }
            }
            spliced.add(point.name());
            return builder.hook(point, value);
        }

        private Value applied(Change.Function function, HookPoint point, Value entering) {
            Expr result = function.function().apply(new Expr(builder, entering), this);
            if (result.builder() != builder) {
                throw new IllegalArgumentException("The function at " + point + " returned a value of another graph");
            }
            if (!result.type().equals(entering.type())) {
                throw new IllegalArgumentException("The function at " + point + " gives " + result.type()
                        + "; it must give " + entering.type() + ", as enters the point");
            }
            return result.value();
        }

        @Override
        public Expr value(String point) {
            if (!builder.hooks().containsKey(point)) {
                if (graph.hooks().containsKey(point)) {
                    throw new IllegalArgumentException(
                            point + " fires later than the point whose function reads it; read an earlier one");
                }
                throw new UnknownHookException("The graph has no hook point '" + point + "'; near are "
                        + Nearest.to(point, graph.hooks().keySet(), 3));
            }
            read.add(point);
            return super.value(point);
        }

        // What the graph itself has may stand further on: it is known by its name.
        @Override
        @Nullable
        Value knownInput(String name) {
            Value known = super.knownInput(name);
            Value original = graph.inputs().get(name);
            return known == null && original != null ? takeEarly(original) : known;
        }

        @Override
        @Nullable
        Value knownWeight(String name) {
            Value known = super.knownWeight(name);
            Value original = graph.weights().get(name);
            if (known != null || original == null) {
                return known;
            }
            HostTensor numbers = graph.constants().get(name);
            return numbers == null ? takeEarly(original) : builder.constant(name, numbers);
        }

        @Override
        public Expr hook(HookPoint point, Expr value) {
            return new Expr(builder, changed(point, value.value()));
        }
    }

    @Override
    public String toString() {
        return changes.entrySet().stream()
                .map(entry -> entry.getKey() + ": " + entry.getValue())
                .collect(Collectors.joining(", ", "Splice[", "]"));
    }
}
