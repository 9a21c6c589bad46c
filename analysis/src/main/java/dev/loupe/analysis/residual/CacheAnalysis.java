package dev.loupe.analysis.residual;

import dev.loupe.analysis.residual.StackOptions.Mode;
import dev.loupe.analysis.residual.StackOptions.Option;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Takes the residual stream of a cached run apart: the methods of the original's {@code ActivationCache} that go beyond
 * reading. Shapes are for caches with a batch axis; without one it is missing everywhere.
 *
 * <p>Reads the cache and the weights; runs nothing but, where it is said, the end of the model. A cache that lacks
 * something throws {@link IllegalStateException}, which says what and how to record it.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class CacheAnalysis {

    private final ActivationCache cache;
    private final HookedTransformer model;
    private final TransformerConfig config;
    private final CachedStacks stacks;
    private final HeadStacks heads;
    private final NeuronStacks neurons;
    private final WrittenBiases biases;
    private final StackEnd end;
    private final TokenDirections directions;

    private CacheAnalysis(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
        this.config = model.config();
        NormsBehind norms = new NormsBehind(model, cache);
        this.stacks = new CachedStacks(cache);
        this.heads = new HeadStacks(cache, norms, stacks);
        this.neurons = new NeuronStacks(cache, norms, stacks);
        this.biases = new WrittenBiases(model, norms);
        this.end = new StackEnd(cache);
        this.directions = new TokenDirections(cache);
    }

    /** The analysis of a cache. */
    public static CacheAnalysis of(ActivationCache cache) {
        return new CacheAnalysis(cache);
    }

    @Override
    public String toString() {
        return "CacheAnalysis of " + cache.size() + " activations of '" + config.modelName() + "'";
    }

    /** The cache. */
    public ActivationCache cache() {
        return cache;
    }

    // Stacks of the residual stream.

    /**
     * The embeddings and what each attention and MLP wrote: {@code embed}, {@code pos_embed}, {@code 0_attn_out},
     * {@code 0_mlp_out}, … Their sum is the residual stream where the stack ends.
     *
     * @param options layer, mlpInput, mode, applyLn, positions, withoutEmbeds, projectOutput
     */
    public ResidualStack decomposeResid(StackOptions options) {
        options.requireOnly(
                "decomposeResid",
                Option.LAYER,
                Option.MLP_INPUT,
                Option.MODE,
                Option.APPLY_LN,
                Option.POSITIONS,
                Option.INCL_EMBEDS,
                Option.PROJECT_OUTPUT);
        boolean mlpInput = options.has(Option.MLP_INPUT);
        int layer = options.layer(config.nLayers(), mlpInput);
        CachedStacks.Chosen chosen = stacks.choose();
        if (options.inclEmbeds()) {
            chosen.embeddings();
        }
        boolean attention = options.mode() != Mode.MLP;
        boolean mlps = options.mode() != Mode.ATTN && config.dMlp() > 0;
        for (int l = 0; l < layer; l++) {
            if (attention) {
                chosen.written("attn_out", l);
            }
            if (mlps) {
                chosen.written("mlp_out", l);
            }
        }
        if (mlpInput && attention) {
            chosen.written("attn_out", layer);
        }
        return end.finish(chosen.read("decomposeResid", options.positions()), layer, options);
    }

    /**
     * The residual stream as it grows: {@code 0_pre}, {@code 0_mid}, {@code 1_pre}, … {@code final_post}. With applyLn
     * at the end of the model each slice goes through the final norm by its own statistics, as the logit lens needs
     * it; that runs the end of the model, without hooks.
     *
     * @param options layer, inclMid, mlpInput, applyLn, positions, projectOutput
     */
    public ResidualStack accumulatedResid(StackOptions options) {
        options.requireOnly(
                "accumulatedResid",
                Option.LAYER,
                Option.INCL_MID,
                Option.MLP_INPUT,
                Option.APPLY_LN,
                Option.POSITIONS,
                Option.PROJECT_OUTPUT);
        boolean mlpInput = options.has(Option.MLP_INPUT);
        int layer = options.layer(config.nLayers(), mlpInput);
        CachedStacks.Chosen chosen = stacks.choose();
        for (int l = 0; l <= layer && l < config.nLayers(); l++) {
            chosen.stream("resid_pre", l, l + "_pre");
            boolean between = config.block(l).mlp() != BlockSpec.Mlp.NONE
                    && !config.block(l).parallel();
            if (between && (options.has(Option.INCL_MID) && l < layer || mlpInput && l == layer)) {
                chosen.stream("resid_mid", l, l + "_mid");
            }
        }
        boolean atEnd = layer == config.nLayers();
        if (atEnd) {
            chosen.stream("resid_post", layer - 1, "final_post");
        }
        ResidualStack stack = chosen.read("accumulatedResid", options.positions());
        return options.has(Option.APPLY_LN) && atEnd
                ? end.finishEach(stack, options)
                : end.finish(stack, layer, options);
    }

    /**
     * What each head wrote to the residual stream: {@code L0H0}, {@code L0H1}, … The attention's output bias is not
     * included. Where a norm follows attention (Gemma 2, 3), a head's share is what that norm made of it in this run.
     *
     * @param options layer, inclRemainder, applyLn, positions, projectOutput
     */
    public ResidualStack stackHeadResults(StackOptions options) {
        options.requireOnly(
                "stackHeadResults",
                Option.LAYER,
                Option.INCL_REMAINDER,
                Option.APPLY_LN,
                Option.POSITIONS,
                Option.PROJECT_OUTPUT);
        int layer = options.layer(config.nLayers(), false);
        ResidualStack stack = withRemainder(heads.upTo(layer, options.positions()), layer, options, null);
        return end.finish(stack, layer, options);
    }

    private ResidualStack withRemainder(ResidualStack stack, int layer, StackOptions options, @Nullable Tensor onto) {
        if (!options.has(Option.INCL_REMAINDER)) {
            return stack;
        }
        String name = layer == 0
                ? model.hookNames().resolve("resid_pre", 0).name()
                : model.hookNames().resolve("resid_post", layer - 1).name();
        RequiredActivations.check(cache, "The remainder", List.of(name));
        Tensor wide = cache.atPositions(cache.get(name), -2, options.positions());
        Tensor whole = onto == null ? wide : wide.matmul(onto);
        Tensor rest = (stack.size() == 0 ? whole : whole.sub(stack.sum())).unsqueeze(0);
        List<String> labels = new ArrayList<>(stack.labels());
        labels.add("remainder");
        Tensor values = stack.size() == 0 ? rest : Tensor.concat(0, stack.values(), rest);
        return new ResidualStack(values, labels, options.positions());
    }

    /**
     * What each head of a layer computed [batch, pos, head, d_model], without the output bias and before a norm behind
     * attention: the cached {@code hook_result}, or z · W_O, which needs no second run.
     */
    public Tensor computeHeadResults(int layer) {
        return heads.results(layer);
    }

    /**
     * What each neuron wrote to the residual stream: {@code L0N0}, {@code L0N1}, … The MLP's output bias is not included.
     * Where a norm follows the MLP (Gemma 2, 3), a neuron's share is what that norm made of it in this run. Large: as
     * many vectors as there are neurons.
     *
     * @param options layer, neurons, inclRemainder, applyLn, positions, projectOutput
     */
    public ResidualStack stackNeuronResults(StackOptions options) {
        options.requireOnly(
                "stackNeuronResults",
                Option.LAYER,
                Option.NEURONS,
                Option.INCL_REMAINDER,
                Option.APPLY_LN,
                Option.POSITIONS,
                Option.PROJECT_OUTPUT);
        int layer = options.layer(config.nLayers(), false);
        Tensor onto = end.directionsBeforeNorm(options);
        ResidualStack stack = withRemainder(neurons.upTo(layer, options, onto), layer, options, onto);
        return onto == null ? end.finish(stack, layer, options) : end.finishProjected(stack, layer, options);
    }

    /**
     * Everything that makes up the residual stream: heads, neurons (or MLPs), {@code embed}, {@code pos_embed}, and all
     * biases together as {@code bias}. Its sum is the residual stream where the stack ends.
     *
     * @param options layer, mlpInput, expandNeurons, applyLn, positions, projectOutput
     */
    public ResidualStack getFullResidDecomposition(StackOptions options) {
        options.requireOnly(
                "getFullResidDecomposition",
                Option.LAYER,
                Option.MLP_INPUT,
                Option.EXPAND_NEURONS,
                Option.APPLY_LN,
                Option.POSITIONS,
                Option.PROJECT_OUTPUT);
        boolean mlpInput = options.has(Option.MLP_INPUT);
        int layer = options.layer(config.nLayers(), mlpInput);
        Index positions = options.positions();
        Tensor onto = end.directionsBeforeNorm(options);
        List<ResidualStack> parts = new ArrayList<>();
        parts.add(StackEnd.projected(heads.upTo(mlpInput ? layer + 1 : layer, positions), onto));
        if (layer > 0 && config.dMlp() > 0) {
            StackOptions mlps = StackOptions.upTo(layer).positions(positions);
            parts.add(
                    options.expandsNeurons()
                            ? neurons.upTo(layer, mlps, onto)
                            : StackEnd.projected(
                                    decomposeResid(mlps.mode(Mode.MLP).withoutEmbeds()), onto));
        }
        ResidualStack embeddings = stacks.choose().embeddings().read("getFullResidDecomposition", positions);
        parts.add(StackEnd.projected(embeddings, onto));
        Tensor like = embeddings.values().select(0, 0);
        Tensor bias = like.mul(0).add(biases.asTheyReached(layer, mlpInput, options.expandsNeurons(), like, positions));
        parts.add(StackEnd.projected(new ResidualStack(bias.unsqueeze(0), List.of("bias"), positions), onto));
        List<Tensor> values = parts.stream()
                .filter(part -> part.size() > 0)
                .map(ResidualStack::values)
                .toList();
        List<String> labels =
                parts.stream().flatMap(part -> part.labels().stream()).toList();
        ResidualStack stack = new ResidualStack(Tensor.concat(0, values), labels, positions);
        return onto == null ? end.finish(stack, layer, options) : end.finishProjected(stack, layer, options);
    }

    /**
     * The sum of all biases written before a layer [d_model].
     *
     * @param mlpInput whether the layer's own attention bias is included
     * @param includeMlpBiases whether the MLPs' output biases are
     * @throws IllegalStateException if biases go through a norm behind attention or MLP, where they add something else at
     *     each position; {@link #getFullResidDecomposition} has them
     */
    public Tensor accumulatedBias(int layer, boolean mlpInput, boolean includeMlpBiases) {
        return biases.sum(layer, mlpInput, includeMlpBiases);
    }

    /**
     * One activation of every layer, stacked [layer, …].
     *
     * @param shortName such as {@code pattern}, {@code resid_post}
     * @param layer up to this layer, exclusive; −1 for all
     */
    public Tensor stackActivation(String shortName, int layer) {
        int layers = StackOptions.upTo(layer).layer(config.nLayers(), false);
        List<String> names = RequiredActivations.ofLayers(cache, shortName, layers);
        RequiredActivations.check(cache, "stackActivation", names);
        return Tensor.stack(0, names.stream().map(cache::get).toList());
    }

    /** One activation of all layers, stacked [layer, …]. */
    public Tensor stackActivation(String shortName) {
        return stackActivation(shortName, StackOptions.AFTER_LAST);
    }

    // What components say.

    /**
     * Applies a norm to components as the run applied it to their sum: centres them (layer norm only) and divides by
     * the scale that the run had there, so that sums of components stay sums. Parameters of the norm are not applied;
     * fold them into the weights ({@code foldLn}), as models are loaded by default.
     *
     * @param layer the layer whose norm it is; the number of layers, or −1, for the final one
     * @param mlpInput whether it is the norm before the MLP
     */
    public ResidualStack applyLnToStack(ResidualStack stack, int layer, boolean mlpInput) {
        return end.normed(stack, layer, mlpInput);
    }

    /**
     * What each component adds to the logit of a token: its product with the token's column of W_U [component, batch,
     * pos]. Apply the final norm to the stack first ({@code applyLn}).
     */
    public Tensor logitAttrs(ResidualStack stack, Targets tokens) {
        end.requireVectors("logitAttrs", stack);
        return stack.values().mul(directions.alongside(stack, tokens)).sum(-1);
    }

    /**
     * What each component adds to the difference of two tokens' logits [component, batch, pos]: positive speaks for
     * {@code tokens}.
     *
     * @throws IllegalArgumentException if the two don't have one shape, or don't fit the stack
     */
    public Tensor logitAttrs(ResidualStack stack, Targets tokens, Targets incorrectTokens) {
        end.requireVectors("logitAttrs", stack);
        if (tokens.rank() != incorrectTokens.rank()) {
            throw new IllegalArgumentException(
                    "Tokens and incorrect tokens must have one shape; got " + tokens + " and " + incorrectTokens);
        }
        Tensor difference = directions.alongside(stack, tokens).sub(directions.alongside(stack, incorrectTokens));
        return stack.values().mul(difference).sum(-1);
    }

    /** The columns of W_U that belong to tokens: [d_model], [batch, d_model] or [batch, pos, d_model]. */
    public Tensor tokensToResidualDirections(Targets tokens) {
        return directions.of(tokens);
    }
}
