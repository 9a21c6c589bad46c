package dev.loupe.graph;

import dev.loupe.array.HostTensor;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * A model's forward pass, described once: values in an order in which they can be computed, some of them
 * named as inputs, weights, hook points or outputs. Immutable; made by {@link GraphBuilder}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Graph {

    private final List<Value> values;
    private final Map<String, Value> inputs;
    private final Map<String, Value> weights;
    private final Map<String, HostTensor> constants;
    private final Map<String, Value> hooks;
    private final Map<String, Value> outputs;
    private final List<Shortcut> shortcuts;
    private final List<String> regions;
    private final Map<String, String> homes;

    Graph(
            List<Value> values,
            Map<String, Value> inputs,
            Map<String, Value> weights,
            Map<String, HostTensor> constants,
            Map<String, Value> hooks,
            Map<String, Value> outputs,
            List<Shortcut> shortcuts,
            List<String> regions,
            Map<String, String> homes) {
        this.values = values;
        this.inputs = inputs;
        this.weights = weights;
        this.constants = constants;
        this.hooks = hooks;
        this.outputs = outputs;
        this.shortcuts = shortcuts;
        this.regions = regions;
        this.homes = homes;
    }

    /** Every value, in an order in which they can be computed; {@code values().get(i).id() == i}. */
    public List<Value> values() {
        return values;
    }

    /** The inputs by name. */
    public Map<String, Value> inputs() {
        return inputs;
    }

    /** The weights by name, constants among them. */
    public Map<String, Value> weights() {
        return weights;
    }

    /** The numbers of those weights that no checkpoint holds, because the config says them: rotary frequencies. */
    public Map<String, HostTensor> constants() {
        return constants;
    }

    /** What leaves each hook point, by the point's name, in the order in which the points fire. */
    public Map<String, Value> hooks() {
        return hooks;
    }

    /** The hook points in the order in which they fire. */
    public Collection<HookPoint> hookPoints() {
        return hooks.values().stream()
                .map(value -> ((Value.Hooked) value.source()).point())
                .toList();
    }

    /** The outputs by name. */
    public Map<String, Value> outputs() {
        return outputs;
    }

    /** The shortcuts, in the order in which they were declared. */
    public List<Shortcut> shortcuts() {
        return shortcuts;
    }

    /** The regions in the order in which they run. */
    public List<String> regions() {
        return regions;
    }

    /** Regions that have no place of their own in {@link #regions}, each with the one at whose place it runs. */
    public Map<String, String> homes() {
        return homes;
    }

    /** The region at whose place, and so on whose device, a region runs: itself, unless it is another's guest. */
    public String homeOf(String region) {
        return homes.getOrDefault(region, region);
    }

    /** One line for each value, grouped by region, then the outputs and the shortcuts. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        String region = null;
        for (Value value : values) {
            if (!value.region().equals(region)) {
                region = value.region();
                text.append(region).append(":\n");
            }
            text.append("  ").append(value).append('\n');
        }
        text.append("outputs:\n");
        outputs.forEach((name, value) ->
                text.append("  ").append(name).append(" = %").append(value.id()).append('\n'));
        if (!shortcuts.isEmpty()) {
            text.append("shortcuts:\n");
            for (Shortcut shortcut : shortcuts) {
                text.append("  %")
                        .append(shortcut.target().id())
                        .append(" = %")
                        .append(shortcut.replacement().id())
                        .append(" (")
                        .append(shortcut.kind())
                        .append(") past ")
                        .append(shortcut.bypassed())
                        .append('\n');
            }
        }
        return text.toString();
    }
}
