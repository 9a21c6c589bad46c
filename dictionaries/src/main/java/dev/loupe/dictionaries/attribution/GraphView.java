package dev.loupe.dictionaries.attribution;

import dev.loupe.analysis.views.LayeredGraph;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;

/** A pruned graph for a page: nodes over the tokens of the prompt, from embeddings at the bottom to logits at the top. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class GraphView {

    private GraphView() {}

    /** The view, for {@code HtmlPage.of(title, view)}. */
    public static LayeredGraph of(GraphPruning pruning, GraphLabels labels) {
        AttributionGraph graph = pruning.graph();
        List<String> rows = new ArrayList<>();
        rows.add("embedding");
        for (int layer = 0; layer < graph.layers(); layer++) {
            rows.add("layer " + layer);
        }
        rows.add("logits");
        LayeredGraph.Builder view = LayeredGraph.builder("What leads to the next token")
                .note(String.format(
                        Locale.ROOT,
                        "Replacement score %.3f, completeness %.3f. %d of %d nodes and %d edges are shown, for"
                                + " %s of the influence. Choose a node to see what leads to it and what it leads to: an"
                                + " edge's weight is what its source adds to its target.",
                        graph.replacementScore(),
                        graph.completenessScore(),
                        pruning.nodes().length,
                        graph.nodes(),
                        pruning.edges().size(),
                        pruning.nodeThreshold()))
                .columns(labels.tokens())
                .rows(rows);
        Map<Integer, Integer> places = new HashMap<>();
        for (int node : pruning.nodes()) {
            if (node == graph.logitNode(0)) {
                view.chosen(places.size());
            }
            places.put(node, places.size());
            view.node(new LayeredGraph.Node(
                    graph.position(node), graph.layer(node) + 1, kind(graph, node), label(graph, labels, node)));
        }
        for (GraphPruning.Edge edge : pruning.edges()) {
            Integer source = places.get(edge.source());
            Integer target = places.get(edge.target());
            if (source != null && target != null) {
                view.link(new LayeredGraph.Link(source, target, edge.weight()));
            }
        }
        return view.build();
    }

    private static String kind(AttributionGraph graph, int node) {
        return graph.kind(node).name().toLowerCase(Locale.ROOT);
    }

    private static String label(AttributionGraph graph, GraphLabels labels, int node) {
        String label = labels.of(graph, node);
        return switch (graph.kind(node)) {
            case FEATURE ->
                String.format(
                        Locale.ROOT,
                        "%s, activation %.4g",
                        label,
                        graph.features().get(node).activation());
            case LOGIT ->
                String.format(
                        Locale.ROOT,
                        "%s, p %.3f",
                        label,
                        graph.logits().get(node - graph.sources()).probability());
            case ERROR, TOKEN -> label;
        };
    }
}
