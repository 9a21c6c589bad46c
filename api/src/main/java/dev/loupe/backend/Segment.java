package dev.loupe.backend;

import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * A piece of a model's graph that runs as one: what a backend prepares. Values are numbered slots. Segments
 * are equal if they compute the same from the same weights, whatever the run they come from.
 *
 * @param region the region of the graph it lies in: {@code blocks.3}; the empty string if in none
 * @param placement where the region lies in the model
 * @param whole whether this is the region's standard form, which most runs use; other segments serve single
 *     combinations of hooks
 * @param types type of each slot; sizes may be symbolic
 * @param inputs slots that are given at each run
 * @param weights slots that hold weights
 * @param steps the operations, in an order in which they can run; each slot is written once
 * @param outputs slots that a run may ask for
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Segment(
        String region,
        Placement placement,
        boolean whole,
        List<TensorType> types,
        List<Integer> inputs,
        List<WeightSlot> weights,
        List<Step> steps,
        List<Integer> outputs) {

    /** Copies the lists. */
    public Segment {
        types = List.copyOf(types);
        inputs = List.copyOf(inputs);
        weights = List.copyOf(weights);
        steps = List.copyOf(steps);
        outputs = List.copyOf(outputs);
    }

    /** A weight's slot and name. */
    public record WeightSlot(int slot, String name) {}

    /** One operation: reads slots, writes slots. */
    public record Step(Op op, List<Integer> inputs, List<Integer> outputs) {

        /** Copies the lists. */
        public Step {
            inputs = List.copyOf(inputs);
            outputs = List.copyOf(outputs);
        }
    }

    /** The symbols in the types of the inputs. */
    public Set<String> symbols() {
        Set<String> symbols = new TreeSet<>();
        for (int slot : inputs) {
            for (var dim : types.get(slot).dims()) {
                symbols.addAll(dim.symbols());
            }
        }
        return symbols;
    }
}
