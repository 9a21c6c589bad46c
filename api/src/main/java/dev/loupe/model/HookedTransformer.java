package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A transformer language model with every activation within reach: it can be read, cached and changed while the model
 * runs. The vocabulary is that of TransformerLens's {@code HookedTransformer}.
 *
 * <p>Safe for use from many threads: a run takes the hooks that are on the model when it begins. Apart from those
 * hooks, and from the tokenizer if it is set anew, a model never changes.
 *
 * <pre>{@code
 * try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
 *   CachedRun run = model.runWithCache("The capital of France is");
 *   Tensor pattern = run.cache().get("pattern", 3); // [batch, head, query, key]
 * }
 * }</pre>
 */
public final class HookedTransformer implements AutoCloseable {

    private final TransformerConfig config;
    private final LoadOptions options;
    private final Backend backend;
    private final Lifetime lifetime;
    private final DType dtype;
    private final ArchitectureProvider architecture;
    private final Map<String, Tensor> flatWeights;
    private final Weights weights;
    private volatile TextTokens text;
    private final HookRegistry registry = new HookRegistry();
    private final HookNames hookNames;
    private final ModelRuns runs;

    HookedTransformer(
            TransformerConfig config,
            LoadOptions options,
            ArchitectureProvider architecture,
            Backend backend,
            boolean ownsBackend,
            Graph graph,
            Map<String, Tensor> flatWeights,
            TextTokens text) {
        this(config, options, architecture, backend, ownsBackend, graph, flatWeights, Set.of(), text, null);
    }

    private HookedTransformer(
            TransformerConfig config,
            LoadOptions options,
            ArchitectureProvider architecture,
            Backend backend,
            boolean ownsBackend,
            Graph graph,
            Map<String, Tensor> flatWeights,
            Set<String> borrowedWeights,
            TextTokens text,
            @Nullable Lifetime shared) {
        this.architecture = architecture;
        this.config = config;
        this.options = options;
        this.backend = backend;
        this.flatWeights = flatWeights;
        this.text = text;
        this.dtype = backend.capabilities().computes(options.dtype());
        this.weights = new Weights(config, dtype, new TensorFactory(backend), flatWeights);
        this.hookNames = new HookNames(graph.hookPoints(), config.nLayers());
        this.runs = new ModelRuns(
                this, architecture, backend, dtype, name -> weights.stored(name).handle());
        ModelRuns running = runs;
        this.lifetime = new Lifetime(config.modelName(), shared, () -> {
            running.close();
            flatWeights.forEach((name, weight) -> {
                if (!borrowedWeights.contains(name)) {
                    weight.close();
                }
            });
            if (ownsBackend) {
                backend.close();
            }
        });
    }

    // Where models come from.

    /**
     * Loads a model as the original does by default: weights processed, float32, on the CPU.
     *
     * @param name a bundled model ({@code toy-gpt2}), a directory, an alias ({@code gpt2-small}) or a repository on
     *     the Hugging Face Hub
     * @throws IllegalArgumentException if there is no such model, or it can't be understood
     */
    public static HookedTransformer fromPretrained(String name) {
        return fromPretrained(name, LoadOptions.defaults());
    }

    /** Loads a model with options. */
    public static HookedTransformer fromPretrained(String name, LoadOptions options) {
        return ModelLoading.load(name, options, Optional.empty());
    }

    /** Loads a model onto a backend that is open already and stays open when the model is closed. */
    public static HookedTransformer fromPretrained(String name, LoadOptions options, Backend backend) {
        return ModelLoading.load(name, options, Optional.of(backend));
    }

    /** Loads a model with its weights as they are in the checkpoint. */
    public static HookedTransformer fromPretrainedNoProcessing(String name) {
        return fromPretrained(name, LoadOptions.noProcessing());
    }

    /** Loads a model from a checkpoint that was opened by hand. */
    public static HookedTransformer fromCheckpoint(Checkpoint checkpoint, LoadOptions options) {
        return ModelLoading.load(checkpoint, options, Optional.empty());
    }

    /**
     * A model with random weights: normal with standard deviation 0.02, biases 0, norms' weights 1. The same seed
     * gives the same model on every backend.
     *
     * @throws IllegalArgumentException if the config's architecture isn't on the class path
     */
    public static HookedTransformer fromConfig(TransformerConfig config, long seed, LoadOptions options) {
        return ModelLoading.random(Architectures.byId(config.architecture()), config, seed, options, Optional.empty());
    }

