package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Change;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookContext;
import dev.loupe.hook.HookFunction;
import dev.loupe.hook.Intervention;
import dev.loupe.run.Derivatives;
import dev.loupe.run.ModelRunner;
import dev.loupe.run.PlanRequest;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Turns a {@link RunRequest}, which speaks of tokens and layers, into a run of a graph, and its results back. */
final class ModelRuns implements AutoCloseable {

    private final HookedTransformer model;
    private final TransformerConfig config;
    private final ArchitectureProvider architecture;
    private final Backend backend;
    private final DType dtype;
    private final ModelRunner runner;
    private final Map<GraphOptions, Graph> graphs = new ConcurrentHashMap<>();

    ModelRuns(
            HookedTransformer model,
            ArchitectureProvider architecture,
            Backend backend,
            DType dtype,
            WeightSource weights) {
        this.model = model;
        this.config = model.config();
        this.architecture = architecture;
        this.backend = backend;
        this.dtype = dtype;
        this.runner = new ModelRunner(backend, weights);
    }

    Graph graph(GraphOptions options) {
        Graph known = graphs.get(options);
        if (known != null) {
            return known;
        }
        // Built outside of the map, whose locks others would wait for; the first to come is the graph for all.
        Graph built = architecture.build(config, options);
        Graph earlier = graphs.putIfAbsent(options, built);
        return earlier == null ? built : earlier;
    }

    RunResult run(RunRequest request, List<Edit> modelHooks) {
        HookNames names = model.hookNames();
        boolean cached = request.keyValueCache().isPresent();
        Graph graph =
                graph(new GraphOptions(dtype, cached, request.logitPositions().isPresent()));
        Map<String, Tensor> feeds = feeds(request, names);
        Geometry geometry = geometry(request, feeds, names);
        check(geometry, feeds, graph);
        Range range = range(request, graph);
        HookContext context = new RunContext(geometry, request.state());
        InterventionFiles files =
                context.state(InterventionFiles.class.getName(), InterventionFiles.class, InterventionFiles::new);
        InterventionCompiler compiler = new InterventionCompiler(model, geometry, files);
        PointEdits edits = new PointEdits(compiler, graph);
        PointEdits backward = new PointEdits(compiler, graph);
        edits(request, modelHooks, names, range, edits, backward);
        Set<String> observed = observed(request, names, range);
        Set<String> outputs = outputs(request);
        Optional<Metric> metric = request.metric();
        if (outputs.isEmpty() && observed.isEmpty() && edits.isEmpty() && metric.isEmpty()) {
            return new RunResult(null, null, null, null, new ActivationCache(model, Map.of(), true), null, null);
        }
        Map<String, Tensor> given = new HashMap<>(feeds);
        request.keyValueCache().ifPresent(cache -> addPast(cache, given, graph, geometry));
        Set<String> inputs = geometry.inputNames();
        inputs.addAll(given.keySet());
        List<Tensor> own = new ArrayList<>();
        inputs.retainAll(graph.inputs().keySet());
        compiler.feeds().forEach((name, tensor) -> {
            own.add(tensor);
            given.put(name, tensor);
            inputs.add(name);
        });
        Derivatives derivatives = null;
        if (metric.isPresent()) {
            MetricSite site = new MetricSite(model, geometry);
            derivatives = derivatives(request, metric.get(), site, names, range, backward);
            own.addAll(site.made().values());
            given.putAll(site.made());
            given.putAll(site.borrowed());
            inputs.addAll(site.made().keySet());
            inputs.addAll(site.borrowed().keySet());
        }
        PlanRequest plan = new PlanRequest(inputs, feeds.keySet(), observed, edits.changes(), outputs, derivatives);
        ModelRunner.Results results;
        try {
            results = runner.run(
                    graph,
                    plan,
                    name -> {
                        Tensor known = given.get(name);
                        if (known != null) {
                            return known;
                        }
                        Tensor made = geometry.input(name, backend);
                        if (made == null) {
                            throw new IllegalArgumentException("The graph of '" + config.architecture()
                                    + "' wants an input '" + name + "' that Loupe doesn't know");
                        }
                        own.add(made);
                        return made;
                    },
                    (point, number, activation) -> {
                        HookPoint forward = backward.pointOfGradient(point);
                        return forward == null
                                ? apply(edits.code(point, number), point, activation, context)
                                : apply(backward.code(forward, number), forward, activation, context);
                    },
                    request.observedOn()
                            .<UnaryOperator<Tensor>>map(device -> tensor -> tensor.to(device))
                            .orElse(UnaryOperator.identity()));
        } finally {
            // The run may hand an input back as a result only where it was fed by the caller.
            own.forEach(Tensor::close);
        }
        request.keyValueCache().filter(cache -> !cache.isFrozen()).ifPresent(cache -> extend(cache, results, geometry));
        return result(request, results, geometry, derivatives);
    }

