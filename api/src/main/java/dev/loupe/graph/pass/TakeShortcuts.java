package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Takes the short way round hook points that nobody looks at. Points that are changed are none of its business: {@link
 * Feed} and {@link Splice} drop the shortcuts past them. The graph that comes out has no shortcuts left but those past
 * points at which it is to be differentiated: there {@link Gradients} needs to know that the full way gives the same.
 *
 * @param observed full names of the points whose values are wanted
 * @param differentiated full names of the points whose derivatives are wanted
 * @param derivativesChanged full names of the points at which derivatives are changed on their way: there is no way round
 *     them
 * @param fusions whether fused ops are wanted: a compiling backend fuses by itself
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record TakeShortcuts(
        Set<String> observed, Set<String> differentiated, Set<String> derivativesChanged, boolean fusions)
        implements Pass {

    /** Copies the sets. */
    public TakeShortcuts {
        observed = Set.copyOf(observed);
        differentiated = Set.copyOf(differentiated);
        derivativesChanged = Set.copyOf(derivativesChanged);
    }

    /** For a run without derivatives. */
    public TakeShortcuts(Set<String> observed, boolean fusions) {
        this(observed, Set.of(), Set.of(), fusions);
    }

    @Override
    public Graph apply(Graph graph) {
        if (graph.shortcuts().isEmpty()) {
            return graph;
        }
        Map<Value, Value> taken = new HashMap<>();
        for (Shortcut shortcut : graph.shortcuts()) {
            if (isTaken(shortcut)) {
                taken.put(shortcut.target(), shortcut.replacement());
            }
        }
        Rewriter rewriter = Rewriter.copy(graph, (old, to) -> to.copy(old, operand -> to.get(follow(operand, taken))));
        graph.outputs().forEach((name, value) -> rewriter.builder().output(name, rewriter.get(follow(value, taken))));
        for (Shortcut shortcut : graph.shortcuts()) {
            if (taken.containsKey(shortcut.target()) && isDifferentiated(shortcut)) {
                rewriter.builder()
                        .shortcut(new Shortcut(
                                rewriter.get(shortcut.target()),
                                rewriter.get(follow(shortcut.target(), taken)),
                                shortcut.bypassed(),
                                shortcut.exclusive(),
                                shortcut.kind()));
            }
        }
        return rewriter.builder().build();
    }

    private boolean isDifferentiated(Shortcut shortcut) {
        return !Collections.disjoint(shortcut.bypassed(), differentiated);
    }

    private boolean isTaken(Shortcut shortcut) {
        boolean looked = !Collections.disjoint(shortcut.bypassed(), observed);
        if (!Collections.disjoint(shortcut.bypassed(), derivativesChanged)) {
            return false;
        }
        return switch (shortcut.kind()) {
            case FUSION -> fusions && !looked && !isDifferentiated(shortcut);
            case DETOUR_UNLESS_TOUCHED -> !looked;
            case DETOUR_UNLESS_EDITED -> true;
        };
    }

    private static Value follow(Value value, Map<Value, Value> taken) {
        Value last = value;
        for (Value next = taken.get(value); next != null; next = taken.get(next)) {
            last = next;
        }
        return last;
    }
}