    /** A model with random weights of an architecture at hand, on a backend that stays open when it is closed. */
    public static HookedTransformer fromConfig(
            ArchitectureProvider architecture,
            TransformerConfig config,
            long seed,
            LoadOptions options,
            Backend backend) {
        return ModelLoading.random(architecture, config, seed, options, Optional.of(backend));
    }

    /** A model with given weights, by their names in the graph, on a backend that stays open when it is closed. */
    public static HookedTransformer fromWeights(
            ArchitectureProvider architecture,
            TransformerConfig config,
            Map<String, HostTensor> weights,
            LoadOptions options,
            Backend backend) {
        return ModelLoading.given(architecture, config, weights, options, backend);
    }

    /**
     * This model with more in its graph, such as a dictionary in the place of an activation. The new model shares the
     * weights and the backend with this one, which stays as it is and must stay open: the new one doesn't run once this is closed.
     * Hooks that stand on this one don't stand on the new one. Closing the new one frees what the extensions brought.
     *
     * @throws dev.loupe.graph.UnknownHookException if an extension names a point that the model doesn't have
     * @throws IllegalArgumentException if an extension doesn't fit
     */
    public HookedTransformer with(ModelExtension... extensions) {
        List<ModelExtension> list = List.of(extensions);
        list.forEach(extension -> extension.check(this));
        ArchitectureProvider extended = new ExtendedArchitecture(architecture, list, hookNames);
        Graph graph = extended.build(config, GraphOptions.plain(dtype));
        Map<String, Tensor> all = new LinkedHashMap<>(flatWeights);
        Set<String> borrowed = Set.copyOf(flatWeights.keySet());
        try (Lifetime.Use use = lifetime.begin()) {
            for (ModelExtension extension : list) {
                extension.weights().forEach((name, weight) -> {
                    if (all.containsKey(name)) {
                        throw new IllegalArgumentException(
                                "The model has a weight '" + name + "' already; is " + extension + " in it twice?");
                    }
                    all.put(name, tensors().of(weight.to(dtype)));
                });
            }
            return new HookedTransformer(
                    config, options, extended, backend, false, graph, all, borrowed, text, lifetime);
        } catch (RuntimeException | Error e) {
            all.forEach((name, weight) -> {
                if (!borrowed.contains(name)) {
                    weight.close();
                }
            });
            throw e;
        }
    }

    // What it is.

    /** The config, as it is after weight processing. */
    public TransformerConfig config() {
        return config;
    }

    /** How the model was loaded. */
    public LoadOptions options() {
        return options;
    }

    /**
     * The floating-point type of activations, and of weights as they are asked for here. A backend that only stores the
     * type in which the model was loaded ({@link #options()}) computes in float32.
     */
    public DType dtype() {
        return dtype;
    }

    /** The backend that it runs on. */
    public Backend backend() {
        return backend;
    }

    /** Makes tensors on the model's backend. */
    public TensorFactory tensors() {
        return new TensorFactory(backend);
    }

    /** The hook points and what they may be called. */
    public HookNames hookNames() {
        return hookNames;
    }

    /** The graph of a plain run, for those who want to see or export it. */
    public Graph graph() {
        return runs.graph(GraphOptions.plain(dtype));
    }

    // Running.

    /**
     * Runs a request: the general form of everything below. A run that has begun when the model is closed goes on to its
     * end.
     *
     * @throws IllegalStateException if the model was closed before
     */
    public RunResult run(RunRequest request) {
        try (Lifetime.Use use = lifetime.begin()) {
            return runs.run(request, request.modelHooks() ? registry.snapshot() : List.of());
        } catch (OutOfMemoryError e) {
            throw OutOfMemory.running(this, e);
        }
    }

    /** Logits [batch, pos, d_vocab]. */
    public Tensor forward(Tokens tokens) {
        return run(RunRequest.of(tokens).build()).logits();
    }

    /** Logits [1, pos, d_vocab] of a text. */
    public Tensor forward(String input) {
        return forward(toTokens(input));
    }

