package dev.loupe.analysis.residual;

import dev.loupe.analysis.residual.StackOptions.Mode;
import dev.loupe.analysis.residual.StackOptions.Option;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
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
    private final NormsBehind norms;
    private @Nullable Tensor outputWeights;

    private CacheAnalysis(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
        this.config = model.config();
        this.norms = new NormsBehind(model, cache);
    }

    /** The analysis of a cache. */
    public static CacheAnalysis of(ActivationCache cache) {
        return new CacheAnalysis(cache);
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
        List<String> names = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        if (options.inclEmbeds()) {
            addEmbeddings(names, labels);
        }
        boolean attention = options.mode() != Mode.MLP;
        boolean mlps = options.mode() != Mode.ATTN && config.dMlp() > 0;
        for (int l = 0; l < layer; l++) {
            add(attention, "attn_out", l, names, labels);
            add(mlps, "mlp_out", l, names, labels);
        }
        add(mlpInput && attention, "attn_out", layer, names, labels);
        return finish(read("decomposeResid", names, labels, options.positions()), layer, options);
    }

    private void addEmbeddings(List<String> names, List<String> labels) {
        names.add(model.hookNames().resolve("embed").name());
        labels.add("embed");
        if (model.hookNames().has("hook_pos_embed")) {
            names.add("hook_pos_embed");
            labels.add("pos_embed");
        }
    }

    private void add(boolean wanted, String shortName, int layer, List<String> names, List<String> labels) {
        if (wanted) {
            names.add(model.hookNames().resolve(shortName, layer).name());
            labels.add(layer + "_" + shortName);
        }
    }

    private ResidualStack read(String what, List<String> names, List<String> labels, Index positions) {
        RequiredActivations.check(cache, what, names);
        if (names.isEmpty()) {
            throw new IllegalArgumentException(what + " has nothing to stack: no layer, and no embeddings");
        }
        List<Tensor> parts = names.stream()
                .map(name -> cache.atPositions(cache.get(name), -2, positions))
                .toList();
        return new ResidualStack(Tensor.stack(0, parts), labels, positions);
    }

    /** Applies the norm, and projects, where that was asked for. */
    private ResidualStack finish(ResidualStack stack, int layer, StackOptions options) {
        ResidualStack finished =
                options.has(Option.APPLY_LN) ? applyLnToStack(stack, layer, options.has(Option.MLP_INPUT)) : stack;
        return project(finished, options);
    }

    private ResidualStack project(ResidualStack stack, StackOptions options) {
        return withoutSoleDirection(projected(stack, options.directions(model, false)), options);
    }

    /** As {@link #finish} for what is projected already, onto directions that were centred for the norm. */
    private ResidualStack finishProjected(ResidualStack stack, int layer, StackOptions options) {
        ResidualStack finished = options.has(Option.APPLY_LN)
                ? stack.with(stack.values().div(scale(layer, options.has(Option.MLP_INPUT), stack.positions())))
                : stack;
        return withoutSoleDirection(finished, options);
    }

    private @Nullable Tensor directionsBeforeNorm(StackOptions options) {
        return options.directions(
                model, options.has(Option.APPLY_LN) && config.normalization().centres());
    }

    private static ResidualStack projected(ResidualStack stack, @Nullable Tensor onto) {
        return onto == null ? stack : stack.with(stack.values().matmul(onto));
    }

    private static ResidualStack withoutSoleDirection(ResidualStack stack, StackOptions options) {
        return options.projectsOntoOne() ? stack.with(stack.values().squeeze(-1)) : stack;
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
        List<String> names = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        for (int l = 0; l <= layer && l < config.nLayers(); l++) {
            names.add(model.hookNames().resolve("resid_pre", l).name());
            labels.add(l + "_pre");
            boolean between = config.block(l).mlp() != BlockSpec.Mlp.NONE
                    && !config.block(l).parallel();
            if (between && (options.has(Option.INCL_MID) && l < layer || mlpInput && l == layer)) {
                names.add(model.hookNames().resolve("resid_mid", l).name());
                labels.add(l + "_mid");
            }
        }
        if (layer == config.nLayers()) {
            names.add(model.hookNames().resolve("resid_post", layer - 1).name());
            labels.add("final_post");
        }
        ResidualStack stack = read("accumulatedResid", names, labels, options.positions());
        boolean end = layer == config.nLayers();
        if (!options.has(Option.APPLY_LN) || !end) {
            return finish(stack, layer, options);
        }
        return project(stack.with(finalNorm(stack.values())), options);
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
        ResidualStack stack = withRemainder(headStack(layer, options.positions()), layer, options, null);
        return finish(stack, layer, options);
    }

    private ResidualStack headStack(int layer, Index positions) {
        RequiredActivations.check(cache, "stackHeadResults", headNames(layer));
        List<Tensor> parts = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        for (int l = 0; l < layer; l++) {
            Tensor results = norms.share(headResults(l, positions), l, NormsBehind.ATTENTION, positions);
            int headAxis = results.rank() - 2;
            parts.add(toFront(results, headAxis));
            for (int head = 0; head < config.nHeads(); head++) {
                labels.add("L" + l + "H" + head);
            }
        }
        return new ResidualStack(joined(parts, positions), labels, positions);
    }

    private static Tensor toFront(Tensor tensor, int axis) {
        int[] order = new int[tensor.rank()];
        order[0] = axis;
        for (int i = 1; i < order.length; i++) {
            order[i] = i <= axis ? i - 1 : i;
        }
        return tensor.permute(order);
    }

    private Tensor joined(List<Tensor> parts, Index positions) {
        if (!parts.isEmpty()) {
            return Tensor.concat(0, parts);
        }
        // No layers, no components: the shape is that of the residual stream.
        String entry = model.hookNames().resolve("resid_pre", 0).name();
        RequiredActivations.check(cache, "A stack without components", List.of(entry));
        Tensor like = cache.atPositions(cache.get(entry), -2, positions);
        long[] sizes = new long[like.rank() + 1];
        System.arraycopy(like.shape().toArray(), 0, sizes, 1, like.rank());
        return like.factory().zeros(like.dtype(), sizes);
    }

    private List<String> headNames(int layers) {
        List<String> names = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            String result = model.hookNames().resolve("result", l).name();
            names.add(
                    cache.keys().contains(result)
                            ? result
                            : model.hookNames().resolve("z", l).name());
            if (norms.in(l)) {
                names.add(norms.scaleName(l, NormsBehind.ATTENTION));
            }
        }
        return names;
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
        int index = Math.floorMod(layer, Math.max(1, config.nLayers()));
        String result = model.hookNames().resolve("result", index).name();
        String z = model.hookNames().resolve("z", index).name();
        RequiredActivations.check(
                cache, "computeHeadResults", List.of(cache.keys().contains(result) ? result : z));
        return headResults(index, Index.all());
    }

    private Tensor headResults(int layer, Index positions) {
        String result = model.hookNames().resolve("result", layer).name();
        if (cache.keys().contains(result)) {
            return cache.atPositions(cache.get(result), -3, positions);
        }
        Tensor z = cache.atPositions(cache.get("z", layer), -3, positions);
        Tensor weights = outputWeights;
        if (weights == null) {
            weights = model.W_O();
            outputWeights = weights;
        }
        Tensor rows = z.reshape(-1, config.nHeads(), config.dHead());
        long[] shape = z.shape().toArray();
        shape[shape.length - 1] = config.dModel();
        return Tensor.einsum("nhd,hdm->nhm", rows, weights.select(0, layer)).reshape(shape);
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
        Tensor onto = directionsBeforeNorm(options);
        ResidualStack stack = withRemainder(neuronStack(layer, options, onto), layer, options, onto);
        return onto == null ? finish(stack, layer, options) : finishProjected(stack, layer, options);
    }

    private ResidualStack neuronStack(int layer, StackOptions options, @Nullable Tensor onto) {
        List<String> needed = new ArrayList<>(RequiredActivations.ofLayers(cache, "post", layer));
        for (int l = 0; l < layer; l++) {
            if (norms.in(l)) {
                needed.add(norms.scaleName(l, NormsBehind.MLP));
            }
        }
        RequiredActivations.check(cache, "stackNeuronResults", needed);
        Tensor all = model.tensors().arange(config.dMlp());
        long[] neurons = all.get(asRange(options.neurons())).toLongArray();
        List<Tensor> parts = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        Tensor weights = layer == 0 ? null : model.W_out();
        for (int l = 0; l < layer && weights != null; l++) {
            Tensor activations = cache.atPositions(cache.get("post", l), -2, options.positions())
                    .pick(-1, neurons);
            Tensor rows = weights.select(0, l).pick(0, neurons);
            Tensor each = activations.unsqueeze(-1);
            Tensor written = onto == null
                    ? norms.share(each.mul(rows), l, NormsBehind.MLP, options.positions())
                    : norms.scaled(
                            each.mul(norms.unscaledShare(rows, l, NormsBehind.MLP)
                                    .matmul(onto)),
                            l,
                            NormsBehind.MLP,
                            options.positions());
            parts.add(toFront(written, activations.rank() - 1));
            for (long neuron : neurons) {
                labels.add("L" + l + "N" + neuron);
            }
        }
        return projectedIfEmpty(
                new ResidualStack(joined(parts, options.positions()), labels, options.positions()), onto);
    }

    /** A stack without components has the width of the residual stream, of which it is made. */
    private static ResidualStack projectedIfEmpty(ResidualStack stack, @Nullable Tensor onto) {
        return stack.size() == 0 ? projected(stack, onto) : stack;
    }

    private static Index asRange(Index index) {
        return index instanceof Index.One one ? Index.pick(one.position()) : index;
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
        Tensor onto = directionsBeforeNorm(options);
        List<ResidualStack> stacks = new ArrayList<>();
        stacks.add(projected(headStack(mlpInput ? layer + 1 : layer, positions), onto));
        if (layer > 0 && config.dMlp() > 0) {
            StackOptions mlps = StackOptions.upTo(layer).positions(positions);
            stacks.add(
                    options.expandsNeurons()
                            ? neuronStack(layer, mlps, onto)
                            : projected(decomposeResid(mlps.mode(Mode.MLP).withoutEmbeds()), onto));
        }
        List<String> names = new ArrayList<>();
        List<String> labels = new ArrayList<>();
        addEmbeddings(names, labels);
        ResidualStack embeddings = read("getFullResidDecomposition", names, labels, positions);
        stacks.add(projected(embeddings, onto));
        Tensor like = embeddings.values().select(0, 0);
        Tensor bias = biases(layer, mlpInput, options.expandsNeurons(), like, positions);
        stacks.add(projected(new ResidualStack(like.mul(0).add(bias).unsqueeze(0), List.of("bias"), positions), onto));
        List<Tensor> values = stacks.stream()
                .filter(stack -> stack.size() > 0)
                .map(ResidualStack::values)
                .toList();
        List<String> all =
                stacks.stream().flatMap(stack -> stack.labels().stream()).toList();
        ResidualStack stack = new ResidualStack(Tensor.concat(0, values), all, positions);
        return onto == null ? finish(stack, layer, options) : finishProjected(stack, layer, options);
    }

    /** All biases as they reached the residual stream, of a shape that broadcasts to it. */
    private Tensor biases(int layer, boolean mlpInput, boolean ofMlps, Tensor like, Index positions) {
        if (IntStream.range(0, mlpInput ? layer + 1 : layer).noneMatch(norms::in)) {
            return accumulatedBias(layer, mlpInput, ofMlps);
        }
        Tensor sum = model.tensors().zeros(model.dtype(), config.dModel());
        for (int l = 0; l < (mlpInput ? layer + 1 : layer); l++) {
            sum = sum.add(norms.bias(model.b_O().select(0, l), l, NormsBehind.ATTENTION, like, positions));
            if (ofMlps && l < layer && config.block(l).mlp() != BlockSpec.Mlp.NONE) {
                sum = sum.add(norms.bias(model.b_out().select(0, l), l, NormsBehind.MLP, like, positions));
            }
        }
        return sum;
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
        int end = StackOptions.upTo(layer).layer(config.nLayers(), mlpInput);
        Tensor sum = model.tensors().zeros(model.dtype(), config.dModel());
        int attentions = mlpInput ? end + 1 : end;
        for (int l = 0; l < attentions; l++) {
            if (norms.in(l)
                    && (config.hasBias("b_O")
                            || config.hasBias("b_out")
                            || config.normalization().centres())) {
                throw new IllegalStateException("The biases of layer " + l + " go through the norm behind attention or"
                        + " MLP, which adds something else at each position: they have no sum over layers [d_model]."
                        + " getFullResidDecomposition has them, as 'bias'.");
            }
        }
        if (attentions > 0) {
            sum = sum.add(model.b_O().slice(0, 0, attentions).sum(0));
        }
        if (includeMlpBiases && config.dMlp() > 0 && end > 0) {
            sum = sum.add(model.b_out().slice(0, 0, end).sum(0));
        }
        return sum;
    }

    /**
     * One activation of every layer, stacked [layer, …].
     *
     * @param shortName such as {@code pattern}, {@code resid_post}
     * @param layer up to this layer, exclusive; −1 for all
     */
    public Tensor stackActivation(String shortName, int layer) {
        int end = StackOptions.upTo(layer).layer(config.nLayers(), false);
        List<String> names = RequiredActivations.ofLayers(cache, shortName, end);
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

    private void requireVectors(String what, ResidualStack stack) {
        int rank = 2 + (cache.hasBatchDim() ? 1 : 0) + (stack.positions() instanceof Index.One ? 0 : 1);
        Tensor values = stack.values();
        if (values.rank() != rank || values.size(-1) != config.dModel()) {
            throw new IllegalArgumentException(what + " needs components of the residual stream, of the width d_model "
                    + config.dModel() + "; these are " + values.shape()
                    + ". Apply it before they are projected onto anything (applyLn with projectOutput does).");
        }
    }

    /**
     * What each component adds to the logit of a token: its product with the token's column of W_U [component, batch,
     * pos]. Apply the final norm to the stack first ({@code applyLn}).
     */
    public Tensor logitAttrs(ResidualStack stack, Targets tokens) {
        requireVectors("logitAttrs", stack);
        return stack.values().mul(directions(stack, tokens)).sum(-1);
    }

    /**
     * What each component adds to the difference of two tokens' logits [component, batch, pos]: positive speaks for
     * {@code tokens}.
     *
     * @throws IllegalArgumentException if the two don't have one shape, or don't fit the stack
     */
    public Tensor logitAttrs(ResidualStack stack, Targets tokens, Targets incorrectTokens) {
        requireVectors("logitAttrs", stack);
        if (tokens.rank() != incorrectTokens.rank()) {
            throw new IllegalArgumentException(
                    "Tokens and incorrect tokens must have one shape; got " + tokens + " and " + incorrectTokens);
        }
        Tensor difference = directions(stack, tokens).sub(directions(stack, incorrectTokens));
        return stack.values().mul(difference).sum(-1);
    }

    /** The directions of tokens, brought to the axes of a stack's components. */
    private Tensor directions(ResidualStack stack, Targets tokens) {
        Tensor directions = tokensToResidualDirections(tokens);
        if (tokens.rank() == 0) {
            return directions;
        }
        boolean onePosition = stack.positions() instanceof Index.One;
        if (tokens.rank() == 1 && !onePosition) {
            directions = directions.unsqueeze(1);
        } else if (tokens.rank() == 2) {
            directions = cache.atPositions(directions, 1, stack.positions());
        }
        if (!cache.hasBatchDim()) {
            directions = directions.squeeze(0);
        }
        long[] part = stack.values().select(0, 0).shape().toArray();
        for (int axis = 0; axis < part.length; axis++) {
            long size = directions.size(axis);
            if (directions.rank() != part.length || size != part[axis] && size != 1) {
                throw new IllegalArgumentException("Tokens " + tokens + " don't fit components of shape "
                        + stack.values().select(0, 0).shape() + ": one for all, one for each sequence, or one for each"
                        + " position of each sequence");
            }
        }
        return directions;
    }

    /** The columns of W_U that belong to tokens: [d_model], [batch, d_model] or [batch, pos, d_model]. */
    public Tensor tokensToResidualDirections(Targets tokens) {
        Tensor ids = tokens.tensor(model.tensors(), config.dVocab());
        if (tokens.rank() == 0) {
            return model.W_U().gather(1, ids.reshape(1)).squeeze(1);
        }
        Tensor columns = model.W_U().gather(1, ids);
        return tokens.rank() == 1 ? columns.transpose(0, 1) : columns.permute(1, 2, 0);
    }
}
