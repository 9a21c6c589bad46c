package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Nodes over the tokens of a text, layer above layer, with weighted links between them: those of a node are shown when it
 * is chosen.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class LayeredGraph extends View {

    /**
     * A node.
     *
     * @param column the token that it stands over
     * @param row its layer, from the bottom
     * @param kind one of those that the graph explains
     * @param label what it is, in a few words
     */
    public record Node(int column, int row, String kind, String label) {}

    /**
     * A link.
     *
     * @param source a node, by its place in the list of nodes
     * @param target another
     */
    public record Link(int source, int target, double weight) {}

    private final List<String> columns;
    private final List<String> rows;
    private final List<String> kinds;
    private final List<Node> nodes;
    private final List<Link> links;
    private final int chosen;

    private LayeredGraph(Builder b) {
        super("layers", b.title, b.note);
        this.columns = Labels.visible(b.columns);
        this.rows = Labels.visible(b.rows);
        this.kinds = b.nodes.stream().map(Node::kind).distinct().toList();
        this.nodes = List.copyOf(b.nodes);
        this.links = List.copyOf(b.links);
        this.chosen = b.chosen;
        for (Node node : nodes) {
            if (node.column() < 0 || node.column() >= columns.size() || node.row() < 0 || node.row() >= rows.size()) {
                throw new IllegalArgumentException("'" + b.title + "' has no place for " + node);
            }
        }
        for (Link link : links) {
            if (Math.min(link.source(), link.target()) < 0 || Math.max(link.source(), link.target()) >= nodes.size()) {
                throw new IllegalArgumentException(link + " links nodes that '" + b.title + "' doesn't have");
            }
        }
    }

    /** A builder; tokens and layers must be given. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of();
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("columns", columns);
        json.put("rows", rows);
        json.put("kinds", kinds);
        json.put("chosen", chosen);
        json.put(
                "nodes",
                nodes.stream()
                        .map(node -> Map.of(
                                "column",
                                node.column(),
                                "row",
                                node.row(),
                                "kind",
                                kinds.indexOf(node.kind()),
                                "label",
                                Labels.visible(node.label())))
                        .toList());
        json.put(
                "links",
                links.stream()
                        .map(link -> new double[] {link.source(), link.target(), link.weight()})
                        .toList());
    }

    /** Collects a graph. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private List<String> columns = List.of();
        private List<String> rows = List.of();
        private final List<Node> nodes = new ArrayList<>();
        private final List<Link> links = new ArrayList<>();
        private int chosen;

        private Builder(String title) {
            this.title = title;
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /** The tokens that nodes stand over. */
        public Builder columns(List<String> labels) {
            columns = List.copyOf(labels);
            return this;
        }

        /** The layers, from the bottom. */
        public Builder rows(List<String> labels) {
            rows = List.copyOf(labels);
            return this;
        }

        /** One more node. */
        public Builder node(Node node) {
            nodes.add(node);
            return this;
        }

        /** One more link. */
        public Builder link(Link link) {
            links.add(link);
            return this;
        }

        /** The node whose links are shown at first; the first unless set. */
        public Builder chosen(int node) {
            chosen = node;
            return this;
        }

        /**
         * The graph.
         *
         * @throws IllegalArgumentException if a node or a link has no place
         */
        public LayeredGraph build() {
            return new LayeredGraph(this);
        }
    }
}