    /** Logits [batch, pos, d_vocab] of several texts, padded at a side; what stands at padding means nothing. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tensor forward(List<String> inputs, PaddingSide side) {
        return forward(toTokens(inputs, side));
    }

    /**
     * Mean cross-entropy of each next token, in nats; padding doesn't count.
     *
     * @throws IllegalStateException if there is no next token: every sequence has one token alone
     */
    public double loss(Tokens tokens) {
        try (RunResult result = run(RunRequest.of(tokens).returns(Returns.LOSS).build())) {
            return result.loss();
        }
    }

    /** Mean cross-entropy of a text's tokens, in nats. */
    public double loss(String input) {
        return loss(toTokens(input));
    }

    /** Cross-entropy of each next token [batch, pos−1], in nats; 0 where either side is padding. */
    public Tensor lossPerToken(Tokens tokens) {
        return run(RunRequest.of(tokens).returns(Returns.LOSS).build()).lossPerToken();
    }

    /** Logits, and every standard activation. */
    public CachedRun runWithCache(Tokens tokens) {
        return runWithCache(tokens, HookFilter.standard());
    }

    /** Logits, and every standard activation, of a text. */
    public CachedRun runWithCache(String input) {
        return runWithCache(toTokens(input));
    }

    /** Logits, and chosen activations. */
    public CachedRun runWithCache(Tokens tokens, HookFilter names) {
        RunResult result = run(RunRequest.of(tokens).observe(names).build());
        return new CachedRun(result.logits(), result.cache());
    }

    /** Logits, and chosen positions of chosen activations. */
    public CachedRun runWithCache(Tokens tokens, HookFilter names, Index positions) {
        RunResult result = run(
                RunRequest.of(tokens).observe(names).observePositions(positions).build());
        return new CachedRun(result.logits(), result.cache());
    }

    /**
     * Logits, and chosen activations moved to a device by its name ({@code cpu}) as the run goes.
     *
     * @throws dev.loupe.backend.BackendUnavailableException if the model's backend has no such device; names it
     */
    public CachedRun runWithCache(Tokens tokens, HookFilter names, String device) {
        RunResult result =
                run(RunRequest.of(tokens).observe(names).observeOn(device).build());
        return new CachedRun(result.logits(), result.cache());
    }

    /** Logits of a run with hooks, which belong to this run alone. */
    public Tensor runWithHooks(Tokens tokens, Edit... hooks) {
        return run(RunRequest.of(tokens).hooks(hooks).build()).logits();
    }

    /** Logits of a text, run with hooks, which belong to this run alone. */
    public Tensor runWithHooks(String input, Edit... hooks) {
        return runWithHooks(toTokens(input), hooks);
    }

    /** Logits of a run with interventions, which belong to this run alone. */
    public Tensor runWith(Tokens tokens, Intervention... interventions) {
        return runWithHooks(tokens, interventions);
    }

    /** Logits of a text, run with interventions, which belong to this run alone. */
    public Tensor runWith(String input, Intervention... interventions) {
        return runWith(toTokens(input), interventions);
    }

    // Derivatives.

    /**
     * Derivatives of a metric with respect to what leaves every standard hook point: {@code model.gradients(tokens,
     * Metric.logitDifference(model, " Mary", " John"))}.
     */
    public GradientCache gradients(Tokens tokens, Metric metric) {
        return gradients(tokens, metric, HookFilter.standard());
    }

    /** Derivatives of a metric with respect to what leaves every standard hook point, of a text. */
    public GradientCache gradients(String input, Metric metric) {
        return gradients(toTokens(input), metric);
    }

    /** Derivatives of a metric with respect to what leaves chosen hook points, optional ones too. */
    public GradientCache gradients(Tokens tokens, Metric metric, HookFilter points) {
        RunResult result = run(RunRequest.of(tokens)
                .returns(Returns.NONE)
                .gradients(metric, points)
                .build());
        result.metric().close();
        return result.gradients();
    }

    /** Logits, every standard activation, and the derivative of a metric with respect to each. */
    public GradientRun runWithCacheAndGradients(Tokens tokens, Metric metric) {
        return runWithCacheAndGradients(tokens, metric, HookFilter.standard());
    }

    /** Logits, chosen activations, and the derivative of a metric with respect to each. */
    public GradientRun runWithCacheAndGradients(Tokens tokens, Metric metric, HookFilter points) {
        RunResult result = run(
                RunRequest.of(tokens).observe(points).gradients(metric, points).build());
        return new GradientRun(result.logits(), result.cache(), result.gradients(), result.metric());
    }

