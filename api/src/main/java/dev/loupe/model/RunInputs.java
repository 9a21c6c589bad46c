package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What goes into a run: what the caller feeds, what a key/value cache holds, and what follows from the places of the tokens.
 * What is made for the run is freed when this is closed; what was given stays.
 */
final class RunInputs implements AutoCloseable {

    private final TransformerConfig config;
    private final Backend backend;
    private final Map<String, Tensor> feeds;
    private final Geometry geometry;
    private final Map<String, Tensor> given;
    private final Set<String> names;
    private final List<Tensor> made = new ArrayList<>();

    /**
     * Checks what a request gives.
     *
     * @throws IllegalArgumentException if it doesn't fit the model or itself
     */
    RunInputs(RunRequest request, HookedTransformer model, Graph graph, RunSpan span) {
        this.config = model.config();
        this.backend = model.backend();
        this.feeds = feeds(request, model.hookNames(), span);
        this.geometry = geometry(request, feeds, model.hookNames());
        check(graph);
        this.given = new HashMap<>(feeds);
        request.keyValueCache().ifPresent(cache -> addPast(cache, graph));
        this.names = geometry.inputNames();
        names.addAll(given.keySet());
        names.retainAll(graph.inputs().keySet());
    }

    /** Where the tokens stand. */
    Geometry geometry() {
        return geometry;
    }

    /** Full names of the hook points that are fed. */
    Set<String> fed() {
        return feeds.keySet();
    }

    /** Names of all that can be had. */
    Set<String> names() {
        return names;
    }

    /** Takes something that was made for this run. */
    void make(String name, Tensor tensor) {
        made.add(tensor);
        borrow(name, tensor);
    }

    /** Takes something that belongs to somebody else. */
    void borrow(String name, Tensor tensor) {
        given.put(name, tensor);
        names.add(name);
    }

    /** The tensor of a name, made now if it follows from the tokens' places. */
    Tensor get(String name) {
        Tensor known = given.get(name);
        if (known != null) {
            return known;
        }
        Tensor fresh = geometry.input(name, backend);
        if (fresh == null) {
            throw new IllegalArgumentException("The graph of '" + config.architecture() + "' wants an input '" + name
                    + "' that Loupe doesn't know");
        }
        made.add(fresh);
        return fresh;
    }

    private static Map<String, Tensor> feeds(RunRequest request, HookNames names, RunSpan span) {
        Map<String, Tensor> feeds = new LinkedHashMap<>();
        request.feeds().forEach((name, value) -> feeds.put(names.resolve(name).name(), value));
        if (span.start() >= 0) {
            request.residual().ifPresent(residual -> feeds.put("blocks." + span.start() + ".hook_resid_pre", residual));
        }
        return feeds;
    }

    private static Geometry geometry(RunRequest request, Map<String, Tensor> feeds, HookNames names) {
        long @Nullable [][] ids = request.tokens().map(Tokens::ids).orElse(null);
        boolean[][] mask = request.tokens().map(Tokens::mask).orElseGet(() -> maskFromFeeds(feeds, names));
        Geometry all = Geometry.of(ids, mask, request.keyValueCache().orElse(null));
        if (all.batch() == 0 || all.positions() == 0) {
            throw new IllegalArgumentException(
                    "The run has no positions: batch " + all.batch() + ", positions " + all.positions());
        }
        return request.logitPositions().map(all::withLogitsAt).orElse(all);
    }

    private static boolean[][] maskFromFeeds(Map<String, Tensor> feeds, HookNames names) {
        for (Map.Entry<String, Tensor> feed : feeds.entrySet()) {
            List<Axis> axes = names.resolve(feed.getKey()).axes();
            if (feed.getValue().rank() >= 2 && axes.get(0) == Axis.BATCH && axes.get(1) == Axis.POS) {
                boolean[][] mask = new boolean[(int) feed.getValue().size(0)]
                        [(int) feed.getValue().size(1)];
                for (boolean[] row : mask) {
                    Arrays.fill(row, true);
                }
                return mask;
            }
        }
        throw new IllegalArgumentException("The run has nothing to start from: give it tokens, or a residual stream"
                + " [batch, pos, d_model] to start at a layer");
    }

    private void check(Graph graph) {
        if (geometry.longest() > config.nCtx()) {
            throw new IllegalArgumentException("The context is too long: " + geometry.longest() + " tokens"
                    + (geometry.past() == 0 ? "" : " with those in the key/value cache") + ", but n_ctx of '"
                    + config.modelName() + "' is " + config.nCtx());
        }
        long[][] ids = geometry.ids();
        if (ids != null) {
            for (int row = 0; row < ids.length; row++) {
                for (int i = 0; i < ids[row].length; i++) {
                    if (ids[row][i] < 0 || ids[row][i] >= config.dVocab()) {
                        throw new IllegalArgumentException("Token id " + ids[row][i] + " at [" + row + ", " + i
                                + "] is out of range: '" + config.modelName() + "' has ids from 0 to "
                                + (config.dVocab() - 1));
                    }
                }
            }
        }
        feeds.forEach((name, tensor) -> {
            Value hook = graph.hooks().get(name);
            if (hook != null) {
                checkFits(name, "fed into", tensor, hook.type());
            }
        });
    }

    private void checkFits(String name, String how, Tensor tensor, TensorType type) {
        tensor.requireOn(backend, "What is " + how + " " + name);
        Shape expected = type.resolve(geometry.symbols());
        if (tensor.dtype() != type.dtype() || !tensor.shape().equals(expected)) {
            throw new IllegalArgumentException("What is " + how + " " + name + " should be " + type.dtype() + " "
                    + expected + " " + Arrays.toString(type.dims()) + ", found " + tensor.describe());
        }
    }

    private void addPast(KeyValueCache cache, Graph graph) {
        for (int layer : cache.layers()) {
            Map<String, Tensor> past = Map.of(
                    StandardNames.pastKeys(layer), cache.keys(layer),
                    StandardNames.pastValues(layer), cache.values(layer));
            past.forEach((name, tensor) -> {
                Value input = graph.inputs().get(name);
                if (input != null) {
                    checkFits(name, "kept of", tensor, input.type());
                }
            });
            given.putAll(past);
        }
    }

    /** Frees what was made: what the run hands back of it is a tensor of its own. */
    @Override
    public void close() {
        made.forEach(Tensor::close);
    }
}
