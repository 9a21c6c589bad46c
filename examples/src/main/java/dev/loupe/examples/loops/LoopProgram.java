package dev.loupe.examples.loops;

import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.ReferenceCountedCache;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A segment made ready. What doesn't depend on the inputs is done once, here: the weights are looked up, the steps
 * that a set of outputs needs are found. Sizes may be symbols, so nothing here may rely on them.
 */
final class LoopProgram implements PreparedGraph {

    private static final int SCHEDULES_KEPT = 64;

    private final Segment segment;
    private final Map<Integer, LoopTensor> weights = new HashMap<>();
    private final ReferenceCountedCache<List<Integer>, List<Segment.Step>> schedules =
            new ReferenceCountedCache<>(SCHEDULES_KEPT, steps -> {});

    LoopProgram(Segment segment, WeightSource source) {
        this.segment = segment;
        for (Segment.WeightSlot weight : segment.weights()) {
            weights.put(weight.slot(), (LoopTensor) source.weight(weight.name()));
        }
    }

    @Override
    public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
        try (ReferenceCountedCache.Lease<List<Segment.Step>> steps =
                schedules.acquire(List.copyOf(wanted), slots -> Segments.needed(segment, slots))) {
            return run(steps.value(), inputs, wanted);
        }
    }

    private List<TensorHandle> run(List<Segment.Step> steps, List<TensorHandle> inputs, List<Integer> wanted) {
        // All that a run writes to is its own: runs may go on in many threads.
        Map<Integer, LoopTensor> slots = new HashMap<>(weights);
        for (int i = 0; i < inputs.size(); i++) {
            slots.put(segment.inputs().get(i), (LoopTensor) inputs.get(i));
        }
        for (Segment.Step step : steps) {
            List<LoopTensor> operands = new ArrayList<>();
            step.inputs().forEach(slot -> operands.add(written(slots, slot)));
            List<LoopTensor> results = Loops.compute(step.op(), operands);
            for (int i = 0; i < results.size(); i++) {
                slots.put(step.outputs().get(i), results.get(i));
            }
        }
        List<TensorHandle> outputs = new ArrayList<>();
        for (int slot : wanted) {
            LoopTensor value = written(slots, slot);
            // A handle of its own, even if the same slot is wanted twice or is an input.
            outputs.add(value.withShape(value.shape()));
        }
        return outputs;
    }

    private static LoopTensor written(Map<Integer, LoopTensor> slots, int slot) {
        LoopTensor value = slots.get(slot);
        if (value == null) {
            throw new IllegalStateException("Slot " + slot + " is read before it is written");
        }
        return value;
    }

    /** The weights belong to the model; there is nothing else. */
    @Override
    public void close() {}
}