    private Derivatives derivatives(
            RunRequest request, Metric metric, MetricSite site, HookNames names, Range range, PointEdits backward) {
        if (request.stopAtLayer().isPresent() && metric.needsTheEnd()) {
            throw new IllegalArgumentException(
                    "The metric '" + metric + "' is made of logits, but the run stops at layer "
                            + request.stopAtLayer().get() + "; let it run to the end, or use Metric.ofPoints");
        }
        if (metric.output().equals(StandardNames.LOSS_PER_TOKEN)) {
            checkHasLoss(request);
            if (site.pairs() == 0) {
                throw new IllegalArgumentException(RunResult.NO_LOSS);
            }
        }
        Set<String> points = new HashSet<>();
        for (HookPoint point : request.differentiated().select(names)) {
            if (range.passes(point)) {
                points.add(point.name());
            } else if (request.differentiated().byName()) {
                throw new IllegalArgumentException("There is no derivative at " + point + ": the run goes "
                        + span(request) + " and doesn't pass it");
            }
        }
        if (points.isEmpty() && backward.isEmpty()) {
            throw new IllegalArgumentException("Derivatives of '" + metric + "' are asked for at "
                    + request.differentiated() + ", which is no point that the run passes: it goes " + span(request));
        }
        return new Derivatives(metric.output(), metric.compile(site), points, backward.changes());
    }

    // What is fed.

    private Map<String, Tensor> feeds(RunRequest request, HookNames names) {
        Map<String, Tensor> feeds = new LinkedHashMap<>();
        request.feeds().forEach((name, value) -> feeds.put(names.resolve(name).name(), value));
        request.startAtLayer().ifPresent(layer -> {
            int start = layer(layer, "start_at_layer");
            if (start == config.nLayers()) {
                throw new IllegalArgumentException("start_at_layer " + layer + " is beyond the last layer; there are "
                        + config.nLayers() + " layers");
            }
            request.residual().ifPresent(residual -> feeds.put("blocks." + start + ".hook_resid_pre", residual));
        });
        return feeds;
    }

    private int layer(int layer, String what) {
        int index = layer < 0 ? layer + config.nLayers() : layer;
        if (index < 0 || index > config.nLayers()) {
            throw new IllegalArgumentException(what + " " + layer + " is out of range: the model has "
                    + config.nLayers() + " layers, so it goes from " + -config.nLayers() + " to " + config.nLayers());
        }
        return index;
    }

