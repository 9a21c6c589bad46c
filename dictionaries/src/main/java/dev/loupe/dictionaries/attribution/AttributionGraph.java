package dev.loupe.dictionaries.attribution;

import dev.loupe.dictionaries.Dictionary;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * What led to the next token of a prompt, with transcoders in the place of the MLPs: how much each active feature, each
 * token and each error of a transcoder adds directly to the features of later layers and to the logits. Attention patterns
 * and the scales of norms are those of the run, and frozen; then everything is linear, and an edge's weight is exactly
 * what its source adds to its target: for a feature, to what enters its activation function; for a logit, to its
 * difference from the mean logit, before a soft cap. So for each target
 *
 * <p>{@code value = Σ edges + left out + bias},
 *
 * <p>where what was left out are features beyond the limit, and the bias is what the target would be if no token were
 * embedded and no feature active. Nodes are numbered as in circuit-tracer: features by layer, position and number; errors
 * by layer and position; tokens; logits. Immutable.
 *
 * <pre>{@code
 * AttributionGraph graph = AttributionGraph.of(model, Dictionaries.loadSet("toy-gpt2.transcoders"), tokens);
 * GraphPruning pruning = graph.prune(0.8, 0.98);
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class AttributionGraph {

    /**
     * An active feature.
     *
     * @param layer of its transcoder
     * @param position of the token
     * @param feature its number
     * @param activation how active it is
     * @param preActivation what enters its activation function, to which its incoming edges sum up
     */
    public record Feature(int layer, int position, int feature, double activation, double preActivation) {}

    /**
     * A token that the model may say next.
     *
     * @param token its id
     * @param probability after the prompt
     * @param value its logit minus the mean of all, before a soft cap
     */
    public record Logit(long token, double probability, double value) {}

    /** What a node is. */
    public enum Kind {
        /** An active feature of a transcoder. */
        FEATURE,
        /** What a transcoder misses at a position; of a layer without one, all that its MLP writes. */
        ERROR,
        /** A token's embedding, without its position's. */
        TOKEN,
        /** A token that may come next. */
        LOGIT
    }

    private final Parts parts;

    /**
     * What a graph is put together from.
     *
     * @param edges rows of features, then of logits; columns of features, errors and tokens
     * @param leftOut what features beyond the limit add, by row
     * @param bias by row
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Parts(
            String model,
            long[] tokens,
            int layers,
            List<Feature> features,
            List<Logit> logits,
            int activeFeatures,
            double[][] edges,
            double[] leftOut,
            double[] bias,
            boolean wholeFirst) {}

    AttributionGraph(Parts parts) {
        this.parts = parts;
    }

    /**
     * The graph of a prompt.
     *
     * @param transcoders for the layers; an MLP without one is all error
     * @param tokens one sequence without padding
     * @throws IllegalArgumentException if a transcoder doesn't fit, or isn't one
     */
    public static AttributionGraph of(HookedTransformer model, List<Dictionary> transcoders, Tokens tokens) {
        return of(model, transcoders, tokens, AttributionOptions.defaults());
    }

    /** The graph of a prompt, with options. */
    public static AttributionGraph of(
            HookedTransformer model, List<Dictionary> transcoders, Tokens tokens, AttributionOptions options) {
        return new Tracing(model, transcoders, tokens, options).graph();
    }

    /** Name of the model. */
    public String model() {
        return parts.model();
    }

    /** Ids of the prompt's tokens. */
    public long[] tokens() {
        return parts.tokens().clone();
    }

    /** Number of positions. */
    public int positions() {
        return parts.tokens().length;
    }

    /** Number of layers. */
    public int layers() {
        return parts.layers();
    }

    /** The features that are nodes, by layer, position and number. */
    public List<Feature> features() {
        return parts.features();
    }

    /** How many features are active, nodes or not. */
    public int activeFeatures() {
        return parts.activeFeatures();
    }

    /** The tokens that are explained, the most probable first. */
    public List<Logit> logits() {
        return parts.logits();
    }

    /** Whether transcoders were left out at the first position, whose MLPs count as bias then. */
    public boolean skipsFirst() {
        return parts.wholeFirst();
    }

    // Nodes.

    /** Number of nodes. */
    public int nodes() {
        return sources() + logits().size();
    }

    /** Number of nodes that have outgoing edges: all but logits. */
    public int sources() {
        return tokenNode(positions());
    }

    /** The node of a feature, by its place among {@link #features}. */
    public int featureNode(int index) {
        return Objects.checkIndex(index, features().size());
    }

    /** The node of a transcoder's error. */
    public int errorNode(int layer, int position) {
        return features().size() + layer * positions() + position;
    }

    /** The node of a token. */
    public int tokenNode(int position) {
        return features().size() + layers() * positions() + position;
    }

    /** The node of a logit, by its place among {@link #logits}. */
    public int logitNode(int index) {
        return sources() + index;
    }

    /** What a node is. */
    public Kind kind(int node) {
        Objects.checkIndex(node, nodes());
        if (node < errorNode(0, 0)) {
            return Kind.FEATURE;
        } else if (node < tokenNode(0)) {
            return Kind.ERROR;
        }
        return node < sources() ? Kind.TOKEN : Kind.LOGIT;
    }

    /** The layer of a feature or an error; −1 for a token, the number of layers for a logit. */
    public int layer(int node) {
        return switch (kind(node)) {
            case FEATURE -> features().get(node).layer();
            case ERROR -> (node - features().size()) / positions();
            case TOKEN -> -1;
            case LOGIT -> layers();
        };
    }

    /** The position of a node. */
    public int position(int node) {
        return switch (kind(node)) {
            case FEATURE -> features().get(node).position();
            case ERROR -> (node - features().size()) % positions();
            case TOKEN -> node - tokenNode(0);
            case LOGIT -> positions() - 1;
        };
    }

    // Edges.

    /** What a source adds to a target directly; 0 if there is no edge. */
    public double edge(int source, int target) {
        Objects.checkIndex(source, nodes());
        int row = row(target);
        return row < 0 || source >= sources() ? 0 : parts.edges()[row][source];
    }

    /** What leads to a target and isn't a node: biases, position embeddings, transcoders at a first position left out. */
    public double bias(int target) {
        return parts.bias()[targetRow(target)];
    }

    /** What features beyond the limit add to a target. */
    public double leftOut(int target) {
        return parts.leftOut()[targetRow(target)];
    }

    /** A target's value in the run, to which its edges, its bias and what was left out sum up. */
    public double value(int target) {
        return kind(target) == Kind.FEATURE
                ? features().get(target).preActivation()
                : logits().get(targetRow(target) - features().size()).value();
    }

    private int targetRow(int target) {
        int row = row(target);
        if (row < 0) {
            throw new IllegalArgumentException(
                    "Only features and logits have incoming edges; node " + target + " is of kind " + kind(target));
        }
        return row;
    }

    /** The row of a node that can have incoming edges; −1 for others. */
    int row(int node) {
        return switch (kind(node)) {
            case FEATURE -> node;
            case LOGIT -> node - sources() + features().size();
            case ERROR, TOKEN -> -1;
        };
    }

    /** The node of a row. */
    int target(int row) {
        return row < features().size() ? row : row - features().size() + sources();
    }

    double[][] rows() {
        return parts.edges();
    }

    // What it comes to.

    /** What each node contributes to the logits, each by its probability, over all paths; see {@link GraphPruning}. */
    public double[] influence() {
        return Influence.of(this).nodes();
    }

    /**
     * The share of influence from tokens and errors together that is the tokens': what runs through features, not through
     * errors.
     */
    public double replacementScore() {
        return Influence.of(this).replacementScore();
    }

    /**
     * The share of incoming edges that don't come from errors, each node weighted by its influence on the logits: how much
     * of what happens the graph explains.
     */
    public double completenessScore() {
        return Influence.of(this).completenessScore();
    }

    /**
     * What matters most of the graph.
     *
     * @param nodes share of all influence that the nodes that stay have; circuit-tracer's default is 0.8
     * @param edges share of their edges' influence that the edges that stay have; 0.98
     */
    public GraphPruning prune(double nodes, double edges) {
        return GraphPruning.of(this, nodes, edges);
    }

    @Override
    public String toString() {
        return "AttributionGraph of " + model() + ": " + features().size() + " features of " + activeFeatures()
                + " active, " + positions() + " tokens, " + logits().size() + " logits";
    }
}
