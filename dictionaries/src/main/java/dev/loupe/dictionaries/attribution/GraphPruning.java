package dev.loupe.dictionaries.attribution;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * The nodes and edges of an attribution graph that have most of the influence on the logits. The nodes are the most
 * influential ones that together have a share of all influence, and all tokens and logits; of the edges between them,
 * those that together have a share of theirs, an edge's influence being its share of its target times the target's. What
 * is left without an outgoing edge, and features without an incoming one, go too. So circuit-tracer prunes.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class GraphPruning {

    /**
     * An edge.
     *
     * @param weight what the source adds to the target
     */
    public record Edge(int source, int target, double weight) {}

    private final AttributionGraph graph;
    private final double nodeThreshold;
    private final double edgeThreshold;
    private final BitSet nodes;
    private final BitSet[] edges;
    private final double[] cumulative;

    private GraphPruning(AttributionGraph graph, double nodeThreshold, double edgeThreshold) {
        this.graph = graph;
        this.nodeThreshold = share(nodeThreshold, "nodes");
        this.edgeThreshold = share(edgeThreshold, "edges");
        double[] influence = Influence.of(graph).nodes();
        this.cumulative = cumulative(influence);
        double least = threshold(influence, nodeThreshold);
        this.nodes = new BitSet(graph.nodes());
        for (int node = 0; node < graph.nodes(); node++) {
            nodes.set(node, influence[node] >= least || node >= graph.tokenNode(0));
        }
        this.edges = influential();
        boolean changed = true;
        while (changed) {
            changed = dropLoose();
        }
    }

    static GraphPruning of(AttributionGraph graph, double nodes, double edges) {
        return new GraphPruning(graph, nodes, edges);
    }

    private static double share(double value, String what) {
        if (!(value >= 0 && value <= 1)) {
            throw new IllegalArgumentException("The share of " + what + " should be from 0 to 1, found " + value);
        }
        return value;
    }

    private BitSet[] influential() {
        double[][] rows = graph.rows();
        double[][] kept = new double[rows.length][];
        for (int row = 0; row < rows.length; row++) {
            kept[row] = new double[rows[row].length];
            if (nodes.get(graph.target(row))) {
                for (int source = nodes.nextSetBit(0); source >= 0 && source < kept[row].length; ) {
                    kept[row][source] = rows[row][source];
                    source = nodes.nextSetBit(source + 1);
                }
            }
        }
        Influence influence = Influence.of(graph, kept);
        double[][] scores = influence.rows();
        for (int row = 0; row < scores.length; row++) {
            double total = influence.total(graph.target(row));
            for (int source = 0; source < scores[row].length; source++) {
                scores[row][source] *= total;
            }
        }
        double least = threshold(
                Arrays.stream(scores)
                        .flatMapToDouble(Arrays::stream)
                        .filter(score -> score > 0)
                        .toArray(),
                edgeThreshold);
        BitSet[] found = new BitSet[scores.length];
        for (int row = 0; row < scores.length; row++) {
            found[row] = new BitSet();
            for (int source = 0; source < scores[row].length; source++) {
                found[row].set(source, scores[row][source] > 0 && scores[row][source] >= least);
            }
        }
        return found;
    }

    /** The least of the largest scores that together are a share of the sum. */
    private static double threshold(double[] scores, double share) {
        double[] ascending = scores.clone();
        Arrays.sort(ascending);
        double sum = Arrays.stream(ascending).sum();
        double reached = 0;
        for (int i = ascending.length - 1; i >= 0; i--) {
            reached += ascending[i];
            if (reached / sum >= share) {
                return ascending[i];
            }
        }
        return ascending.length == 0 ? 0 : ascending[0];
    }

    /** For each node the share of influence that it and those with more have. */
    private static double[] cumulative(double[] influence) {
        double sum = Arrays.stream(influence).sum();
        double[] result = new double[influence.length];
        double reached = 0;
        for (int node : IntStream.range(0, influence.length)
                .boxed()
                .sorted(Comparator.comparingDouble(node -> -influence[node]))
                .mapToInt(Integer::intValue)
                .toArray()) {
            reached += influence[node];
            result[node] = reached / sum;
        }
        return result;
    }

    private boolean dropLoose() {
        BitSet left = new BitSet();
        for (int row = 0; row < edges.length; row++) {
            if (nodes.get(graph.target(row))) {
                edges[row].and(nodes);
                left.or(edges[row]);
            } else {
                edges[row].clear();
            }
        }
        boolean changed = false;
        for (int node = nodes.nextSetBit(0);
                node >= 0 && node < graph.tokenNode(0);
                node = nodes.nextSetBit(node + 1)) {
            boolean unfounded = graph.kind(node) == AttributionGraph.Kind.FEATURE && edges[node].isEmpty();
            if (!left.get(node) || unfounded) {
                nodes.clear(node);
                changed = true;
            }
        }
        return changed;
    }

    /** The graph. */
    public AttributionGraph graph() {
        return graph;
    }

    /** The share of influence that the nodes were to have. */
    public double nodeThreshold() {
        return nodeThreshold;
    }

    /** The share of their influence that the edges were to have. */
    public double edgeThreshold() {
        return edgeThreshold;
    }

    /** The nodes that stay, ascending. */
    public int[] nodes() {
        return nodes.stream().toArray();
    }

    /** Whether a node stays. */
    public boolean has(int node) {
        return nodes.get(node);
    }

    /** Whether an edge stays. */
    public boolean has(int source, int target) {
        int row = graph.row(target);
        return row >= 0 && edges[row].get(source);
    }

    /** The edges that stay, by target and source. */
    public List<Edge> edges() {
        List<Edge> list = new ArrayList<>();
        for (int row = 0; row < edges.length; row++) {
            int target = graph.target(row);
            for (int source : edges[row].stream().toArray()) {
                list.add(new Edge(source, target, graph.edge(source, target)));
            }
        }
        return list;
    }

    /** The share of all influence that a node and those with more have: small for what matters most. */
    public double cumulativeInfluence(int node) {
        return cumulative[node];
    }
}
