package dev.loupe.analysis.residual;

import dev.loupe.analysis.residual.StackOptions.Option;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is done to a stack where it ends: the norm that reads the residual stream there, and projections. */
final class StackEnd {

    private final ActivationCache cache;
    private final HookedTransformer model;
    private final TransformerConfig config;

    StackEnd(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
        this.config = model.config();
    }

    /** Applies the norm, and projects, where that was asked for. */
    ResidualStack finish(ResidualStack stack, int layer, StackOptions options) {
        ResidualStack finished =
                options.has(Option.APPLY_LN) ? normed(stack, layer, options.has(Option.MLP_INPUT)) : stack;
        return project(finished, options);
    }

    /** As {@link #finish} for what is projected already, onto directions that were centred for the norm. */
    ResidualStack finishProjected(ResidualStack stack, int layer, StackOptions options) {
        ResidualStack finished = options.has(Option.APPLY_LN)
                ? stack.with(stack.values().div(scale(layer, options.has(Option.MLP_INPUT), stack.positions())))
                : stack;
        return withoutSoleDirection(finished, options);
    }

    /** As {@link #finish} for vectors at the end of the model, each normed by its own statistics. */
    ResidualStack finishEach(ResidualStack stack, StackOptions options) {
        return project(stack.with(finalNorm(stack.values())), options);
    }

    /** The directions onto which a stack can be projected before its norm; null for none. */
    @Nullable
    Tensor directionsBeforeNorm(StackOptions options) {
        return options.directions(
                model, options.has(Option.APPLY_LN) && config.normalization().centres());
    }

    private ResidualStack project(ResidualStack stack, StackOptions options) {
        return withoutSoleDirection(projected(stack, options.directions(model, false)), options);
    }

    static ResidualStack projected(ResidualStack stack, @Nullable Tensor onto) {
        return onto == null ? stack : stack.with(stack.values().matmul(onto));
    }

    private static ResidualStack withoutSoleDirection(ResidualStack stack, StackOptions options) {
        return options.projectsOntoOne() ? stack.with(stack.values().squeeze(-1)) : stack;
    }

    /** What reads the residual stream at the end: the final norm with its parameters, by each vector's own statistics. */
    private Tensor finalNorm(Tensor residuals) {
        Tensor rows = residuals.reshape(-1, 1, config.dModel());
        String last = model.hookNames().resolve("resid_post", -1).name();
        RunResult result = model.run(RunRequest.builder()
                .feed(last, rows)
                .observe("unembed.hook_in")
                .returns(RunRequest.Returns.NONE)
                .modelHooks(false)
                .build());
        return result.cache().get("unembed.hook_in").reshape(residuals.shape().toArray());
    }

    /** Components as a norm of the run made them of their sum; see {@link CacheAnalysis#applyLnToStack}. */
    ResidualStack normed(ResidualStack stack, int layer, boolean mlpInput) {
        requireVectors("applyLnToStack", stack);
        Tensor scale = scale(layer, mlpInput, stack.positions());
        Tensor values = stack.values();
        if (config.normalization().centres()) {
            values = values.sub(values.mean(-1).unsqueeze(-1));
        }
        return stack.with(values.div(scale));
    }

    /** The scale [batch, pos, 1] that a norm had in the run. */
    private Tensor scale(int layer, boolean mlpInput, Index positions) {
        int end = StackOptions.upTo(layer).layer(config.nLayers(), mlpInput);
        String name = end == config.nLayers()
                ? "ln_final.hook_scale"
                : model.hookNames()
                        .resolve("scale", end, mlpInput ? "ln2" : "ln1")
                        .name();
        RequiredActivations.check(cache, "applyLnToStack", List.of(name));
        return cache.atPositions(cache.get(name), -2, positions);
    }

    /** Refuses what is projected already. */
    void requireVectors(String what, ResidualStack stack) {
        int rank = 2 + (cache.hasBatchDim() ? 1 : 0) + (stack.positions() instanceof Index.One ? 0 : 1);
        Tensor values = stack.values();
        if (values.rank() != rank || values.size(-1) != config.dModel()) {
            throw new IllegalArgumentException(what + " needs components of the residual stream, of the width d_model "
                    + config.dModel() + "; these are " + values.shape()
                    + ". Apply it before they are projected onto anything (applyLn with projectOutput does).");
        }
    }
}