    private Geometry geometry(RunRequest request, Map<String, Tensor> feeds, HookNames names) {
        long @Nullable [][] ids = request.tokens().map(Tokens::ids).orElse(null);
        boolean[][] mask = request.tokens().map(Tokens::mask).orElseGet(() -> maskFromFeeds(feeds, names));
        boolean[][] keyMask =
                request.keyValueCache().map(cache -> cache.maskWith(mask)).orElse(mask);
        Geometry all = new Geometry(ids, mask, keyMask);
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

    private void check(Geometry geometry, Map<String, Tensor> feeds, Graph graph) {
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
                checkFits(name, "fed into", tensor, hook.type(), geometry);
            }
        });
    }

    private void checkFits(String name, String how, Tensor tensor, TensorType type, Geometry geometry) {
        tensor.requireOn(backend, "What is " + how + " " + name);
        Shape expected = type.resolve(geometry.symbols());
        if (tensor.dtype() != type.dtype() || !tensor.shape().equals(expected)) {
            throw new IllegalArgumentException("What is " + how + " " + name + " should be " + type.dtype() + " "
                    + expected + " " + Arrays.toString(type.dims()) + ", found " + tensor.describe());
        }
    }

    private void addPast(KeyValueCache cache, Map<String, Tensor> given, Graph graph, Geometry geometry) {
        for (int layer : cache.layers()) {
            Map<String, Tensor> past = Map.of(
                    StandardNames.pastKeys(layer), cache.keys(layer),
                    StandardNames.pastValues(layer), cache.values(layer));
            past.forEach((name, tensor) -> {
                Value input = graph.inputs().get(name);
                if (input != null) {
                    checkFits(name, "kept of", tensor, input.type(), geometry);
                }
            });
            given.putAll(past);
        }
    }

    // What is hooked and observed.

    /** The points that a run passes: values numbered from {@code from} to {@code to}. */
    private record Range(int from, int to, Graph graph) {
        boolean passes(HookPoint point) {
            Value value = graph.hooks().get(point.name());
            return value != null && value.id() >= from && value.id() <= to;
        }
    }

    private Range range(RunRequest request, Graph graph) {
        int from = 0;
        int to = Integer.MAX_VALUE;
        if (request.startAtLayer().isPresent()) {
            int start = layer(request.startAtLayer().get(), "start_at_layer");
            Value entry = graph.hooks().get("blocks." + start + ".hook_resid_pre");
            from = entry == null ? 0 : entry.id();
        }
        if (request.stopAtLayer().isPresent()) {
            int stop = layer(request.stopAtLayer().get(), "stop_at_layer");
            Value end = graph.outputs().get(StandardNames.residualEntering(stop));
            to = end == null ? to : end.id();
        }
        return new Range(from, to, graph);
    }

    /** What happens at each point of a run, in order: functions of the graph, and Java code between them. */
    private static final class PointEdits {
        private final InterventionCompiler compiler;
        private final Graph graph;
        private final Map<String, List<Change>> changes = new LinkedHashMap<>();
        private final Map<String, List<List<HookFunction>>> code = new HashMap<>();
        private final Map<String, HookPoint> points = new HashMap<>();

        PointEdits(InterventionCompiler compiler, Graph graph) {
            this.compiler = compiler;
            this.graph = graph;
        }

        void add(Edit edit, HookPoint point) {
            List<Change> list = changes.computeIfAbsent(point.name(), key -> new ArrayList<>());
            points.put(HookPoint.gradientOf(point.name()), point);
            if (edit instanceof Intervention intervention) {
                Value value = Objects.requireNonNull(graph.hooks().get(point.name()));
                list.add(new Change.Function(compiler.compile(intervention, point, value.type())));
            } else if (edit instanceof Hook hook) {
                List<List<HookFunction>> pieces = code.computeIfAbsent(point.name(), key -> new ArrayList<>());
                // Hooks that follow one another run as one piece.
                if (list.isEmpty() || !(list.get(list.size() - 1) instanceof Change.Code)) {
                    list.add(new Change.Code(pieces.size()));
                    pieces.add(new ArrayList<>());
                }
                pieces.get(pieces.size() - 1).add(hook.function());
            }
        }

        boolean isEmpty() {
            return changes.isEmpty();
        }

        Map<String, List<Change>> changes() {
            return changes;
        }

        /** The point to which a point of the backward part belongs, if anything happens there; otherwise null. */
        @Nullable
        HookPoint pointOfGradient(HookPoint gradient) {
            return points.get(gradient.name());
        }

        List<HookFunction> code(HookPoint point, int number) {
            return code.getOrDefault(point.name(), List.of()).get(number);
        }
    }

    private void edits(
            RunRequest request,
            List<Edit> modelHooks,
            HookNames names,
            Range range,
            PointEdits forward,
            PointEdits backward) {
        boolean differentiates = request.metric().isPresent();
        for (Edit edit : modelHooks) {
            for (HookPoint point : edit.points().select(names)) {
                // Backward hooks that stand on the model wait for a run that has a backward part.
                if (range.passes(point) && (differentiates || !isBackward(edit))) {
                    (isBackward(edit) ? backward : forward).add(edit, point);
                }
            }
        }
        for (Edit edit : request.edits()) {
            if (isBackward(edit) && !differentiates) {
                throw new IllegalArgumentException(
                        "The backward hook at " + edit.points()
                                + " could not fire: the run differentiates nothing. Ask for derivatives with gradients(metric)");
            }
            List<HookPoint> points = edit.points().select(names);
            List<HookPoint> passed = points.stream().filter(range::passes).toList();
            if (passed.isEmpty() || (edit.points().byName() && passed.size() < points.size())) {
                List<HookPoint> missed = new ArrayList<>(points);
                missed.removeAll(passed);
                throw new IllegalArgumentException(
                        missed.isEmpty()
                                ? "The hook at " + edit.points() + " matches no hook point"
                                : "The hook at " + missed + " could not fire: the run goes " + span(request));
            }
            passed.forEach(point -> (isBackward(edit) ? backward : forward).add(edit, point));
        }
    }

    private static boolean isBackward(Edit edit) {
        return edit instanceof Hook hook && hook.isBackward();
    }

    private Set<String> observed(RunRequest request, HookNames names, Range range) {
        List<HookPoint> points = request.observed().select(names);
        Set<String> observed = new HashSet<>();
        for (HookPoint point : points) {
            if (range.passes(point)) {
                observed.add(point.name());
            } else if (request.observed().byName()) {
                throw new IllegalArgumentException(
                        "There is nothing to observe at " + point + ": the run goes " + span(request));
            }
        }
        return observed;
    }

    private String span(RunRequest request) {
        return "from " + request.startAtLayer().map(layer -> "layer " + layer).orElse("the embedding") + " to "
                + request.stopAtLayer()
                        .map(layer -> "the entrance of layer " + layer)
                        .orElse("the end");
    }

    private static Tensor apply(List<HookFunction> functions, HookPoint point, Tensor activation, HookContext context) {
        Tensor current = activation;
        for (HookFunction function : functions) {
            Tensor next;
            try {
                next = function.apply(current, point, context);
            } catch (RuntimeException | Error e) {
                e.addSuppressed(new HookFailure("thrown by a hook at " + point));
                throw e;
            }
            if (next == null) {
                continue;
            }
            next.requireOn(current.backend(), "What a hook at " + point + " returned");
            if (next.dtype() != current.dtype() || !next.shape().equals(current.shape())) {
                throw new IllegalArgumentException("A hook at " + point + " returned " + next.describe()
                        + "; it must return " + activation.describe() + ", or null to keep the activation");
            }
            current = next;
        }
        return current;
    }

    /** Whether something was thrown by a hook. */
    static boolean isFromHook(Throwable thrown) {
        return Arrays.stream(thrown.getSuppressed()).anyMatch(HookFailure.class::isInstance);
    }

    /** Rides along with what a hook threw and says where. */
    private static final class HookFailure extends RuntimeException {
        private static final long serialVersionUID = 1L;

        HookFailure(String message) {
            super(message, null, false, false);
        }
    }

    // What comes back.

    private Set<String> outputs(RunRequest request) {
        Set<String> outputs = new HashSet<>();
        RunRequest.Returns returns = request.returns();
        boolean loss = returns == RunRequest.Returns.LOSS || returns == RunRequest.Returns.BOTH;
        if (request.stopAtLayer().isPresent()) {
            if (returns != RunRequest.Returns.NONE) {
                throw new IllegalArgumentException(
                        "A run that stops at a layer has no " + returns + "; it returns the residual stream");
            }
            int stop = layer(request.stopAtLayer().get(), "stop_at_layer");
            outputs.add(StandardNames.residualEntering(stop));
        }
        if (loss) {
            checkHasLoss(request);
        }
        if (returns == RunRequest.Returns.LOGITS || returns == RunRequest.Returns.BOTH) {
            outputs.add(StandardNames.LOGITS);
        }
        if (loss) {
            outputs.add(StandardNames.LOSS_PER_TOKEN);
        }
        request.keyValueCache().filter(cache -> !cache.isFrozen()).ifPresent(cache -> {
            for (int layer : cache.layers()) {
                outputs.add(StandardNames.keys(layer));
                outputs.add(StandardNames.values(layer));
            }
        });
        return outputs;
    }

    private static void checkHasLoss(RunRequest request) {
        if (request.logitPositions().isPresent() || request.keyValueCache().isPresent()) {
            throw new IllegalArgumentException("The loss needs the logits of all positions in one run:"
                    + " ask for it without logitsAt and without a key/value cache");
        }
    }

    private static void extend(KeyValueCache cache, ModelRunner.Results results, Geometry geometry) {
        SortedMap<Integer, Tensor> keys = new TreeMap<>();
        SortedMap<Integer, Tensor> values = new TreeMap<>();
        for (int layer : cache.layers()) {
            keys.put(layer, output(results, StandardNames.keys(layer)));
            values.put(layer, output(results, StandardNames.values(layer)));
        }
        cache.replace(keys, values, geometry.keyMask());
    }

    private static Tensor output(ModelRunner.Results results, String name) {
        return Objects.requireNonNull(results.outputs().get(name), name);
    }

    private RunResult result(
            RunRequest request, ModelRunner.Results results, Geometry geometry, @Nullable Derivatives derivatives) {
        Tensor perToken = results.outputs().get(StandardNames.LOSS_PER_TOKEN);
        Double loss = null;
        long pairs = Arrays.stream(geometry.pairs()).sum();
        if (perToken != null && pairs > 0) {
            loss = Arrays.stream(perToken.toDoubleArray()).sum() / pairs;
        }
        Tensor residual = request.stopAtLayer()
                .map(layer -> results.outputs().get(StandardNames.residualEntering(layer(layer, "stop_at_layer"))))
                .orElse(null);
        Map<String, Tensor> observed = new LinkedHashMap<>(results.observed());
        GradientCache gradients = null;
        if (derivatives != null) {
            Map<String, Tensor> found = new LinkedHashMap<>();
            for (HookPoint point : model.hookNames().points()) {
                Tensor derivative = observed.remove(HookPoint.gradientOf(point.name()));
                if (derivative != null) {
                    found.put(point.name(), derivative);
                }
            }
            if (request.inclBackward()) {
                // Closing one cache must not close the other.
                found.forEach((name, derivative) -> observed.put(
                        HookPoint.gradientOf(name),
                        derivative.reshape(derivative.shape().toArray())));
            }
            gradients = new GradientCache(cut(request, found));
        }
        return new RunResult(
                results.outputs().get(StandardNames.LOGITS),
                perToken,
                loss,
                residual,
                cut(request, observed),
                gradients,
                results.outputs().get(Derivatives.METRIC));
    }

    /** A cache of what was found, at the positions that are wanted. */
    private ActivationCache cut(RunRequest request, Map<String, Tensor> found) {
        ActivationCache cache = new ActivationCache(model, found, true);
        if (request.observedPositions().isPresent()) {
            try (ActivationCache whole = cache) {
                cache = whole.slicePositions(request.observedPositions().get());
            }
        }
        return cache;
    }

    @Override
    public void close() {
        runner.close();
    }
}
