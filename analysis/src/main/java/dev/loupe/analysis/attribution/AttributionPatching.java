package dev.loupe.analysis.attribution;

import dev.loupe.graph.HookPoint;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Attribution patching (Nanda 2023): the effect that patching each activation from a clean into a corrupted run would have
 * on a metric, to first order: (clean − corrupted) · derivative in the corrupted run. Two forward runs and one backward
 * serve every activation at once.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class AttributionPatching {

    private final HookedTransformer model;
    private final Map<String, Tensor> effects;
    private final double clean;
    private final double corrupted;

    private AttributionPatching(HookedTransformer model, Map<String, Tensor> effects, double clean, double corrupted) {
        this.model = model;
        this.effects = effects;
        this.clean = clean;
        this.corrupted = corrupted;
    }

    /**
     * Attributes a metric to every standard activation.
     *
     * @param clean tokens of the clean run
     * @param corrupted as many tokens, in as many rows
     * @param metric one number: a metric for each row is summed up
     * @throws IllegalArgumentException if the two differ in shape
     */
    public static AttributionPatching of(HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric) {
        return of(model, clean, corrupted, metric, HookFilter.standard());
    }

    /** Attributes a metric to chosen activations. */
    public static AttributionPatching of(
            HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric, HookFilter points) {
        requireSameShape(clean, corrupted);
        try (RunResult right = run(model, clean, metric, points);
                RunResult wrong = model.run(RunRequest.of(corrupted)
                        .observe(points)
                        .gradients(metric, points)
                        .returns(RunRequest.Returns.NONE)
                        .build())) {
            Map<String, Tensor> effects = new LinkedHashMap<>();
            wrong.gradients().items().forEach((name, gradient) -> {
                Tensor difference = right.cache().get(name).sub(wrong.cache().get(name));
                HookPoint point = model.hookNames().resolve(name);
                // −∞ against −∞ is no difference: both runs mask the same.
                Tensor finite = point.isAttention() ? difference.maskedFill(difference.isNaN(), 0) : difference;
                effects.put(name, finite.mul(gradient));
            });
            return new AttributionPatching(
                    model,
                    effects,
                    right.metric().sum().item(),
                    wrong.metric().sum().item());
        }
    }

    /** A run that is asked for its metric too; the derivative is taken where it costs least. */
    static RunResult run(HookedTransformer model, Tokens tokens, Metric metric, HookFilter points) {
        return model.run(RunRequest.of(tokens)
                .observe(points)
                .gradients(metric, cheapest(model))
                .returns(RunRequest.Returns.NONE)
                .build());
    }

    /** The point with the shortest way back from the end. */
    static HookFilter cheapest(HookedTransformer model) {
        return HookFilter.names(model.hookNames().has("unembed.hook_in") ? "unembed.hook_in" : "hook_embed");
    }

    static void requireSameShape(Tokens clean, Tokens corrupted) {
        if (clean.batch() != corrupted.batch() || clean.positions() != corrupted.positions()) {
            throw new IllegalArgumentException("Clean and corrupted prompts must be as many and have the same number of"
                    + " tokens; found [" + clean.batch() + ", " + clean.positions() + "] and [" + corrupted.batch()
                    + ", "
                    + corrupted.positions() + "]");
        }
    }

    /** The metric of the clean run. */
    public double clean() {
        return clean;
    }

    /** The metric of the corrupted run. */
    public double corrupted() {
        return corrupted;
    }

    /** Full names of the points, in the order in which they fire. */
    public List<String> points() {
        return List.copyOf(effects.keySet());
    }

    /**
     * The effect of patching each element of an activation, of the activation's shape.
     *
     * @param point full or short name
     */
    public Tensor effects(String point) {
        String name = model.hookNames().resolve(point).name();
        Tensor effect = effects.get(name);
        if (effect == null) {
            throw new IllegalArgumentException(
                    "Nothing was attributed to '" + name + "'; there are " + effects.keySet());
        }
        return effect;
    }

    /** The effects summed over the last axis: [batch, pos], for heads [batch, pos, head]. */
    public Tensor scores(String point) {
        return effects(point).sum(-1);
    }

    /**
     * What a sweep of patching over layers and positions would measure, as differences from the corrupted run: [layer, pos],
     * summed over the batch and whatever else the activation has.
     *
     * @param shortName {@code resid_pre}, {@code attn_out}, {@code mlp_out}, {@code z}, …
     */
    public Tensor byLayerAndPosition(String shortName) {
        return byLayer(shortName, point -> point.positionAxis());
    }

    /** Likewise [layer, head], of an activation with heads. */
    public Tensor byLayerAndHead(String shortName) {
        return byLayer(shortName, point -> {
            if (point.headAxis() < 0) {
                throw new IllegalArgumentException("There are no heads in " + point + " " + point.axes());
            }
            return point.headAxis();
        });
    }

    private Tensor byLayer(String shortName, java.util.function.ToIntFunction<HookPoint> kept) {
        List<Tensor> layers = new java.util.ArrayList<>();
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            HookPoint point = model.hookNames().resolve(shortName, layer);
            Tensor effect = effects(point.name());
            int axis = kept.applyAsInt(point);
            int[] others = java.util.stream.IntStream.range(0, effect.rank())
                    .filter(other -> other != axis)
                    .toArray();
            layers.add(effect.sum(others));
        }
        return Tensor.stack(0, layers);
    }
}
