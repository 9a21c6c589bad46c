package dev.loupe.dictionaries.attribution;

/**
 * How much each node has to do with the logits. A target's incoming edges, by their sizes, are shares of 1; a node's
 * influence is the sum over all paths to the logits of the products of shares, times the logit's probability. Edges lead
 * to later nodes only, so one pass from the last target to the first has every path.
 *
 * @param graph the graph
 * @param rows sizes of edges as shares of their target's sum, by target
 * @param nodes influence by node, without the weight that logits have of themselves
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Influence(AttributionGraph graph, double[][] rows, double[] nodes) {

    static Influence of(AttributionGraph graph) {
        return of(graph, graph.rows());
    }

    static Influence of(AttributionGraph graph, double[][] edges) {
        double[][] shares = new double[edges.length][];
        for (int row = 0; row < edges.length; row++) {
            shares[row] = shares(edges[row]);
        }
        double[] nodes = new double[graph.nodes()];
        for (int row = edges.length - 1; row >= 0; row--) {
            int target = graph.target(row);
            add(nodes, shares[row], nodes[target] + weight(graph, target));
        }
        return new Influence(graph, shares, nodes);
    }

    /** The sizes of edges as shares of their sum; zeros if there is next to nothing. */
    static double[] shares(double[] edges) {
        double sum = 0;
        for (double edge : edges) {
            sum += Math.abs(edge);
        }
        double[] shares = new double[edges.length];
        for (int i = 0; i < edges.length; i++) {
            shares[i] = Math.abs(edges[i]) / Math.max(sum, 1e-10);
        }
        return shares;
    }

    static void add(double[] nodes, double[] shares, double influence) {
        for (int source = 0; source < shares.length; source++) {
            nodes[source] += influence * shares[source];
        }
    }

    /** What a node counts by itself: a logit its probability, others nothing. */
    private static double weight(AttributionGraph graph, int node) {
        return node < graph.sources()
                ? 0
                : graph.logits().get(node - graph.sources()).probability();
    }

    /** Influence with what the node counts by itself. */
    double total(int node) {
        return nodes[node] + weight(graph, node);
    }

    double replacementScore() {
        double tokens = sum(graph.tokenNode(0), graph.sources());
        double errors = sum(graph.errorNode(0, 0), graph.tokenNode(0));
        return tokens / (tokens + errors);
    }

    private double sum(int from, int to) {
        double sum = 0;
        for (int node = from; node < to; node++) {
            sum += nodes[node];
        }
        return sum;
    }

    double completenessScore() {
        double explained = 0;
        double all = 0;
        for (int node = 0; node < graph.nodes(); node++) {
            double total = total(node);
            all += total;
            explained += total * (1 - fromErrors(graph.row(node)));
        }
        return explained / all;
    }

    // Errors and tokens have no incoming edges, and count as explained.
    private double fromErrors(int row) {
        double sum = 0;
        if (row >= 0) {
            for (int source = graph.errorNode(0, 0); source < graph.tokenNode(0); source++) {
                sum += rows[row][source];
            }
        }
        return sum;
    }
}
