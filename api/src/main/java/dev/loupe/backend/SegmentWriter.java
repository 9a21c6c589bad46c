package dev.loupe.backend;

import dev.loupe.graph.Graph;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.apiguardian.api.API;

/**
 * Writes values of a graph as a segment: numbers them and lists the steps that make them; what doesn't belong to the
 * segment becomes an input. Hook points are looked through: they are names, no operations.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class SegmentWriter {

    private final Graph graph;
    private final Predicate<Value> inside;
    private final Map<Integer, Integer> slots = new HashMap<>();
    private final Set<Integer> written = new HashSet<>();
    private final List<TensorType> types = new ArrayList<>();
    private final List<Value> inputs = new ArrayList<>();
    private final List<Segment.WeightSlot> weights = new ArrayList<>();
    private final List<Segment.Step> steps = new ArrayList<>();

    /**
     * A writer of a segment of a graph.
     *
     * @param inside which results of operations are made in the segment; weights always are
     */
    public SegmentWriter(Graph graph, Predicate<Value> inside) {
        this.graph = graph;
        this.inside = inside;
    }

    /** Writes what makes a value, and before it what it is made from. */
    public void write(Value wanted) {
        Value value = wanted.behindHooks();
        if (!written.add(value.id())) {
            return;
        }
        if (value.source() instanceof Value.Weight weight) {
            weights.add(new Segment.WeightSlot(slot(value), weight.name()));
        } else if (value.source() instanceof Value.Result result && inside.test(value)) {
            result.inputs().forEach(this::write);
            List<Integer> to = new ArrayList<>();
            for (Value sibling : value.siblings(graph.values())) {
                written.add(sibling.id());
                to.add(slot(sibling));
            }
            steps.add(new Segment.Step(
                    result.op(), result.inputs().stream().map(this::slot).toList(), to));
        } else {
            inputs.add(value);
            slot(value);
        }
    }

    /** The slot of a value. */
    public int slot(Value wanted) {
        Value value = wanted.behindHooks();
        Integer known = slots.get(value.id());
        if (known != null) {
            return known;
        }
        types.add(value.type());
        slots.put(value.id(), types.size() - 1);
        return types.size() - 1;
    }

    /** The values that are read from outside, in the order of the segment's inputs. */
    public List<Value> inputs() {
        return inputs;
    }

    /** How many steps there are so far. */
    public int steps() {
        return steps.size();
    }

    /** The segment, with these values as outputs. */
    public Segment segment(String region, Placement placement, boolean whole, List<Value> outputs) {
        return new Segment(
                region,
                placement,
                whole,
                types,
                inputs.stream().map(this::slot).toList(),
                weights,
                steps,
                outputs.stream().map(this::slot).toList());
    }
}