    /** An empty key/value cache for a batch. */
    public KeyValueCache newKeyValueCache(int batch) {
        try (Lifetime.Use use = lifetime.begin()) {
            return new KeyValueCache(config, dtype, batch, tensors());
        }
    }

    // Hooks that stay.

    /**
     * Adds a hook or an intervention, after those that are there; it runs until it is removed or the hooks are reset.
     *
     * @throws dev.loupe.graph.UnknownHookException if it names a point that the model doesn't have
     */
    public HookHandle addHook(Edit hook) {
        return addHook(hook, false, false);
    }

    /**
     * Adds a hook or an intervention.
     *
     * @param permanent whether it survives {@link #resetHooks()}; permanent hooks run before others
     * @param prepend whether it runs before those of its kind that are there
     * @throws dev.loupe.graph.UnknownHookException if it names a point that the model doesn't have
     */
    public HookHandle addHook(Edit hook, boolean permanent, boolean prepend) {
        hook.points().select(hookNames);
        return registry.add(hook, permanent, prepend);
    }

    /** Adds a hook that survives {@link #resetHooks()}. */
    public HookHandle addPermanentHook(Edit hook) {
        return addHook(hook, true, false);
    }

    /** Removes a hook; the same as closing its handle. */
    public void removeHook(HookHandle handle) {
        handle.close();
    }

    /** Removes all hooks but the permanent ones. */
    public void resetHooks() {
        resetHooks(false);
    }

    /** Removes all hooks. */
    public void resetHooks(boolean includingPermanent) {
        registry.reset(includingPermanent);
    }

    /**
     * Adds hooks for the time of a try-with-resources block: {@code try (HookHandle scope = model.hooks(…))}.
     *
     * @throws dev.loupe.graph.UnknownHookException if one names a point that the model doesn't have; none is added
     */
    public HookHandle hooks(Edit... hooks) {
        for (Edit hook : hooks) {
            hook.points().select(hookNames);
        }
        List<HookHandle> handles = new ArrayList<>();
        for (Edit hook : hooks) {
            handles.add(registry.add(hook, false, false));
        }
        return () -> handles.forEach(HookHandle::close);
    }

    /** The points at which hooks stand on the model at present, in the order in which they fire. */
    public List<HookPoint> hookedPoints() {
        Set<HookPoint> hooked = new HashSet<>();
        registry.snapshot().forEach(hook -> hooked.addAll(hook.points().select(hookNames)));
        return hookNames.points().stream().filter(hooked::contains).toList();
    }

    // Text.

    /** The tokenizer, if the model has one. */
    public Optional<Tokenizer> tokenizer() {
        return text.hasTokenizer() ? Optional.of(text.tokenizer()) : Optional.empty();
    }

    /**
     * Sets another tokenizer, such as {@code Tokenizer.fromPretrained("other")}; from now on texts are read with it. A
     * model that had none works with texts then. Its ids have to be those of the model's vocabulary.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public void setTokenizer(Tokenizer tokenizer) {
        text = new TextTokens(config, tokenizer, "");
    }

    /** The tokens of a text, with BOS in front unless the model's habit is another. */
    public Tokens toTokens(String input) {
        return toTokens(input, config.defaultPrependBos());
    }

    /** The tokens of a text, with BOS in front (never twice) or without. */
    public Tokens toTokens(String input, boolean prependBos) {
        return toTokens(List.of(input), prependBos, false);
    }

    /** The tokens of several texts, padded on the right. */
    public Tokens toTokens(List<String> inputs) {
        return toTokens(inputs, config.defaultPrependBos(), false);
    }

    /**
     * The tokens of several texts.
     *
     * @throws IllegalStateException if the model has no tokenizer; says why
     * @throws IllegalArgumentException if a text has no tokens
     */
    public Tokens toTokens(List<String> inputs, boolean prependBos, boolean padLeft) {
        return text.encode(inputs, prependBos, padLeft);
    }

