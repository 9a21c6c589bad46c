package dev.loupe.graph.pass;

import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * Drops everything that isn't needed for the wanted points, the wanted outputs and the Java code in the graph. Hook
 * points that nobody wants are gone afterwards: what read them reads what entered them.
 *
 * @param observed full names of the points whose values are wanted
 * @param outputs names of the wanted outputs
 * @param given names of the inputs that the run has
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Keep(Set<String> observed, Set<String> outputs, Set<String> given) implements Pass {

    /** Copies the sets. */
    public Keep {
        observed = Set.copyOf(observed);
        outputs = Set.copyOf(outputs);
        given = Set.copyOf(given);
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the graph lacks a wanted point or output, or an input that is needed isn't
     *     given
     */
    @Override
    public Graph apply(Graph graph) {
        BitSet needed = needed(graph);
        Rewriter rewriter = Rewriter.copy(graph, (old, to) -> {
            // All outputs of one operation stay together.
            boolean kept =
                    !isName(old) && old.siblings(graph.values()).stream().anyMatch(output -> needed.get(output.id()));
            return kept ? to.copy(old, operand -> to.get(behind(operand))) : null;
        });
        for (String name : new TreeSet<>(outputs)) {
            rewriter.builder().output(name, rewriter.get(behind(output(graph, name))));
        }
        return rewriter.builder().build();
    }

    // The nearest value that is kept: a wanted hook point stays on the way.
    private Value behind(Value value) {
        Value kept = value;
        while (isName(kept)) {
            kept = kept.operands().get(0);
        }
        return kept;
    }

    // Whether a value is but another name, which nobody wants, for what was computed.
    private boolean isName(Value value) {
        return value.source() instanceof Value.Stop
                || (value.source() instanceof Value.Hooked hooked
                        && !observed.contains(hooked.point().name()));
    }

    /**
     * The ids of the values that are needed.
     *
     * @throws IllegalArgumentException as {@link #apply} does
     */
    public BitSet needed(Graph graph) {
        List<Value> roots = new ArrayList<>();
        outputs.forEach(name -> roots.add(output(graph, name)));
        observed.forEach(name -> roots.add(hook(graph, name)));
        for (Value value : graph.values()) {
            if (value.source() instanceof Value.Callback) {
                roots.add(value);
            }
        }
        BitSet needed = Uses.above(roots);
        graph.inputs().forEach((name, input) -> {
            if (needed.get(input.id()) && !given.contains(name)) {
                throw missing(graph, roots, input, name);
            }
        });
        return needed;
    }

    private static Value hook(Graph graph, String name) {
        Value value = graph.hooks().get(name);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no hook point '" + name + "'");
        }
        return value;
    }

    private static Value output(Graph graph, String name) {
        Value value = graph.outputs().get(name);
        if (value == null) {
            throw new IllegalArgumentException("The graph has no output '" + name + "'; it has "
                    + graph.outputs().keySet());
        }
        return value;
    }

    private IllegalArgumentException missing(Graph graph, List<Value> roots, Value input, String name) {
        Set<Integer> unreachable = new HashSet<>();
        roots.stream()
                .filter(root -> Uses.above(List.of(root)).get(input.id()))
                .forEach(root -> unreachable.add(root.behindHooks().id()));
        Set<String> asked = new LinkedHashSet<>();
        graph.hooks().forEach((point, value) -> {
            if (unreachable.contains(value.behindHooks().id())) {
                asked.add(point);
            }
        });
        graph.outputs().forEach((output, value) -> {
            if (unreachable.contains(value.behindHooks().id())) {
                asked.add(output);
            }
        });
        Set<String> inputs = new TreeSet<>(given);
        Set<String> fed = new TreeSet<>(given);
        inputs.removeIf(graph.hooks()::containsKey);
        fed.retainAll(graph.hooks().keySet());
        return new IllegalArgumentException("To compute " + asked + " the run needs '" + name
                + "', which was not given; given are " + inputs + (fed.isEmpty() ? "" : " and the values at " + fed)
                + ". Start the run further up, or ask for something further down.");
    }
}
