package dev.loupe.run;

import dev.loupe.graph.HookPoint;
import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/** The Java code at a run's hook points: the executor's view of the hooks. */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface Hooks {

    /**
     * Runs a piece of code: hooks at a point that follow one another.
     *
     * @param number which of the point's pieces, from 0
     * @param activation what reaches the code
     * @return what it makes of it: {@code activation} itself if it changed nothing
     */
    Tensor apply(HookPoint point, int number, Tensor activation);
}
