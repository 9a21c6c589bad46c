package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.backend.WholeGraph;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Splice;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.run.Derivatives;
import dev.loupe.run.PlanRequest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A model as one graph that stands alone, for those who write it down in another form: hook points, interventions and the
 * derivatives of a metric are part of it, and their numbers come with it. It takes tokens of any batch and length. Immutable;
 * hooks that stand on the model play no part.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class StandaloneModel {

    private final HookedTransformer model;
    private final HookFilter observed;
    private final List<Intervention> interventions;
    private final boolean valuesAsInputs;
    private final @Nullable Metric metric;
    private final HookFilter differentiated;

    private StandaloneModel(
            HookedTransformer model,
            HookFilter observed,
            List<Intervention> interventions,
            boolean valuesAsInputs,
            @Nullable Metric metric,
            HookFilter differentiated) {
        this.model = model;
        this.observed = observed;
        this.interventions = List.copyOf(interventions);
        this.valuesAsInputs = valuesAsInputs;
        this.metric = metric;
        this.differentiated = differentiated;
    }

    /**
     * What is to be written down.
     *
     * @param whole the graph, whose outputs are {@code logits} and {@code metric}, the latter where there are derivatives, and
     *     whose hook points those that are observed, derivatives among them
     * @param values the inputs that take values of interventions, in order; beside them the graph reads what follows from
     *     tokens and padding
     */
    public record Written(WholeGraph whole, List<String> values) {
        /** Copies the names. */
        public Written {
            values = List.copyOf(values);
        }
    }

    /** A model's logits. */
    public static StandaloneModel of(HookedTransformer model) {
        return new StandaloneModel(model, HookFilter.none(), List.of(), false, null, HookFilter.none());
    }

    /** With these hook points too, and those chosen before. Optional points are computed if chosen. */
    public StandaloneModel observe(HookFilter more) {
        return new StandaloneModel(model, observed.and(more), interventions, valuesAsInputs, metric, differentiated);
    }

    /** With these interventions, after those given before. */
    public StandaloneModel intervene(Intervention... more) {
        List<Intervention> all = new ArrayList<>(interventions);
        all.addAll(List.of(more));
        return new StandaloneModel(model, observed, all, valuesAsInputs, metric, differentiated);
    }

    /**
     * Values of interventions are inputs: {@code intervention.0.value} of the first one, {@code intervention.1.value} of the
     * second; numbers of rank 0, tensors of the rank of the activation and of size 1 along batch and positions, directions
     * orthonormal, in columns. Only so can activations of another run be patched in: at their full size.
     */
    public StandaloneModel valuesAsInputs() {
        return new StandaloneModel(model, observed, interventions, true, metric, differentiated);
    }

    /** With a metric, and its derivatives at hook points, each under its point's name and {@code _grad}. */
    public StandaloneModel gradients(Metric of, HookFilter points) {
        return new StandaloneModel(model, observed, interventions, valuesAsInputs, of, points);
    }

    /**
     * Makes the graph.
     *
     * @throws dev.loupe.graph.UnknownHookException if a chosen hook point doesn't exist; names the nearest
     * @throws IllegalArgumentException if an intervention or the metric depends on a certain batch or length, or two
     *     interventions exclude each other; says how
     */
    public Written write() {
        Graph graph = model.graph();
        StandaloneInterventions compiler = new StandaloneInterventions(model, valuesAsInputs);
        Map<String, List<Change>> changes = new LinkedHashMap<>();
        for (Intervention intervention : interventions) {
            for (HookPoint point : intervention.points().select(model.hookNames())) {
                Value value = Objects.requireNonNull(graph.hooks().get(point.name()));
                changes.computeIfAbsent(point.name(), key -> new ArrayList<>())
                        .add(new Change.Function(compiler.compile(intervention, point, value.type())));
            }
        }
        Set<String> points = names(observed);
        Set<String> outputs = new LinkedHashSet<>(Set.of(StandardNames.LOGITS));
        Derivatives derivatives = null;
        Metric scalar = metric;
        if (scalar != null) {
            derivatives = new Derivatives(scalar.output(), scalar.standalone(), names(differentiated), Map.of());
            outputs.add(Derivatives.METRIC);
        }
        PlanRequest request = new PlanRequest(
                graph.inputs().keySet(), Set.of(), points, changes, Set.of(StandardNames.LOGITS), derivatives);
        Graph prepared = request.prepared(graph, false);
        Splice.conflicts(graph, Set.of(), changes.keySet()).values().stream()
                .findFirst()
                .ifPresent(message -> {
                    throw new IllegalArgumentException(message);
                });
        Set<String> wanted = new LinkedHashSet<>(points);
        names(differentiated).forEach(point -> wanted.add(HookPoint.gradientOf(point)));
        return new Written(WholeGraph.of(prepared, wanted, outputs), List.copyOf(compiler.inputs()));
    }

    private Set<String> names(HookFilter filter) {
        return filter.select(model.hookNames()).stream()
                .map(HookPoint::name)
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }
}
