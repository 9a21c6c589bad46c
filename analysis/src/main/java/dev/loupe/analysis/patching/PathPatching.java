package dev.loupe.analysis.patching;

import dev.loupe.analysis.Progress;
import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Path patching ("Interpretability in the Wild", Wang and others, 2022): what some senders tell some receivers directly,
 * and not by way of other heads. The senders get what they did in a source run while all other heads keep what they did
 * in the base run; what the receivers then read is put into a base run, and the metric is taken of that.
 *
 * <p>MLPs between them pass on what reaches them, as in the paper, unless they are frozen too.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class PathPatching {

    private final HookedTransformer model;
    private final Tokens base;
    private final ActivationCache source;
    private final LogitMetric metric;
    private final List<Component> receivers;
    private final boolean freezeMlps;
    private final long memoryBudget;
    private final Progress progress;

    private PathPatching(
            HookedTransformer model,
            Tokens base,
            ActivationCache source,
            LogitMetric metric,
            List<Component> receivers,
            boolean freezeMlps,
            long memoryBudget,
            Progress progress) {
        this.model = model;
        this.base = base;
        this.source = source;
        this.metric = metric.on(base);
        this.receivers = receivers;
        this.freezeMlps = freezeMlps;
        this.memoryBudget = memoryBudget;
        this.progress = progress;
    }

    /**
     * Paths to some receivers.
     *
     * @param base the tokens of the base run
     * @param source activations of the source run, of as many and as long sequences
     * @param receivers what reads: {@link Component#queries}, {@link Component#keys}, {@link Component#values}, {@link
     *     Component#residPost}{@code (-1)} for the logits themselves
     */
    public static PathPatching of(
            HookedTransformer model, Tokens base, ActivationCache source, LogitMetric metric, Component... receivers) {
        if (receivers.length == 0) {
            throw new IllegalArgumentException("Path patching needs a receiver, such as Component.residPost(-1)");
        }
        return new PathPatching(
                model,
                base,
                source,
                metric,
                List.of(receivers),
                false,
                ActivationPatching.DEFAULT_BUDGET,
                Progress.NONE);
    }

    /** Keeps MLPs as they were in the base run too, so that only the direct path counts. */
    public PathPatching freezeMlps() {
        return new PathPatching(model, base, source, metric, receivers, true, memoryBudget, progress);
    }

    /**
     * About how many bytes of activations the runs that go through the model together may hold; 256 MiB unless set.
     * Weights, and the base run's activations, come on top.
     */
    public PathPatching memoryBudget(long bytes) {
        return new PathPatching(model, base, source, metric, receivers, freezeMlps, RunCost.budget(bytes), progress);
    }

    /** Who is told how many sets of senders are done. */
    public PathPatching progress(Progress listener) {
        return new PathPatching(model, base, source, metric, receivers, freezeMlps, memoryBudget, listener);
    }

    /** The metric with one set of senders. */
    public double run(Component... senders) {
        return run(List.of(Arrays.asList(senders)))[0];
    }

    /** The metric with each head alone as the sender [layer, head]; heads that no path leads from leave it as it is. */
    public PatchingResult sweepHeads() {
        TransformerConfig config = model.config();
        List<List<Component>> senders = new ArrayList<>();
        for (int i = 0; i < config.nLayers() * config.nHeads(); i++) {
            senders.add(List.of(Component.head(i / config.nHeads(), i % config.nHeads())));
        }
        double[] metrics = run(senders);
        Tensor values = PatchingResult.tensor(model, metrics, config.nLayers(), config.nHeads());
        return new PatchingResult(
                "path patching from heads", List.of(SweepAxis.LAYER, SweepAxis.HEAD), values, List.of());
    }

    /** The metric with each of some sets of senders. */
    public double[] run(List<List<Component>> senders) {
        if (!model.hookedPoints().isEmpty()) {
            throw new IllegalStateException("Path patching keeps activations as they were and can't have hooks on the"
                    + " model change them: remove the hooks at " + model.hookedPoints());
        }
        checkSource(senders);
        double[] results = new double[senders.size()];
        try (ActivationCache kept = BaseRun.observe(model, base, keptPoints(senders))) {
            int batch = setsAtOnce(kept);
            for (int from = 0; from < results.length; from += batch) {
                int to = Math.min(results.length, from + batch);
                try (TensorScope scope = TensorScope.open()) {
                    together(senders.subList(from, to), kept, results, from);
                }
                progress.update(to, results.length);
            }
        }
        return results;
    }

    /** How many sets of senders fit into the budget at once: each is given its own copy of what is frozen. */
    private int setsAtOnce(ActivationCache kept) {
        long given = 0;
        for (String point : kept.keys()) {
            given += kept.get(point).elements();
        }
        return new RunCost(model, base, metric, memoryBudget)
                .runsAtOnce(0, model.config().nLayers(), given, 0);
    }

    private void checkSource(List<List<Component>> senders) {
        Set<String> needed = new LinkedHashSet<>();
        senders.forEach(set ->
                set.forEach(sender -> needed.add(sender.point(model.hookNames()).name())));
        RequiredActivations.check(source, "Path patching", needed);
        for (String point : needed) {
            Tensor activation = source.get(point);
            int positionAxis = model.hookNames().resolve(point).positionAxis();
            if (activation.size(0) != base.batch() || activation.size(positionAxis) != base.positions()) {
                throw new IllegalArgumentException("The source run's " + point + " is " + activation.shape()
                        + ", the base tokens are [" + base.batch() + ", " + base.positions()
                        + "]. Both need as many prompts with the same number of tokens.");
            }
        }
    }

    /** What is kept from the base run: all heads, MLPs if they are frozen, and where receivers' runs start. */
    private Set<String> keptPoints(List<List<Component>> senders) {
        HookNames names = model.hookNames();
        Set<String> points = frozenPoints();
        senders.forEach(
                set -> set.forEach(sender -> points.add(sender.point(names).name())));
        points.add(entry());
        return points;
    }

    /** What all heads write, and all MLPs if they are frozen. */
    private Set<String> frozenPoints() {
        HookNames names = model.hookNames();
        Set<String> points = new LinkedHashSet<>();
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            points.add(names.resolve("z", layer).name());
            if (freezeMlps && model.config().dMlp() > 0) {
                points.add(names.resolve("mlp_out", layer).name());
            }
        }
        return points;
    }

    /** The residual stream entering the first block that has a receiver. */
    private String entry() {
        int first = receivers.stream()
                .mapToInt(receiver ->
                        Math.floorMod(receiver.layer(), model.config().nLayers()))
                .min()
                .orElse(0);
        return model.hookNames().resolve("resid_pre", first).name();
    }

    private void together(List<List<Component>> senders, ActivationCache kept, double[] results, int at) {
        int count = senders.size();
        Tokens tokens = BaseRun.repeat(base, count);
        Map<String, Tensor> read = readings(senders, kept, tokens);
        RunRequest.Builder request = RunRequest.of(tokens).feed(entry(), BaseRun.repeat(kept.get(entry()), count));
        for (Component receiver : receivers) {
            HookPoint point = receiver.point(model.hookNames());
            Tensor reading = read.get(point.name());
            if (reading != null) {
                request.interventions(receiver.restrict(Intervention.patch(point.name(), name -> reading), point));
            }
        }
        Tensor logits = PatchRunner.logits(model, request, metric);
        for (int i = 0; i < count; i++) {
            results[at + i] = metric.of(logits.slice(0, (long) i * base.batch(), (long) (i + 1) * base.batch()));
        }
    }

    /** What the receivers read while the senders tell the source run's and all other heads the base run's. */
    private Map<String, Tensor> readings(List<List<Component>> senders, ActivationCache kept, Tokens tokens) {
        HookNames names = model.hookNames();
        Map<String, List<Tensor>> frozen = new LinkedHashMap<>();
        for (String point : kept.keys()) {
            if (frozenPoints().contains(point)) {
                List<Tensor> rows = new ArrayList<>();
                for (List<Component> set : senders) {
                    Tensor row = kept.get(point);
                    for (Component sender : set) {
                        HookPoint sent = sender.point(names);
                        row = sent.name().equals(point) ? sender.replace(row, source.get(point), sent) : row;
                    }
                    rows.add(row);
                }
                frozen.put(point, rows);
            }
        }
        RunRequest.Builder request = RunRequest.of(tokens).returns(RunRequest.Returns.NONE);
        frozen.forEach((point, rows) -> request.feed(point, Tensor.concat(0, rows)));
        for (int i = 0; i < senders.size(); i++) {
            for (Component sender : senders.get(i)) {
                HookPoint point = sender.point(names);
                if (!frozen.containsKey(point.name())) {
                    request.interventions(onlyInRow(point, i, senders.size(), sender));
                }
            }
        }
        String[] observed = receivers.stream()
                .map(receiver -> receiver.point(names).name())
                .distinct()
                .toArray(String[]::new);
        return model.run(request.observe(observed).build()).cache().items();
    }

    /** A sender that isn't frozen, such as an MLP that passes things on: changed in the rows of its own set alone. */
    private Intervention onlyInRow(HookPoint point, int index, int count, Component sender) {
        long from = (long) index * base.batch();
        Tensor told = BaseRun.repeat(source.get(point.name()), count);
        return sender.restrict(Intervention.patch(point.name(), name -> told), point)
                .where(Selection.Which.BATCH, new Selection.Range(from, from + base.batch(), 1));
    }
}
