package dev.loupe.analysis.attribution;

import dev.loupe.analysis.attribution.EdgeAttribution.Edge;
import dev.loupe.analysis.views.EdgeGraph;
import dev.loupe.architecture.StandardNames;
import dev.loupe.graph.Dim;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Some of a model's edges, which are to explain what it does: {@link #evaluate} runs the model with all other edges
 * patched. Edges and parts are named as in {@link EdgeAttribution}.
 *
 * @param edges in any order, each once
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Circuit(List<Edge> edges) {

    /** Copies the edges. */
    public Circuit {
        edges = List.copyOf(edges);
    }

    /**
     * What a circuit does.
     *
     * @param clean the metric of the whole model on the clean tokens
     * @param corrupted the metric of the whole model on the corrupted tokens
     * @param circuit the metric with every edge outside the circuit patched from the corrupted run
     * @param complement the metric with every edge of the circuit patched, and no other
     */
    public record Faithfulness(double clean, double corrupted, double circuit, double complement) {

        /** How much of the way from corrupted to clean the circuit makes alone: 1 for the whole model, 0 for none of it. */
        public double faithfulness() {
            return (circuit - corrupted) / (clean - corrupted);
        }

        /** How much of that way is lost without the circuit: 1 if the rest of the model makes none of it. */
        public double completeness() {
            return 1 - (complement - corrupted) / (clean - corrupted);
        }
    }

    /**
     * The edges with the largest scores by size, without those that lead nowhere: whose writer is told nothing by way of
     * the circuit, or whose reader tells nothing to the logits.
     *
     * @param count how many edges to begin with
     */
    public static Circuit top(EdgeAttribution attribution, int count) {
        return new Circuit(attribution.top(count)).pruned(attribution);
    }

    private Circuit pruned(EdgeAttribution attribution) {
        Set<Edge> kept = new LinkedHashSet<>(edges);
        int before;
        do {
            before = kept.size();
            Set<String> told = new HashSet<>(Set.of("input"));
            Set<String> tell = new HashSet<>(Set.of("logits"));
            for (Edge edge : kept) {
                told.addAll(parts(edge.reader(), attribution));
                tell.add(edge.writer());
            }
            kept.removeIf(edge -> !told.contains(edge.writer())
                    || parts(edge.reader(), attribution).stream().noneMatch(tell::contains));
        } while (kept.size() < before);
        return new Circuit(List.copyOf(kept));
    }

    /** The writers that a reader belongs to: itself; of a key/value head all heads that it serves. */
    private static List<String> parts(String reader, EdgeAttribution attribution) {
        int kind = reader.indexOf('<');
        if (kind < 0) {
            return List.of(reader);
        }
        String head = reader.substring(0, kind);
        if (reader.endsWith("<q>")) {
            return List.of(head);
        }
        String layer = head.substring(0, head.indexOf(".h") + 2);
        long heads = attribution.writers().stream()
                .filter(name -> name.startsWith(layer))
                .count();
        long groups = attribution.readers().stream()
                .filter(name -> name.startsWith(layer) && name.endsWith("<k>"))
                .count();
        long served = heads / groups;
        long first = Long.parseLong(head.substring(layer.length())) * served;
        List<String> parts = new ArrayList<>();
        for (long i = first; i < first + served; i++) {
            parts.add(layer + i);
        }
        return parts;
    }

    /**
     * Runs the model on the clean tokens with every edge outside the circuit patched: a reader is told of each writer what
     * the circuit's run makes of it where there is an edge, and what the corrupted run made of it where there is none; and
     * the other way round.
     *
     * @param clean tokens of the clean run
     * @param corrupted as many tokens, in as many rows
     * @param metric one number: a metric for each row is summed up
     * @throws IllegalArgumentException if the two differ in shape, or the model doesn't have one of the edges
     */
    public Faithfulness evaluate(HookedTransformer model, Tokens clean, Tokens corrupted, Metric metric) {
        AttributionPatching.requireSameShape(clean, corrupted);
        ModelParts parts = new ModelParts(model);
        Set<List<String>> inside = checked(parts);
        HookFilter written = HookFilter.names(parts.written());
        try (TensorScope scope = TensorScope.open();
                RunResult right = AttributionPatching.run(model, clean, metric, HookFilter.none());
                RunResult wrong = AttributionPatching.run(model, corrupted, metric, written)) {
            Tensor told = Tensor.concat(
                    2,
                    parts.writing().stream()
                            .map(site -> parts.added(site, wrong.cache()))
                            .toList());
            return new Faithfulness(
                    right.metric().sum().item(),
                    wrong.metric().sum().item(),
                    patched(model, clean, metric, parts, told, inside, false),
                    patched(model, clean, metric, parts, told, inside, true));
        }
    }

    private Set<List<String>> checked(ModelParts parts) {
        Set<List<String>> inside = new HashSet<>();
        Map<String, Integer> writers = stages(parts.writing());
        Map<String, Integer> readers = stages(parts.reading());
        for (Edge edge : edges) {
            Integer from = writers.get(edge.writer());
            Integer to = readers.get(edge.reader());
            if (from == null || to == null || from >= to) {
                throw new IllegalArgumentException("The model has no edge from '" + edge.writer() + "' to '"
                        + edge.reader() + "'; writers are " + writers.keySet() + ", readers "
                        + readers.keySet() + ", and a reader comes after the writer");
            }
            inside.add(List.of(edge.writer(), edge.reader()));
        }
        return inside;
    }

    private static Map<String, Integer> stages(List<ModelParts.PartsAtPoint> sites) {
        Map<String, Integer> stages = new LinkedHashMap<>();
        sites.forEach(site -> site.names().forEach(name -> stages.put(name, site.stage())));
        return stages;
    }

    private static double patched(
            HookedTransformer model,
            Tokens clean,
            Metric metric,
            ModelParts parts,
            Tensor told,
            Set<List<String>> inside,
            boolean patchInside) {
        RunRequest.Builder request = RunRequest.of(clean).returns(RunRequest.Returns.NONE);
        Intervention.Fed corrupted = Intervention.Fed.of(
                told, StandardNames.BATCH, StandardNames.POS, Dim.of(told.size(2)), Dim.of(told.size(3)));
        for (ModelParts.PartsAtPoint reader : parts.reading()) {
            List<ModelParts.PartsAtPoint> before = parts.writing().stream()
                    .filter(writer -> writer.stage() < reader.stage())
                    .toList();
            List<String> writers =
                    before.stream().flatMap(site -> site.names().stream()).toList();
            float[] mask = new float[reader.names().size() * writers.size()];
            boolean any = false;
            for (int i = 0; i < mask.length; i++) {
                List<String> edge =
                        List.of(writers.get(i % writers.size()), reader.names().get(i / writers.size()));
                boolean patch = inside.contains(edge) == patchInside;
                mask[i] = patch ? 1 : 0;
                any |= patch;
            }
            if (any) {
                Tensor patches = model.tensors()
                        .of(mask, reader.names().size(), writers.size())
                        .to(model.dtype());
                request.interventions(Intervention.function(
                        reader.point(),
                        new PatchedEdges(before, (int) told.size(2), reader.heads()),
                        Map.of(
                                PatchedEdges.CORRUPTED,
                                corrupted,
                                PatchedEdges.PATCHED,
                                Intervention.Fed.of(patches, Dim.of(patches.size(0)), Dim.of(patches.size(1))))));
            }
        }
        try (RunResult run = model.run(
                request.gradients(metric, AttributionPatching.cheapest(model)).build())) {
            return run.metric().sum().item();
        }
    }

    /** The names of all parts that edges begin or end at, in the order in which they are first met. */
    public Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        for (Edge edge : edges) {
            nodes.add(edge.writer());
            nodes.add(node(edge.reader()));
        }
        return nodes;
    }

    private static String node(String reader) {
        int kind = reader.indexOf('<');
        return kind < 0 ? reader : reader.substring(0, kind);
    }

    /** As a graph in Graphviz's language. */
    public String toDot() {
        StringBuilder dot = new StringBuilder("digraph circuit {\n  rankdir=BT;\n");
        for (Edge edge : edges) {
            dot.append(String.format(
                    Locale.ROOT,
                    "  \"%s\" -> \"%s\" [label=\"%s%.4g\", color=\"%s\"];%n",
                    edge.writer(),
                    node(edge.reader()),
                    kind(edge.reader()),
                    edge.score(),
                    edge.score() > 0 ? "steelblue" : "firebrick"));
        }
        return dot.append("}\n").toString();
    }

    private static String kind(String reader) {
        int angle = reader.indexOf('<');
        return angle < 0 ? "" : reader.substring(angle + 1, reader.length() - 1) + " ";
    }

    /**
     * As a picture: a row for each layer's attention and MLP from the input at the bottom to the logits at the top, heads
     * from left to right, and edges coloured by their scores.
     *
     * @param title the heading
     * @param note a sentence under it; may be empty
     */
    public EdgeGraph view(String title, String note) {
        EdgeGraph.Builder view = EdgeGraph.builder(title).note(note);
        nodes().forEach(name -> view.node(name, row(name), column(name)));
        edges.forEach(edge -> view.edge(
                edge.writer(), node(edge.reader()), kind(edge.reader()).strip(), edge.score()));
        return view.build();
    }

    // input, then attention and MLP of each layer, then the logits.
    private static int row(String node) {
        if (node.equals("input")) {
            return 0;
        } else if (node.equals("logits")) {
            return Integer.MAX_VALUE;
        }
        int end = node.indexOf('.');
        int layer = Integer.parseInt(node.substring(1, end < 0 ? node.length() : end));
        return 1 + 2 * layer + (node.startsWith("m") ? 1 : 0);
    }

    private static int column(String node) {
        int head = node.indexOf(".h");
        return head < 0 ? -1 : Integer.parseInt(node.substring(head + 2));
    }
}
