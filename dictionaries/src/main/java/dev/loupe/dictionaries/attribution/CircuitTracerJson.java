package dev.loupe.dictionaries.attribution;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.dictionaries.attribution.AttributionGraph.Feature;
import dev.loupe.dictionaries.attribution.AttributionGraph.Kind;
import dev.loupe.dictionaries.attribution.AttributionGraph.Logit;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * A pruned graph in the form that circuit-tracer's viewer and Neuronpedia's read: an object of {@code metadata}, {@code
 * qParams}, {@code nodes} and {@code links}, of its schema 1.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class CircuitTracerJson {

    private CircuitTracerJson() {}

    /**
     * The object.
     *
     * @param slug the graph's name, as in the viewer's address
     * @param scan names the set of transcoders
     * @param prompt the text
     */
    public static Map<String, Object> object(
            GraphPruning pruning, GraphLabels labels, String slug, String scan, String prompt) {
        AttributionGraph graph = pruning.graph();
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("slug", slug);
        metadata.put("scan", scan);
        metadata.put("transcoder_list", List.of());
        metadata.put("prompt_tokens", labels.tokens());
        metadata.put("prompt", prompt);
        metadata.put("node_threshold", pruning.nodeThreshold());
        metadata.put("schema_version", 1);
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("pinnedIds", List.of());
        parameters.put("supernodes", List.of());
        parameters.put("linkType", "both");
        parameters.put("clickedId", "");
        parameters.put("sg_pos", "");
        List<Object> links = new ArrayList<>();
        BitSet linked = new BitSet();
        for (GraphPruning.Edge edge : pruning.edges()) {
            Map<String, Object> link = new LinkedHashMap<>();
            link.put("source", id(graph, edge.source()));
            link.put("target", id(graph, edge.target()));
            link.put("weight", edge.weight());
            links.add(link);
            linked.set(edge.source());
            linked.set(edge.target());
        }
        List<Object> nodes = new ArrayList<>();
        for (int node : pruning.nodes()) {
            if (linked.get(node) || node >= graph.tokenNode(0)) {
                nodes.add(node(pruning, labels, node));
            }
        }
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("metadata", metadata);
        object.put("qParams", parameters);
        object.put("nodes", nodes);
        object.put("links", links);
        return object;
    }

    /** The object as text. */
    public static String write(GraphPruning pruning, GraphLabels labels, String slug, String scan, String prompt) {
        try {
            return new ObjectMapper()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(object(pruning, labels, slug, scan, prompt));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Can't write the graph as JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static String id(AttributionGraph graph, int node) {
        int position = graph.position(node);
        return switch (graph.kind(node)) {
            case FEATURE -> graph.layer(node) + "_" + graph.features().get(node).feature() + "_" + position;
            case ERROR -> graph.layer(node) + "_-1_" + position;
            case TOKEN -> "E_" + graph.tokens()[position] + "_" + position;
            case LOGIT -> outputLayer(graph) + "_" + logit(graph, node).token() + "_" + position;
        };
    }

    private static int outputLayer(AttributionGraph graph) {
        return graph.layers() + 1;
    }

    private static Logit logit(AttributionGraph graph, int node) {
        return graph.logits().get(node - graph.sources());
    }

    private static Map<String, Object> node(GraphPruning pruning, GraphLabels labels, int node) {
        AttributionGraph graph = pruning.graph();
        Kind kind = graph.kind(node);
        int position = graph.position(node);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node_id", id(graph, node));
        json.put("feature", number(graph, node));
        json.put(
                "layer",
                switch (kind) {
                    case FEATURE, ERROR -> Integer.toString(graph.layer(node));
                    case TOKEN -> "E";
                    case LOGIT -> Integer.toString(outputLayer(graph));
                });
        json.put("ctx_idx", position);
        json.put(
                "feature_type",
                switch (kind) {
                    case FEATURE -> "cross layer transcoder";
                    case ERROR -> "mlp reconstruction error";
                    case TOKEN -> "embedding";
                    case LOGIT -> "logit";
                });
        json.put("token_prob", kind == Kind.LOGIT ? logit(graph, node).probability() : 0.0);
        json.put("is_target_logit", node == graph.logitNode(0));
        json.put("run_idx", 0);
        json.put("reverse_ctx_idx", 0);
        json.put(
                "jsNodeId",
                switch (kind) {
                    case FEATURE ->
                        graph.layer(node) + "_" + graph.features().get(node).feature() + "-0";
                    case ERROR -> graph.layer(node) + "_-1-" + position;
                    case TOKEN -> "E_" + graph.tokens()[position] + "-" + position;
                    case LOGIT -> "L_" + logit(graph, node).token() + "-" + position;
                });
        json.put("clerp", name(graph, labels, node));
        json.put("influence", kind == Kind.LOGIT ? null : pruning.cumulativeInfluence(node));
        json.put("activation", kind == Kind.FEATURE ? graph.features().get(node).activation() : null);
        return json;
    }

    /** Layer and number of a feature in one number, as Cantor pairs them. */
    private static long number(AttributionGraph graph, int node) {
        return switch (graph.kind(node)) {
            case FEATURE -> {
                Feature feature = graph.features().get(node);
                long sum = (long) feature.layer() + feature.feature();
                yield sum * (sum + 1) / 2 + feature.feature();
            }
            case ERROR -> -1;
            case TOKEN -> graph.position(node);
            case LOGIT -> logit(graph, node).token();
        };
    }

    private static String name(AttributionGraph graph, GraphLabels labels, int node) {
        return switch (graph.kind(node)) {
            case FEATURE -> labels.features().getOrDefault(graph.features().get(node), "");
            case ERROR, TOKEN -> "";
            case LOGIT ->
                String.format(
                        Locale.ROOT,
                        "Output \"%s\" (p=%.3f)",
                        labels.logits().get(node - graph.sources()),
                        logit(graph, node).probability());
        };
    }
}
