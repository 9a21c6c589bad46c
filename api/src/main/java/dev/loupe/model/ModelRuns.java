package dev.loupe.model;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Edit;
import dev.loupe.hook.HookContext;
import dev.loupe.plugin.Plugins;
import dev.loupe.run.Derivatives;
import dev.loupe.run.ModelRunner;
import dev.loupe.run.PlanRequest;
import dev.loupe.tensor.Tensor;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;

/** Turns a {@link RunRequest}, which speaks of tokens and layers, into a run of a graph, and its results back. */
final class ModelRuns implements AutoCloseable {

    private final HookedTransformer model;
    private final TransformerConfig config;
    private final ArchitectureProvider architecture;
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
        this.dtype = dtype;
        this.runner = new ModelRunner(backend, weights);
    }

    Graph graph(GraphOptions options) {
        Graph known = graphs.get(options);
        if (known != null) {
            return known;
        }
        // Built outside of the map, whose locks others would wait for; the first to come is the graph for all.
        Graph built = Plugins.ask(architecture, "build", () -> architecture.build(config, options));
        Graph earlier = graphs.putIfAbsent(options, built);
        return earlier == null ? built : earlier;
    }

    RunResult run(RunRequest request, List<Edit> modelHooks) {
        Graph graph = graph(request);
        RunSpan span = RunSpan.of(request, graph, config.nLayers());
        RunOutputs results = new RunOutputs(model, request, span);
        try (RunInputs inputs = new RunInputs(request, model, graph, span)) {
            Geometry geometry = inputs.geometry();
            HookContext context = new RunContext(geometry, request.state());
            RunEdits edits = edits(request, modelHooks, graph, span, geometry, context);
            Optional<PlanRequest> plan = plan(request, span, results, inputs, edits);
            if (plan.isEmpty()) {
                return new RunResult(
                        null,
                        null,
                        null,
                        null,
                        new ActivationCache(model, Map.of(), true, new RealPositions(geometry.mask())),
                        null,
                        null);
            }
            ModelRunner.Results found = runner.run(
                    graph,
                    plan.get(),
                    inputs::get,
                    (point, number, activation) -> edits.apply(point, number, activation, context),
                    request.observedOn()
                            .<UnaryOperator<Tensor>>map(device -> tensor -> tensor.to(device))
                            .orElse(UnaryOperator.identity()));
            return results.result(found, geometry, plan.get().derivatives() != null);
        }
    }

    /** The graph after each step of a run's preparation, in order; without steps if the run asks for nothing. */
    Map<String, Graph> passes(RunRequest request, List<Edit> modelHooks) {
        Graph graph = graph(request);
        RunSpan span = RunSpan.of(request, graph, config.nLayers());
        RunOutputs results = new RunOutputs(model, request, span);
        try (RunInputs inputs = new RunInputs(request, model, graph, span)) {
            HookContext context = new RunContext(inputs.geometry(), request.state());
            RunEdits edits = edits(request, modelHooks, graph, span, inputs.geometry(), context);
            return plan(request, span, results, inputs, edits)
                    .map(plan -> plan.explain(graph, !model.backend().compiles()))
                    .orElse(Map.of());
        }
    }

    private Graph graph(RunRequest request) {
        return graph(new GraphOptions(
                dtype,
                request.keyValueCache().isPresent(),
                request.logitPositions().isPresent()));
    }

    private RunEdits edits(
            RunRequest request,
            List<Edit> modelHooks,
            Graph graph,
            RunSpan span,
            Geometry geometry,
            HookContext context) {
        InterventionFiles files =
                context.state(InterventionFiles.class.getName(), InterventionFiles.class, InterventionFiles::new);
        InterventionCompiler compiler = new InterventionCompiler(
                model,
                geometry,
                files,
                () -> context.state(
                        PromptColumns.class.getName(), PromptColumns.class, () -> PromptColumns.of(geometry)),
                context.state(Reach.class.getName(), Reach.class, () -> new Reach(0)));
        RunEdits edits = new RunEdits(compiler, graph);
        edits.add(request, modelHooks, model.hookNames(), span);
        return edits;
    }

    /** What a request asks of the graph, with what it needs for that among the inputs; empty if it asks for nothing. */
    private Optional<PlanRequest> plan(
            RunRequest request, RunSpan span, RunOutputs results, RunInputs inputs, RunEdits edits) {
        HookNames names = model.hookNames();
        Set<String> observed = observed(request, names, span);
        Set<String> outputs = results.wanted();
        Optional<Metric> metric = request.metric();
        if (outputs.isEmpty() && observed.isEmpty() && !edits.changesForward() && metric.isEmpty()) {
            return Optional.empty();
        }
        edits.feeds().forEach(inputs::make);
        Derivatives derivatives = null;
        if (metric.isPresent()) {
            MetricSite site = new MetricSite(model, inputs.geometry());
            if (metric.get().output().equals(StandardNames.LOSS_PER_TOKEN)) {
                results.checkHasLoss();
            }
            derivatives = derivatives(request, metric.get(), site, names, span, edits);
            site.made().forEach(inputs::make);
            site.borrowed().forEach(inputs::borrow);
        }
        return Optional.of(
                new PlanRequest(inputs.names(), inputs.fed(), observed, edits.forward(), outputs, derivatives));
    }

    private static Derivatives derivatives(
            RunRequest request, Metric metric, MetricSite site, HookNames names, RunSpan span, RunEdits edits) {
        if (request.stopAtLayer().isPresent() && metric.needsTheEnd()) {
            throw new IllegalArgumentException(
                    "The metric '" + metric + "' is made of logits, but the run stops at layer "
                            + request.stopAtLayer().get() + "; let it run to the end, or use Metric.ofPoints");
        }
        Set<String> points = new HashSet<>();
        for (HookPoint point : request.differentiated().select(names)) {
            if (span.passes(point)) {
                points.add(point.name());
            } else if (request.differentiated().byName()) {
                throw new IllegalArgumentException("There is no derivative at " + point + ": the run goes "
                        + span.inWords() + " and doesn't pass it");
            }
        }
        if (points.isEmpty() && !edits.changesBackward()) {
            throw new IllegalArgumentException("Derivatives of '" + metric + "' are asked for at "
                    + request.differentiated() + ", which is no point that the run passes: it goes " + span.inWords());
        }
        return new Derivatives(metric.output(), metric.compile(site), points, edits.backward());
    }

    private static Set<String> observed(RunRequest request, HookNames names, RunSpan span) {
        List<HookPoint> points = request.observed().select(names);
        Set<String> observed = new HashSet<>();
        for (HookPoint point : points) {
            if (span.passes(point)) {
                observed.add(point.name());
            } else if (request.observed().byName()) {
                throw new IllegalArgumentException(
                        "There is nothing to observe at " + point + ": the run goes " + span.inWords());
            }
        }
        return observed;
    }

    @Override
    public void close() {
        runner.close();
    }
}
