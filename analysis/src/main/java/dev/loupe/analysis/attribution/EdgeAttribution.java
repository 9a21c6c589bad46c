package dev.loupe.analysis.attribution;

import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

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
        Parts parts = new Parts(model);
        HookFilter written = HookFilter.names(parts.written());
        HookFilter read = HookFilter.names(parts.read());
        try (TensorScope scope = TensorScope.open();
                RunResult right = AttributionPatching.run(model, clean, metric, written, "hook_embed");
                RunResult wrong = AttributionPatching.run(model, corrupted, metric, written, "hook_embed")) {
            Tensor writes = parts.writes(right.cache()).sub(parts.writes(wrong.cache()));
            Tensor reads;
            if (steps == 0) {
                reads = parts.reads(model.gradients(corrupted, metric, read));
            } else {
                Tensor from = wrong.cache().get("hook_embed");
                Tensor way = right.cache().get("hook_embed").sub(from);
                Tensor sum = null;
                for (int k = 1; k <= steps; k++) {
                    Tensor embedding = from.add(way.mul((double) k / steps));
                    try (RunResult run = model.run(RunRequest.of(corrupted)
                            .interventions(Intervention.set("hook_embed", embedding))
                            .gradients(metric, read)
                            .returns(RunRequest.Returns.NONE)
                            .build())) {
                        Tensor one = parts.reads(run.gradients());
                        sum = sum == null ? one : sum.add(one);
                    }
                }
                if (sum == null) {
                    throw new IllegalArgumentException("EAP-IG needs at least one step, got " + steps);
                }
                reads = sum.div(steps);
            }
            Tensor scores = writes.matmul(reads.transpose(0, 1)).mul(parts.edges());
            return new EdgeAttribution(
                    parts.writers,
                    parts.readers,
                    scope.keep(scores),
                    right.metric().sum().item(),
                    wrong.metric().sum().item());
        }
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
        StringBuilder dot = new StringBuilder("digraph circuit {\n  rankdir=BT;\n");
        for (Edge edge : top(count)) {
            int angle = edge.reader().indexOf('<');
            String to = angle < 0 ? edge.reader() : edge.reader().substring(0, angle);
            String label = angle < 0
                    ? ""
                    : edge.reader().substring(angle + 1, edge.reader().length() - 1) + " ";
            dot.append(String.format(
                    java.util.Locale.ROOT,
                    "  \"%s\" -> \"%s\" [label=\"%s%.4g\", color=\"%s\"];%n",
                    edge.writer(),
                    to,
                    label,
                    edge.score(),
                    edge.score() > 0 ? "steelblue" : "firebrick"));
        }
        return dot.append("}\n").toString();
    }

    /** The writers and readers of a model, and where they stand. */
    private static final class Parts {
        private final HookedTransformer model;
        private final List<String> writers = new ArrayList<>();
        private final List<String> readers = new ArrayList<>();
        private final List<Integer> writerStage = new ArrayList<>();
        private final List<Integer> readerStage = new ArrayList<>();

        Parts(HookedTransformer model) {
            this.model = model;
            writers.add("input");
            writerStage.add(-1);
            boolean[] mlp = new boolean[model.config().nLayers()];
            for (int layer = 0; layer < mlp.length; layer++) {
                mlp[layer] = model.hookNames().has("blocks." + layer + ".hook_mlp_out");
                // Attention is stage 2·layer, the MLP 2·layer + 1; side by side they don't read each other.
                boolean parallel = model.config().block(layer).parallel();
                for (int head = 0; head < model.config().nHeads(); head++) {
                    writers.add("a" + layer + ".h" + head);
                    writerStage.add(2 * layer);
                }
                for (String kind : List.of("q", "k", "v")) {
                    int heads = kind.equals("q")
                            ? model.config().nHeads()
                            : model.config().nKeyValueHeads();
                    for (int head = 0; head < heads; head++) {
                        readers.add("a" + layer + ".h" + head + "<" + kind + ">");
                        readerStage.add(2 * layer);
                    }
                }
                if (mlp[layer]) {
                    writers.add("m" + layer);
                    writerStage.add(2 * layer + 1);
                    readers.add("m" + layer);
                    readerStage.add(parallel ? 2 * layer : 2 * layer + 1);
                }
            }
            readers.add("logits");
            readerStage.add(2 * mlp.length);
        }

        private boolean hasMlp(int layer) {
            return writers.contains("m" + layer);
        }

        Set<String> written() {
            Set<String> points = new LinkedHashSet<>(List.of("hook_embed", "blocks.0.hook_resid_pre"));
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                String block = "blocks." + layer + ".";
                points.add(block + "attn.hook_result");
                if (hasMlp(layer)) {
                    points.add(block + "hook_mlp_out");
                }
                if (model.config().block(layer).norms().after()) {
                    points.add(block + "ln1_post.hook_scale");
                }
            }
            return points;
        }

        Set<String> read() {
            Set<String> points = new LinkedHashSet<>();
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                String block = "blocks." + layer + ".";
                points.add(block + "hook_q_input");
                points.add(block + "hook_k_input");
                points.add(block + "hook_v_input");
                if (hasMlp(layer)) {
                    points.add(block + "hook_mlp_in");
                }
            }
            points.add(model.hookNames().resolve("resid_post", -1).name());
            return points;
        }

        private static Tensor flat(Tensor activation) {
            return activation.reshape(1, -1);
        }

        /** Heads become rows: [batch, pos, head, d_model] → [head, …]. */
        private static Tensor heads(Tensor activation) {
            return activation.permute(2, 0, 1, 3).reshape(activation.size(2), -1);
        }

        /** What each writer writes, [writer, batch·pos·d_model]. */
        Tensor writes(ActivationCache cache) {
            List<Tensor> rows = new ArrayList<>();
            rows.add(flat(cache.get("blocks.0.hook_resid_pre")));
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                String block = "blocks." + layer + ".";
                Tensor results = cache.get(block + "attn.hook_result");
                if (model.config().block(layer).norms().after()) {
                    results = results.div(
                                    cache.get(block + "ln1_post.hook_scale").unsqueeze(2))
                            .mul(model.weight(block + "ln1_post.w"));
                }
                rows.add(heads(results));
                if (hasMlp(layer)) {
                    rows.add(flat(cache.get(block + "hook_mlp_out")));
                }
            }
            return Tensor.concat(0, rows);
        }

        /** The derivative at each reader's own input, [reader, batch·pos·d_model]. */
        Tensor reads(GradientCache gradients) {
            List<Tensor> rows = new ArrayList<>();
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                String block = "blocks." + layer + ".";
                rows.add(heads(gradients.get(block + "hook_q_input")));
                rows.add(heads(gradients.get(block + "hook_k_input")));
                rows.add(heads(gradients.get(block + "hook_v_input")));
                if (hasMlp(layer)) {
                    rows.add(flat(gradients.get(block + "hook_mlp_in")));
                }
            }
            rows.add(flat(gradients.get("resid_post", -1)));
            return Tensor.concat(0, rows);
        }

        /** 1 where the reader comes after the writer, [writer, reader]. */
        Tensor edges() {
            float[] mask = new float[writers.size() * readers.size()];
            for (int writer = 0; writer < writers.size(); writer++) {
                for (int reader = 0; reader < readers.size(); reader++) {
                    boolean after = writerStage.get(writer) < readerStage.get(reader);
                    mask[writer * readers.size() + reader] = after ? 1 : 0;
                }
            }
            return model.tensors().of(mask, writers.size(), readers.size()).to(model.dtype());
        }
    }
}