    /** The tokens of several texts, with BOS unless the model's habit is another, padded at a side. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens toTokens(List<String> inputs, PaddingSide side) {
        return toTokens(inputs, config.defaultPrependBos(), side);
    }

    /**
     * The tokens of several texts, padded at a side.
     *
     * @throws IllegalStateException if the model has no tokenizer; says why
     * @throws IllegalArgumentException if a text has no tokens
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens toTokens(List<String> inputs, boolean prependBos, PaddingSide side) {
        return toTokens(inputs, prependBos, side == PaddingSide.LEFT);
    }

    /**
     * The ids of a text as it stands behind another text: {@code " Mary"} is one token then, where tokenizers that put a
     * space in front of a text themselves (LLaMA 1 and 2) would have a space and a name.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public long[] toContinuationTokens(String input) {
        return text.continuation(input);
    }

    /**
     * Documents in rows of one length, for statistics and training: they are joined by EOS and cut, and what doesn't
     * fill a row is dropped. The original's {@code tokenize_and_concatenate}, but no token is torn at places where it
     * cuts the text for speed.
     *
     * @param length tokens of a row, BOS included
     * @param prependBos whether each row begins with BOS
     * @return [rows, length]
     * @throws IllegalArgumentException if there isn't enough for one row
     * @throws IllegalStateException if the model has no tokenizer, or no EOS
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tokens tokenizeAndConcatenate(List<String> texts, int length, boolean prependBos) {
        return text.concatenated(texts, length, prependBos);
    }

    /** The text of some ids, special tokens included. */
    public String toString(long[] ids) {
        return toString(ids, false);
    }

    /** The text of some ids, special tokens kept or dropped. */
    public String toString(long[] ids, boolean skipSpecialTokens) {
        return text.tokenizer().decode(ids, skipSpecialTokens);
    }

    /** The text of each token of a text, BOS included if it is the model's habit. */
    public List<String> toStrTokens(String input) {
        return toStrTokens(toTokens(input).row(0));
    }

    /** The text of each token of a text, with BOS in front or without. */
    public List<String> toStrTokens(String input, boolean prependBos) {
        return text.strings(text.encode(input, prependBos));
    }

    /** The text of each token. */
    public List<String> toStrTokens(long[] ids) {
        return text.strings(ids);
    }

    /**
     * The id of a text that is one token, by itself or inside a text ({@link #toContinuationTokens}).
     *
     * @throws IllegalArgumentException if it is more or fewer; says which tokens it has
     */
    public long toSingleToken(String input) {
        return text.single(input);
    }

    /** The first position of a token in a text. */
    public int getTokenPosition(String token, String input) {
        return getTokenPosition(toSingleToken(token), toTokens(input).row(0), false);
    }

    /**
     * The first or last position of a token among ids.
     *
     * @throws IllegalArgumentException if it isn't there
     */
    public int getTokenPosition(long token, long[] ids, boolean last) {
        return text.position(token, ids, last);
    }

    // Generation.

    /** The text with its continuation, special tokens dropped. */
    public String generate(String prompt, GenerateOptions how) {
        return generate(List.of(prompt), how).get(0);
    }

    /** Several texts with their continuations, special tokens dropped. */
    public List<String> generate(List<String> prompts, GenerateOptions how) {
        return generate(toTokens(prompts, config.defaultPrependBos(), true), how).stream()
                .map(ids -> toString(ids, true))
                .toList();
    }

    /** Prompts and continuations as ids, without padding; sequences that ended early are filled up with EOS. */
    public List<long[]> generate(Tokens prompt, GenerateOptions how) {
        return generate(prompt, how, step -> {});
    }

    /** As {@link #generate(Tokens, GenerateOptions)}, telling each step's new ids, one for each sequence. */
    public List<long[]> generate(Tokens prompt, GenerateOptions how, Consumer<long[]> onStep) {
        try (Generation generation = stream(prompt, how)) {
            while (generation.hasNext()) {
                onStep.accept(generation.next());
            }
            return generation.tokens();
        }
    }

    /**
     * A continuation, token by token.
     *
     * @throws IllegalArgumentException if prompt and new tokens together are longer than n_ctx
     */
    public Generation stream(Tokens prompt, GenerateOptions how) {
        Set<Long> ends = new HashSet<>(config.eosIds());
        text.eos().ifPresent(id -> ends.add((long) id));
        long filler = text.eos().isPresent() ? text.filler() : text.pad();
        return new Generation(this, prompt, how, filler, ends);
    }

    // Weights.

    /** A weight under its name in the graph, in the graph's flat layout. */
    public Tensor weight(String name) {
        return weights.flat(name);
    }

