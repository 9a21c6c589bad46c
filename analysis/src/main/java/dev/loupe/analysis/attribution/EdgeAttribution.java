package dev.loupe.analysis.attribution;

import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Edge attribution patching (Syed, Rager and Conmy 2023): what a metric owes to each edge between parts of the model, to
 * first order. {@code score(writer, reader) = Σ (clean − corrupted of what the writer writes) · (derivative at the reader's
 * own input, in the corrupted run)}: denoising, clean activations patched into the corrupted run.
 *
 * <p>Writers are {@code input}, heads {@code a3.h1} and MLPs {@code m2}; readers are each head's queries, keys and values
 * {@code a3.h1<q>}, MLPs and {@code logits}. Behind a norm that follows attention or MLP (Gemma) a writer's share is what
 * that norm makes of it at the run's scale.
 *
 * @param writers names of the writers
 * @param readers names of the readers
 * @param scores [writer, reader]; 0 where there is no edge
 * @param clean metric of the clean run
 * @param corrupted metric of the corrupted run
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record EdgeAttribution(
        List<String> writers, List<String> readers, Tensor scores, double clean, double corrupted) {

    /** An edge with its score. */
    public record Edge(String writer, String reader, double score) {}

    /** EAP: one backward run. */
    public static EdgeAttribution of(HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric) {
        return integrated(model, clean, corrupted, metric, 0);
    }

    /**
     * EAP-IG (Hanna, Pezzelle and Belinkov 2024): the derivative averaged over runs whose embeddings are corrupted + k/n
     * (clean − corrupted), k = 1…n.
     *
     * @param steps n; 0 for the corrupted run's own derivative
     */
    public static EdgeAttribution integrated(
            HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric, int steps) {
        AttributionPatching.requireSameShape(clean, corrupted);
        if (steps < 0) {
            throw new IllegalArgumentException("EAP-IG needs at least one step, got " + steps);
        }
        ModelParts parts = new ModelParts(model);
        HookFilter written = HookFilter.names(parts.written());
        HookFilter read = HookFilter.names(parts.read());
        RunRequest corruptedRun = RunRequest.of(corrupted)
                .observe(written)
                .gradients(metric, steps == 0 ? read : AttributionPatching.cheapest(model))
                .returns(RunRequest.Returns.NONE)
                .build();
        try (TensorScope scope = TensorScope.open();
                RunResult right = AttributionPatching.run(model, clean, metric, written);
                RunResult wrong = model.run(corruptedRun)) {
            Tensor writes = parts.writes(right.cache()).sub(parts.writes(wrong.cache()));
            Tensor reads = steps == 0
                    ? parts.reads(wrong.gradients())
                    : averaged(model, corrupted, metric, parts, right.cache(), wrong.cache(), steps);
            Tensor scores = writes.matmul(reads.transpose(0, 1)).mul(parts.edges());
            return new EdgeAttribution(
                    parts.writers(),
                    parts.readers(),
                    scope.keep(scores),
                    right.metric().sum().item(),
                    wrong.metric().sum().item());
        }
    }

    private static Tensor averaged(
            HookedTransformer model,
            Tokens corrupted,
            Metric metric,
            ModelParts parts,
            ActivationCache right,
            ActivationCache wrong,
            int steps) {
        Tensor from = wrong.get("hook_embed");
        Tensor way = right.get("hook_embed").sub(from);
        List<Tensor> all = new ArrayList<>();
        for (int k = 1; k <= steps; k++) {
            Tensor embedding = from.add(way.mul((double) k / steps));
            try (RunResult run = model.run(RunRequest.of(corrupted)
                    .interventions(Intervention.set("hook_embed", embedding))
                    .gradients(metric, HookFilter.names(parts.read()))
                    .returns(RunRequest.Returns.NONE)
                    .build())) {
                Tensor one = parts.reads(run.gradients());
                all.add(all.isEmpty() ? one : all.remove(0).add(one));
            }
        }
        return all.get(0).div(steps);
    }

    /** The edges with the largest scores by size, the largest first. */
    public List<Edge> top(int count) {
        double[] flat = scores.toDoubleArray();
        List<Edge> edges = new ArrayList<>();
        for (int i = 0; i < flat.length; i++) {
            if (flat[i] != 0) {
                edges.add(new Edge(writers.get(i / readers.size()), readers.get(i % readers.size()), flat[i]));
            }
        }
        edges.sort(Comparator.comparingDouble((Edge edge) -> -Math.abs(edge.score())));
        return List.copyOf(edges.subList(0, Math.min(count, edges.size())));
    }

    /** The largest edges as a graph in Graphviz's language. */
    public String toDot(int count) {
        return new Circuit(top(count)).toDot();
    }
}
