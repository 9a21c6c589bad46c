package dev.loupe.backend;

import dev.loupe.graph.pass.Uses;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Runs a segment op by op: only the steps that the wanted slots need, each intermediate freed as soon as its
 * last reader is done.
 */
final class InterpretedGraph implements PreparedGraph {

    // A sweep that watches the points of a layer one at a time finds all of them again.
    private static final int SCHEDULES_KEPT = 64;

    private final InterpretingBackend backend;
    private final Segment segment;
    private final @Nullable TensorHandle[] weights;
    private final ReferenceCountedCache<List<Integer>, Schedule> schedules =
            new ReferenceCountedCache<>(SCHEDULES_KEPT, schedule -> {});

    /** What is done in order, and after each the slots that nobody reads any more. */
    private record Schedule(List<InterpretingBackend.Work> works, List<int[]> freedAfter) {}

    InterpretedGraph(InterpretingBackend backend, Segment segment, WeightSource source) {
        this.backend = backend;
        this.segment = segment;
        this.weights = new TensorHandle[segment.types().size()];
        for (Segment.WeightSlot weight : segment.weights()) {
            weights[weight.slot()] = source.weight(weight.name());
        }
    }

    @Override
    public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
        try (ReferenceCountedCache.Lease<Schedule> schedule = schedules.acquire(List.copyOf(wanted), this::schedule)) {
            return run(schedule.value(), inputs, wanted);
        }
    }

    private List<TensorHandle> run(Schedule schedule, List<TensorHandle> inputs, List<Integer> wanted) {
        @Nullable TensorHandle[] slots = weights.clone();
        for (int i = 0; i < inputs.size(); i++) {
            slots[segment.inputs().get(i)] = inputs.get(i);
        }
        BitSet owned = new BitSet(slots.length);
        try {
            for (int i = 0; i < schedule.works.size(); i++) {
                InterpretingBackend.Work work = schedule.works.get(i);
                List<TensorHandle> results = work.compute().apply(operands(work, slots));
                for (int j = 0; j < results.size(); j++) {
                    slots[work.outputs().get(j)] = results.get(j);
                    owned.set(work.outputs().get(j));
                }
                for (int slot : schedule.freedAfter.get(i)) {
                    release(slots, owned, slot);
                }
            }
            List<TensorHandle> results = new ArrayList<>(wanted.size());
            for (int slot : wanted) {
                results.add(read(slots, slot));
            }
            wanted.forEach(owned::clear);
            return results;
        } finally {
            // Normally empty; after a failure, whatever had been computed.
            for (int slot = owned.nextSetBit(0); slot >= 0; slot = owned.nextSetBit(slot + 1)) {
                release(slots, owned, slot);
            }
        }
    }

    private static List<TensorHandle> operands(InterpretingBackend.Work work, @Nullable TensorHandle[] slots) {
        TensorHandle[] operands = new TensorHandle[work.inputs().size()];
        for (int i = 0; i < operands.length; i++) {
            operands[i] = read(slots, work.inputs().get(i));
        }
        return Arrays.asList(operands);
    }

    private static TensorHandle read(@Nullable TensorHandle[] slots, int slot) {
        TensorHandle handle = slots[slot];
        if (handle == null) {
            throw new IllegalStateException("Slot " + slot + " is read before it is written");
        }
        return handle;
    }

    private static void release(@Nullable TensorHandle[] slots, BitSet owned, int slot) {
        TensorHandle handle = slots[slot];
        slots[slot] = null;
        owned.clear(slot);
        if (handle != null) {
            handle.close();
        }
    }

    private Schedule schedule(List<Integer> wanted) {
        List<InterpretingBackend.Work> works =
                backend.works(segment, Segments.needed(segment, wanted), Set.copyOf(wanted));
        BitSet kept = new BitSet();
        wanted.forEach(kept::set);
        segment.inputs().forEach(kept::set);
        segment.weights().forEach(weight -> kept.set(weight.slot()));
        List<BitSet> touched = new ArrayList<>();
        for (InterpretingBackend.Work work : works) {
            BitSet slots = new BitSet();
            work.inputs().forEach(slots::set);
            work.outputs().forEach(slots::set);
            touched.add(slots);
        }
        return new Schedule(works, Uses.freedAfter(touched, kept));
    }

    /** Nothing was prepared that needs freeing: the weights belong to the model. */
    @Override
    public void close() {}
}
