package dev.loupe.backend;

import dev.loupe.graph.Decompositions;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/** Makes segments and rewrites them. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Segments {

    /** For segments without weights. */
    public static final WeightSource NO_WEIGHTS = name -> {
        throw new IllegalArgumentException("This segment has no weights, asked for '" + name + "'");
    };

    private Segments() {}

    /**
     * A segment of a single op, all of whose outputs may be asked for.
     *
     * @throws IllegalArgumentException if the inputs don't fit the op
     */
    public static Segment ofOneOp(Op op, List<TensorType> inputs) {
        List<TensorType> types = new ArrayList<>(inputs);
        types.addAll(op.infer(inputs));
        List<Integer> in = IntStream.range(0, inputs.size()).boxed().toList();
        List<Integer> out = IntStream.range(inputs.size(), types.size()).boxed().toList();
        return new Segment(
                "", Placement.ANYWHERE, false, types, in, List.of(), List.of(new Segment.Step(op, in, out)), out);
    }

    /**
     * The steps of a segment that a choice of slots needs, in their order.
     *
     * @param wanted slots that a run asks for
     */
    public static List<Segment.Step> needed(Segment segment, Collection<Integer> wanted) {
        BitSet needed = new BitSet();
        wanted.forEach(needed::set);
        Deque<Segment.Step> steps = new ArrayDeque<>();
        for (int i = segment.steps().size() - 1; i >= 0; i--) {
            Segment.Step step = segment.steps().get(i);
            if (step.outputs().stream().anyMatch(needed::get)) {
                steps.addFirst(step);
                step.inputs().forEach(needed::set);
            }
        }
        return List.copyOf(steps);
    }

    /** The segment with every composite op that {@code keep} doesn't want replaced by what defines it. */
    public static Segment decompose(Segment segment, Predicate<Op> keep) {
        boolean nothingToDo =
                segment.steps().stream().allMatch(step -> !step.op().isComposite() || keep.test(step.op()));
        if (nothingToDo) {
            return segment;
        }
        List<TensorType> types = new ArrayList<>(segment.types());
        List<Segment.Step> steps = new ArrayList<>();
        for (Segment.Step step : segment.steps()) {
            lower(step, keep, types, steps);
        }
        return new Segment(
                segment.region(),
                segment.placement(),
                segment.whole(),
                types,
                segment.inputs(),
                segment.weights(),
                steps,
                segment.outputs());
    }

    private static void lower(Segment.Step step, Predicate<Op> keep, List<TensorType> types, List<Segment.Step> steps) {
        if (!step.op().isComposite() || keep.test(step.op())) {
            steps.add(step);
            return;
        }
        GraphBuilder builder = new GraphBuilder().region(step.op().name());
        List<Value> inputs = new ArrayList<>();
        Map<Integer, Integer> slots = new HashMap<>();
        for (int slot : step.inputs()) {
            TensorType type = types.get(slot);
            Value input = builder.input("input" + inputs.size(), type.dtype(), type.dims());
            slots.put(input.id(), slot);
            inputs.add(input);
        }
        Value result = Decompositions.decompose(step.op(), builder, inputs);
        Graph graph = builder.build();
        for (Value value : graph.values()) {
            if (value.source() instanceof Value.Result made) {
                int slot = value == result ? step.outputs().get(0) : types.size();
                if (value != result) {
                    types.add(value.type());
                }
                slots.put(value.id(), slot);
                List<Integer> from =
                        made.inputs().stream().map(in -> slots.get(in.id())).toList();
                lower(new Segment.Step(made.op(), from, List.of(slot)), keep, types, steps);
            }
        }
    }
}