    /** Names of the weights in the graph. */
    public Set<String> weightNames() {
        return new java.util.TreeSet<>(flatWeights.keySet());
    }

    /** Token embedding [d_vocab, d_model]. */
    public Tensor W_E() {
        return weights.flat("embed.W_E");
    }

    /** Learned positions [n_ctx, d_model]. */
    public Tensor W_pos() {
        return weights.flat("pos_embed.W_pos");
    }

    /** Embedding and positions, one under the other [d_vocab + n_ctx, d_model]. */
    public Tensor W_E_pos() {
        return Tensor.concat(0, W_E(), W_pos());
    }

    /** Unembedding [d_model, d_vocab]. */
    public Tensor W_U() {
        return weights.flat("unembed.W_U");
    }

    /** Bias of the unembedding [d_vocab]. */
    public Tensor b_U() {
        return weights.flatOrZeros("unembed.b_U", config.dVocab());
    }

    /** Query weights [layer, head, d_model, d_head]. */
    public Tensor W_Q() {
        return weights.stacked(weights::query);
    }

    /** Key weights [layer, head, d_model, d_head]; grouped heads repeated. */
    public Tensor W_K() {
        return weights.stacked(layer -> weights.grouped(weights.ungrouped("W_K", layer)));
    }

    /** Value weights [layer, head, d_model, d_head]; grouped heads repeated. */
    public Tensor W_V() {
        return weights.stacked(layer -> weights.grouped(weights.ungrouped("W_V", layer)));
    }

    /** Key weights as they are [layer, kv_head, d_model, d_head]. */
    public Tensor _W_K() {
        return weights.stacked(layer -> weights.ungrouped("W_K", layer));
    }

    /** Value weights as they are [layer, kv_head, d_model, d_head]. */
    public Tensor _W_V() {
        return weights.stacked(layer -> weights.ungrouped("W_V", layer));
    }

    /** Output weights [layer, head, d_head, d_model]. */
    public Tensor W_O() {
        return weights.stacked(weights::output);
    }

    /** Query biases [layer, head, d_head]. */
    public Tensor b_Q() {
        return weights.stacked(layer -> weights.bias("b_Q", layer, config.nHeads()));
    }

    /** Key biases [layer, head, d_head]; grouped heads repeated. */
    public Tensor b_K() {
        return weights.stacked(layer -> weights.grouped(weights.bias("b_K", layer, config.nKeyValueHeads())));
    }

    /** Value biases [layer, head, d_head]; grouped heads repeated. */
    public Tensor b_V() {
        return weights.stacked(layer -> weights.grouped(weights.bias("b_V", layer, config.nKeyValueHeads())));
    }

    /** Output biases [layer, d_model]. */
    public Tensor b_O() {
        return weights.stackedFlatOrZeros("attn.b_O", config.dModel());
    }

    /** Weights into the MLP [layer, d_model, d_mlp]. */
    public Tensor W_in() {
        return weights.stackedFlat("mlp.W_in");
    }

    /** Gate weights of the MLP [layer, d_model, d_mlp]. */
    public Tensor W_gate() {
        return weights.stackedFlat("mlp.W_gate");
    }

    /** Biases into the MLP [layer, d_mlp]. */
    public Tensor b_in() {
        return weights.stackedFlatOrZeros("mlp.b_in", config.dMlp());
    }

    /** Weights out of the MLP [layer, d_mlp, d_model]. */
    public Tensor W_out() {
        return weights.stackedFlat("mlp.W_out");
    }

    /** Biases out of the MLP [layer, d_model]. */
    public Tensor b_out() {
        return weights.stackedFlatOrZeros("mlp.b_out", config.dModel());
    }

    /**
     * Frees weights and prepared graphs, and the backend if it was opened for this model: at once, or, if runs are going on
     * in other threads, when the last of them has ended, which this doesn't wait for. Runs that begin later end with an
     * {@link IllegalStateException} that says that the model was closed. Results that were handed out stay as they are: they
     * can be read and computed with until they are closed themselves. Weights that were handed out under their names in
     * the graph are the model's own, and closed with it. Idempotent.
     */
    @Override
    public void close() {
        lifetime.close();
    }

    @Override
    public String toString() {
        return "HookedTransformer " + config.modelName() + " (" + config.architecture() + ", " + config.nLayers()
                + " layers, " + options.dtype() + ") on " + backend.id() + " " + backend.device();
    }
}
