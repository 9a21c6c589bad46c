package dev.loupe.hook;

import dev.loupe.graph.HookNames;

/**
 * A function and the points where it runs.
 *
 * @param points where
 * @param function what it does there
 */
public record Hook(HookFilter points, HookFunction function) implements Edit {

    /** A hook at one point, by full or short name. */
    public static Hook at(String name, HookFunction function) {
        return new Hook(HookFilter.names(name), function);
    }

    /** A hook at one point of one layer: {@code at("resid_post", 5, …)}; a negative layer counts from the end. */
    public static Hook at(String shortName, int layer, HookFunction function) {
        return new Hook(HookFilter.names(HookNames.join(shortName, layer)), function);
    }

    /** A hook at many points. */
    public static Hook at(HookFilter points, HookFunction function) {
        return new Hook(points, function);
    }
}
