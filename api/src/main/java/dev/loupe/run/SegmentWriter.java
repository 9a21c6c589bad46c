package dev.loupe.run;

import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;

/** Numbers the values of a segment and lists its steps; what doesn't belong to it becomes an input. */
final class SegmentWriter {

    private final Cut cut;
    private final IntPredicate inside;
    private final Map<Integer, Integer> slots = new HashMap<>();
    private final Set<Integer> written = new HashSet<>();
    private final List<TensorType> types = new ArrayList<>();
    private final List<Integer> inputs = new ArrayList<>();
    private final List<Segment.WeightSlot> weights = new ArrayList<>();
    private final List<Segment.Step> steps = new ArrayList<>();

    SegmentWriter(Cut cut, IntPredicate inside) {
        this.cut = cut;
        this.inside = inside;
    }

    /** Writes what makes a value, and before it what it is made from. */
    void write(int root) {
        if (!written.add(root)) {
            return;
        }
        if (cut.isWeight(root)) {
            String name = ((Value.Weight) cut.value(root).source()).name();
            weights.add(new Segment.WeightSlot(slot(root), name));
        } else if (inside.test(root)) {
            Value.Result result = (Value.Result) cut.value(root).source();
            List<Integer> reads = cut.reads(root);
            reads.forEach(this::write);
            List<Integer> to = new ArrayList<>();
            int outputs = result.op()
                    .infer(result.inputs().stream().map(Value::type).toList())
                    .size();
            for (int i = 0; i < outputs; i++) {
                int sibling = root - result.output() + i;
                written.add(sibling);
                to.add(slot(sibling));
            }
            steps.add(
                    new Segment.Step(result.op(), reads.stream().map(this::slot).toList(), to));
        } else {
            inputs.add(root);
            slot(root);
        }
    }

    /** The slot of a root. */
    int slot(int root) {
        Integer known = slots.get(root);
        if (known != null) {
            return known;
        }
        types.add(cut.value(root).type());
        slots.put(root, types.size() - 1);
        return types.size() - 1;
    }

    /** The roots that are read from outside, in the order of the segment's inputs. */
    int[] inputs() {
        return inputs.stream().mapToInt(Integer::intValue).toArray();
    }

    /** How many steps there are so far. */
    int steps() {
        return steps.size();
    }

    Segment segment(String region, Placement placement, boolean whole, List<Integer> outputs) {
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
