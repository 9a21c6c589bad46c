package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * Nodes in rows, the first at the bottom, and edges between them, each as thick as its score is large and in the colour of
 * its sign; under the picture the edges as a table.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class EdgeGraph extends View {

    private record Node(String name, int row, int column) {}

    private record Edge(int from, int to, String label, double score) {}

    private final List<Node> nodes;
    private final List<Edge> edges;

    private EdgeGraph(Builder b) {
        super("graph", b.title, b.note);
        this.nodes = List.copyOf(b.nodes);
        this.edges = List.copyOf(b.edges);
    }

    /** A builder for a graph. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of();
    }

    @Override
    void describe(Map<String, Object> json) {
        TreeMap<Integer, Integer> rows = new TreeMap<>();
        nodes.forEach(node -> rows.put(node.row(), 0));
        int place = 0;
        for (Map.Entry<Integer, Integer> row : rows.entrySet()) {
            row.setValue(place++);
        }
        int columns = 1 + nodes.stream().mapToInt(Node::column).max().orElse(0);
        double strongest =
                edges.stream().mapToDouble(edge -> Math.abs(edge.score())).max().orElse(0);
        json.put("rows", rows.size());
        json.put("columns", Math.max(1, columns));
        json.put("scale", ColorScale.diverging(strongest).json());
        json.put(
                "nodes",
                nodes.stream()
                        .map(node -> Map.of(
                                "name",
                                Labels.visible(node.name()),
                                "row",
                                rows.getOrDefault(node.row(), 0),
                                "column",
                                node.column()))
                        .toList());
        json.put(
                "edges",
                edges.stream()
                        .map(edge -> Map.of(
                                "from",
                                edge.from(),
                                "to",
                                edge.to(),
                                "label",
                                Labels.visible(edge.label()),
                                "score",
                                edge.score()))
                        .toList());
    }

    /** Collects nodes and edges. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private final List<Node> nodes = new ArrayList<>();
        private final Map<String, Integer> places = new HashMap<>();
        private final List<Edge> edges = new ArrayList<>();

        private Builder(String title) {
            this.title = title;
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /**
         * A node.
         *
         * @param row nodes of one number stand side by side; the smallest at the bottom
         * @param column its place from left to right, counted from 0; −1 for the middle
         * @throws IllegalArgumentException if there is one of that name
         */
        public Builder node(String name, int row, int column) {
            if (places.putIfAbsent(name, nodes.size()) != null) {
                throw new IllegalArgumentException("'" + title + "' has a node '" + name + "' already");
            }
            nodes.add(new Node(name, row, column));
            return this;
        }

        /**
         * An edge.
         *
         * @param label what is told along it; may be empty
         * @throws IllegalArgumentException if there is no node of a name
         */
        public Builder edge(String from, String to, String label, double score) {
            edges.add(new Edge(place(from), place(to), label, score));
            return this;
        }

        private int place(String name) {
            Integer place = places.get(name);
            if (place == null) {
                throw new IllegalArgumentException(
                        "'" + title + "' has no node '" + name + "'; it has " + places.keySet());
            }
            return place;
        }

        /** The view. */
        public EdgeGraph build() {
            return new EdgeGraph(this);
        }
    }
}
