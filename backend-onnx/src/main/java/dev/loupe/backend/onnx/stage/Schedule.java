package dev.loupe.backend.onnx.stage;

import dev.loupe.backend.Segment;
import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.pass.Uses;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * The stages that one choice of outputs needs, and for each what it is asked for and what nobody reads after it.
 *
 * @param calls in the order in which they run
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Schedule(List<Call> calls) {

    // What a group computes for nothing is left alone unless it is a good part of the work: one session then
    // serves many choices of outputs.
    private static final double WORTH_LEAVING_OUT = 0.2;
    private static final long TYPICAL_SIZE = 64;

    /**
     * A stage to run.
     *
     * @param outputs slots that are wanted of it
     * @param freed slots that nobody reads afterwards
     */
    public record Call(Stage stage, List<Integer> outputs, List<Integer> freed) {}

    /**
     * What a choice of outputs needs.
     *
     * @param stages of the segment, in an order in which they can run
     * @param wanted slots
     */
    public static Schedule of(Segment segment, List<Stage> stages, List<Integer> wanted) {
        BitSet needed = new BitSet();
        wanted.forEach(needed::set);
        List<Stage> kept = new ArrayList<>();
        for (int i = stages.size() - 1; i >= 0; i--) {
            if (stages.get(i).outputs().stream().anyMatch(needed::get)) {
                Stage stage = stages.get(i) instanceof Stage.Group group ? trim(segment, group, needed) : stages.get(i);
                kept.add(0, stage);
                stage.inputs().forEach(needed::set);
            }
        }
        BitSet alive = new BitSet();
        wanted.forEach(alive::set);
        segment.inputs().forEach(alive::set);
        segment.weights().forEach(weight -> alive.set(weight.slot()));
        List<List<Integer>> outputs = new ArrayList<>();
        List<BitSet> touched = new ArrayList<>();
        for (Stage stage : kept) {
            List<Integer> given = stage.outputs().stream().filter(needed::get).toList();
            BitSet slots = new BitSet();
            stage.inputs().forEach(slots::set);
            given.forEach(slots::set);
            outputs.add(given);
            touched.add(slots);
        }
        List<int[]> freed = Uses.freedAfter(touched, alive);
        List<Call> calls = new ArrayList<>();
        for (int i = 0; i < kept.size(); i++) {
            calls.add(new Call(
                    kept.get(i),
                    outputs.get(i),
                    Arrays.stream(freed.get(i)).boxed().toList()));
        }
        return new Schedule(List.copyOf(calls));
    }

    private static Stage.Group trim(Segment segment, Stage.Group group, BitSet wanted) {
        BitSet needed = new BitSet();
        group.outputs().stream().filter(wanted::get).forEach(needed::set);
        List<Segment.Step> steps = new ArrayList<>();
        double useful = 0;
        double wasted = 0;
        for (int i = group.steps().size() - 1; i >= 0; i--) {
            Segment.Step step = group.steps().get(i);
            if (step.outputs().stream().anyMatch(needed::get)) {
                steps.add(0, step);
                step.inputs().forEach(needed::set);
                useful += work(segment, step);
            } else {
                wasted += work(segment, step);
            }
        }
        if (wasted <= WORTH_LEAVING_OUT * useful) {
            return group;
        }
        Set<Integer> made = new LinkedHashSet<>();
        steps.forEach(step -> made.addAll(step.outputs()));
        return new Stage.Group(
                group.inputs().stream().filter(needed::get).toList(),
                group.outputs().stream().filter(made::contains).toList(),
                steps);
    }

    private static double work(Segment segment, Segment.Step step) {
        double work = 0;
        for (int slot : step.outputs()) {
            work += elements(segment.types().get(slot));
        }
        if (step.op().isProduct()) {
            TensorType left = segment.types().get(step.inputs().get(0));
            work *= size(left.dim(-1));
        }
        return work;
    }

    private static double elements(TensorType type) {
        double product = 1;
        for (Dim dim : type.dims()) {
            product *= size(dim);
        }
        return product;
    }

    private static double size(Dim dim) {
        Map<String, Long> typical = new TreeMap<>();
        dim.symbols().forEach(symbol -> typical.put(symbol, TYPICAL_SIZE));
        return Math.max(0, dim.resolve(typical));
    }
}
