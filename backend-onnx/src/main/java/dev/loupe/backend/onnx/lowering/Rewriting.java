package dev.loupe.backend.onnx.lowering;

import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.model.ModelBuilder;
import java.util.function.IntFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Another way to compute some steps of a group, together. */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface Rewriting {

    /** Whether a step need not be written down, because what it gives is made within what takes its place. */
    boolean absorbs(Segment.Step step);

    /**
     * Writes down what gives a step's output.
     *
     * @param names of the slots that are there
     * @return the output's name; null if the step stays as it is
     */
    @Nullable
    String write(Segment.Step step, ModelBuilder model, IntFunction<String> names);
}
