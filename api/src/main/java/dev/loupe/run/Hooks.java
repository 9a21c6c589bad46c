package dev.loupe.run;

import dev.loupe.graph.HookPoint;
import dev.loupe.tensor.Tensor;

/** What a run does at the points that are edited: the executor's view of the hooks. */
public interface Hooks {

    /**
     * Runs all hooks at a point, in order.
     *
     * @param activation what enters the point
     * @return what leaves it: {@code activation} itself if no hook changed it
     */
    Tensor apply(HookPoint point, Tensor activation);
}
