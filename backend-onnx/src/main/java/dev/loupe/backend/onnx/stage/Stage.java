package dev.loupe.backend.onnx.stage;

import dev.loupe.backend.Segment;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** A part of a segment that is carried out in one go. */
@API(status = API.Status.INTERNAL, since = "0.1")
public sealed interface Stage {

    /** Slots that it reads. */
    List<Integer> inputs();

    /** Slots that other stages, or whoever asked for the run, may read. */
    List<Integer> outputs();

    /** One step by itself. */
    sealed interface OfOneStep extends Stage {

        /** The step. */
        Segment.Step step();

        @Override
        default List<Integer> inputs() {
            return step().inputs();
        }

        @Override
        default List<Integer> outputs() {
            return step().outputs();
        }
    }

    /** A change of sizes, made without touching the numbers. */
    record View(Segment.Step step) implements OfOneStep {}

    /** An operation that is computed in Java, because the runtime computes something else. */
    record Host(Segment.Step step) implements OfOneStep {}

    /** More is put after something that is given to the segment, such as the keys of earlier positions. */
    record Append(Segment.Step step) implements OfOneStep {}

    /**
     * A product with a weight, {@code x·W} or {@code x·W + b}, as a session of its own: it holds the one copy of
     * the weight that is rearranged for speed, whatever it is combined with.
     *
     * @param weight the slot of W as it is stored: what the step reads, or what is widened for it
     */
    record Product(Segment.Step step, int weight) implements OfOneStep {
        @Override
        public List<Integer> inputs() {
            List<Integer> inputs = new ArrayList<>(step.inputs());
            inputs.set(1, weight);
            return inputs;
        }

        /** The slot of x. */
        public int operand() {
            return step.inputs().get(0);
        }
    }

    /** Operations that run as one session. */
    record Group(List<Integer> inputs, List<Integer> outputs, List<Segment.Step> steps) implements Stage {}
}
