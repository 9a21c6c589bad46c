package dev.loupe.analysis.support;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.model.HookedTransformer;

/** Bundled models on the reference backend. */
public final class Models {

    private Models() {}

    /** A bundled model. */
    public static HookedTransformer load(String name) {
        return HookedTransformer.fromPretrained(name, LoadOptions.defaults().withBackend("reference"));
    }
}
