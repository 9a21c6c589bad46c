package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.HookHandle;
import dev.loupe.plugin.Plugins;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
@API(status = API.Status.STABLE, since = "0.1")
public final class HookedTransformer extends RunnableModel implements AutoCloseable {

    private final LoadOptions options;
    private final Backend backend;
    private final Lifetime lifetime;
    private final DType dtype;
    private final ArchitectureProvider architecture;
    private final Map<String, Tensor> flatWeights;
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
        super(
                config,
                new Weights(
                        config,
                        backend.capabilities().computes(options.dtype()),
                        new TensorFactory(backend),
                        flatWeights),
                text);
        this.architecture = architecture;
        this.options = options;
        this.backend = backend;
        this.flatWeights = flatWeights;
        this.dtype = backend.capabilities().computes(options.dtype());
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
                    config, options, extended, backend, false, graph, all, borrowed, text(), lifetime);
        } catch (RuntimeException | Error e) {
            all.forEach((name, weight) -> {
                if (!borrowed.contains(name)) {
                    weight.close();
                }
            });
            throw e;
        }
    }

    /**
     * This model with each key and value head repeated for the query heads that read it, so that {@code hook_k} and {@code
     * hook_v} have a head for every query head, [batch, pos, head, d_head], and can be changed for one alone. It computes the
     * same; key/value caches grow by as much. The original's {@code set_ungroup_grouped_query_attention}. The new model
     * shares all other weights and the backend with this one, which must stay open; hooks that stand on this one don't stand
     * on the new one.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public HookedTransformer ungroupKeyValueHeads() {
        if (config.nKeyValueHeads() == config.nHeads()) {
            return with();
        }
        TransformerConfig ungrouped =
                config.toBuilder().nKeyValueHeads(config.nHeads()).build();
        Graph graph =
                Plugins.ask(architecture, "build", () -> architecture.build(ungrouped, GraphOptions.plain(dtype)));
        Map<String, Tensor> own = new LinkedHashMap<>();
        try (Lifetime.Use use = lifetime.begin()) {
            weights.repeated().forEach((name, weight) -> ModelLoading.accept(graph, backend, own, name, weight));
            Map<String, Tensor> all = new LinkedHashMap<>(flatWeights);
            all.putAll(own);
            Set<String> borrowed = new HashSet<>(flatWeights.keySet());
            borrowed.removeAll(own.keySet());
            return new HookedTransformer(
                    ungrouped, options, architecture, backend, false, graph, all, borrowed, text(), lifetime);
        } catch (RuntimeException | Error e) {
            own.values().forEach(Tensor::close);
            throw e;
        }
    }

    // What it is.

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

    /**
     * The graph of a run after each step of its preparation, by the step's name and in order: {@code given}, what the
     * architecture describes; {@code feed}; {@code splice}, with interventions and the places of callbacks; {@code
     * measure}, where something is differentiated; {@code shortcuts}; {@code differentiate}; and {@code keep}, what is
     * computed. {@link Graph#toString} shows one. Nothing is run.
     *
     * @return empty if the request asks for nothing
     * @throws IllegalArgumentException as {@link #run} does for a request that can't be met
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Map<String, Graph> passes(RunRequest request) {
        try (Lifetime.Use use = lifetime.begin()) {
            return runs.passes(request, request.modelHooks() ? registry.snapshot() : List.of());
        }
    }

    // Running.

    /**
     * Runs a request: the general form of everything below. A run that has begun when the model is closed goes on to its
     * end.
     *
     * @throws IllegalStateException if the model was closed before
     */
    @Override
    public RunResult run(RunRequest request) {
        try (Lifetime.Use use = lifetime.begin()) {
            return runs.run(request, request.modelHooks() ? registry.snapshot() : List.of());
        } catch (OutOfMemoryError e) {
            throw OutOfMemory.running(this, e);
        }
    }

    @Override
    HookedTransformer asHooked() {
        return this;
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
