package dev.loupe.analysis.residual;

import dev.loupe.graph.HookPoint;
import dev.loupe.model.ActivationCache;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/** Checks that a cache has what an analysis reads, before it begins. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class RequiredActivations {

    private static final int LISTED = 8;

    private RequiredActivations() {}

    /**
     * Does nothing if the activations are there.
     *
     * @param what the analysis, for the message
     * @param names full names
     * @throws IllegalStateException if some are missing: names them, and says how to record them
     */
    public static void check(ActivationCache cache, String what, Collection<String> names) {
        List<String> missing = new ArrayList<>();
        for (String name : names) {
            if (!cache.keys().contains(name)) {
                missing.add(name);
            }
        }
        if (missing.isEmpty()) {
            return;
        }
        String listed = missing.stream().limit(LISTED).collect(Collectors.joining(", "));
        int more = missing.size() - LISTED;
        String filters = missing.stream()
                .map(name -> name.replaceFirst("^blocks\\.\\d+\\.", "blocks.*."))
                .distinct()
                .collect(Collectors.joining(","));
        throw new IllegalStateException(what + " needs activations that this cache of " + cache.size()
                + " doesn't have: " + listed + (more > 0 ? " and " + more + " more" : "")
                + ". Record them: model.runWithCache(tokens, HookFilter.glob(\"" + filters
                + "\")), or model.runWithCache(tokens) for every standard point.");
    }

    /** Full names of a point in the layers from 0 up to {@code layers}, exclusive. */
    public static List<String> ofLayers(ActivationCache cache, String shortName, int layers) {
        List<String> names = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            HookPoint point = cache.model().hookNames().resolve(shortName, layer);
            names.add(point.name());
        }
        return names;
    }
}
