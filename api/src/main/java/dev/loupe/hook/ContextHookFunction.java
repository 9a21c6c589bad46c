package dev.loupe.hook;

import dev.loupe.graph.HookPoint;
import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** A hook function that is told of its run, and may keep state for as long as that lasts. */
@FunctionalInterface
// The method of two arguments is refused here, so that the one of three is the one to write.
@SuppressWarnings("FunctionalInterfaceMethodChanged")
@API(status = API.Status.STABLE, since = "0.1")
public interface ContextHookFunction extends HookFunction {

    /**
     * Looks at an activation and may replace it.
     *
     * @param activation what flows through the point; stays valid after the call for as long as it is referred to
     * @param point where
     * @param context of this run
     * @return a tensor of the same shape and data type to go on with, or null to keep the activation
     */
    @Override
    @Nullable
    Tensor apply(Tensor activation, HookPoint point, HookContext context);

    /**
     * Refuses: there is no context.
     *
     * @throws UnsupportedOperationException always
     */
    @Override
    default Tensor apply(Tensor activation, HookPoint point) {
        throw new UnsupportedOperationException(
                "The hook at " + point + " needs a HookContext: call apply(activation, point, context)");
    }
}
