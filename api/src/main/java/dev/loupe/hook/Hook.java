package dev.loupe.hook;

import dev.loupe.graph.HookNames;
import org.apiguardian.api.API;

/**
 * A function and the points where it runs.
 *
 * @param points where
 * @param function what it does there
 * @param isBackward whether it gets derivatives instead of activations
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Hook(HookFilter points, HookFunction function, boolean isBackward) implements Edit {

    /** A hook that gets activations. */
    public Hook(HookFilter points, HookFunction function) {
        this(points, function, false);
    }

    /** A hook at one point, by full or short name. */
    public static Hook at(String name, HookFunction function) {
        return new Hook(HookFilter.names(name), function);
    }

    /** A hook at one point of one layer: {@code at("resid_post", 5, …)}; a negative layer counts from the end. */
    public static Hook at(String shortName, int layer, HookFunction function) {
        return new Hook(HookFilter.names(HookNames.join(shortName, layer)), function);
    }

    /** A hook that is told of its run, at one point, by full or short name. */
    public static Hook withContext(String name, ContextHookFunction function) {
        return withContext(HookFilter.names(name), function);
    }

    /** A hook that is told of its run, at one point of one layer; a negative layer counts from the end. */
    public static Hook withContext(String shortName, int layer, ContextHookFunction function) {
        return withContext(HookNames.join(shortName, layer), function);
    }

    /** A hook that is told of its run, at many points. */
    public static Hook withContext(HookFilter points, ContextHookFunction function) {
        return new Hook(points, function);
    }

    /** A hook at many points. */
    public static Hook at(HookFilter points, HookFunction function) {
        return new Hook(points, function);
    }

    /**
     * A hook that gets the derivative with respect to what leaves a point, summed over everything that reads it, and may
     * return another, which flows on upstream. It runs where a run is asked for derivatives: points in the opposite of
     * their order going forward, hooks at one point in the same order as going forward.
     */
    public static Hook backward(String name, HookFunction function) {
        return backward(HookFilter.names(name), function);
    }

    /** A backward hook at one point of one layer; a negative layer counts from the end. */
    public static Hook backward(String shortName, int layer, HookFunction function) {
        return backward(HookNames.join(shortName, layer), function);
    }

    /** A backward hook at many points. */
    public static Hook backward(HookFilter points, HookFunction function) {
        return new Hook(points, function, true);
    }
}
