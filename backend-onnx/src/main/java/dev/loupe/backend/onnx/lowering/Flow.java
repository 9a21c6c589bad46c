package dev.loupe.backend.onnx.lowering;

import dev.loupe.backend.Segment;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Who makes and who reads what in a group of operations. */
final class Flow {

    private final Map<Integer, Segment.Step> makers = new HashMap<>();
    private final Map<Integer, List<Segment.Step>> readers = new HashMap<>();
    private final Set<Integer> outputs;

    /**
     * Looks at a group.
     *
     * @param outputs slots that are read outside it too
     */
    Flow(List<Segment.Step> steps, List<Integer> outputs) {
        this.outputs = Set.copyOf(outputs);
        for (Segment.Step step : steps) {
            step.outputs().forEach(slot -> makers.put(slot, step));
            step.inputs()
                    .forEach(slot -> readers.computeIfAbsent(slot, key -> new ArrayList<>())
                            .add(step));
        }
    }

    /** The step of the group that makes a slot; null if it comes from outside. */
    Segment.@Nullable Step maker(int slot) {
        return makers.get(slot);
    }

    /** The only step that reads a slot; null if there are several, or somebody outside reads it. */
    Segment.@Nullable Step soleReader(int slot) {
        List<Segment.Step> all = readers.getOrDefault(slot, List.of());
        return outputs.contains(slot) || all.size() != 1 ? null : all.get(0);
    }

    /** The step of a kind that makes a slot for one reader alone; null if there is no such step. */
    Segment.@Nullable Step soleMaker(int slot, Class<? extends Op> kind) {
        Segment.Step maker = makers.get(slot);
        return maker != null && soleReader(slot) != null && kind.isInstance(maker.op()) ? maker : null;
    }

    /** The number that a slot holds; null if it is no constant of rank 0. */
    @Nullable
    Double scalar(int slot) {
        Segment.Step maker = makers.get(slot);
        return maker != null
                        && maker.op() instanceof Op.Full full
                        && full.shape().rank() == 0
                ? full.value()
                : null;
    }
}
