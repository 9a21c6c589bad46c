package dev.loupe.hook;

import dev.loupe.graph.HookPoint;
import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What a hook does with an activation. */
@FunctionalInterface
@API(status = API.Status.STABLE, since = "0.1")
public interface HookFunction {

    /**
     * Looks at an activation and may replace it.
     *
     * @param activation what flows through the point; stays valid after the call for as long as it is referred to
     * @param point where
     * @return a tensor of the same shape and data type to go on with, or null to keep the activation
     */
    @Nullable
    Tensor apply(Tensor activation, HookPoint point);

    /**
     * What runs call: the same, for hooks that want to know of the run. {@link ContextHookFunction} are such hooks.
     *
     * @param context of this run
     */
    default @Nullable Tensor apply(Tensor activation, HookPoint point, HookContext context) {
        return apply(activation, point);
    }
}
