package dev.loupe.dictionaries.attribution;

import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.attribution.AttributionGraph.Feature;
import dev.loupe.dictionaries.attribution.AttributionGraph.Logit;
import dev.loupe.dictionaries.attribution.FrozenRun.Active;
import dev.loupe.dictionaries.attribution.FrozenRun.Next;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Makes an attribution graph: from logits to features, the most influential first if there are too many. */
final class Tracing {

    /** How many runs go by before influence is estimated anew. */
    private static final int RUNS_BETWEEN_ESTIMATES = 4;

    private final HookedTransformer plain;
    private final LocalReplacement replacement;
    private final Tokens tokens;
    private final AttributionOptions options;

    Tracing(HookedTransformer model, List<Dictionary> transcoders, Tokens tokens, AttributionOptions options) {
        if (tokens.batch() != 1 || tokens.hasPadding()) {
            throw new IllegalArgumentException("An attribution graph is that of one sequence without padding, found "
                    + tokens.batch() + " sequences" + (tokens.hasPadding() ? " with padding" : ""));
        }
        this.plain = model;
        this.replacement = new LocalReplacement(model, transcoders, options.anyOptions());
        this.tokens = tokens;
        this.options = options;
    }

    AttributionGraph graph() {
        try (TensorScope scope = TensorScope.open();
                HookedTransformer linear = plain.with(replacement)) {
            FrozenRun run = new FrozenRun(linear, replacement, tokens, options.skipFirst());
            Directions directions = new Directions(run);
            long[] ids = logits(run.probabilities());
            Tensor reads = run.logitReads(ids);
            List<Next> next = run.next(ids, reads);
            int[] last = new int[ids.length];
            Arrays.fill(last, tokens.positions() - 1);
            double[][] logitRows = directions.rows(LocalReplacement.UNEMBEDDED, replacement.layers(), last, reads);
            Map<Integer, double[]> featureRows = new HashMap<>();
            BitSet chosen = features(run, directions, featureRows, logitRows, next);
            return put(run, chosen, featureRows, next, logitRows);
        }
    }

    // Targets.

    private long[] logits(double[] probabilities) {
        if (options.logits().isEmpty()) {
            return mostProbable(probabilities);
        }
        options.logits().forEach(id -> {
            if (id < 0 || id >= probabilities.length) {
                throw new IllegalArgumentException(
                        "There is no token " + id + "; the vocabulary has " + probabilities.length + " tokens");
            }
        });
        return options.logits().stream()
                .sorted(Comparator.comparingDouble((Long id) -> -probabilities[Math.toIntExact(id)]))
                .mapToLong(Long::longValue)
                .toArray();
    }

    private long[] mostProbable(double[] probabilities) {
        int[] order = IntStream.range(0, probabilities.length)
                .boxed()
                .sorted(Comparator.comparingDouble(id -> -probabilities[id]))
                .limit(options.maxLogits())
                .mapToInt(Integer::intValue)
                .toArray();
        double sum = 0;
        List<Long> chosen = new ArrayList<>();
        for (int id : order) {
            chosen.add((long) id);
            sum += probabilities[id];
            if (sum >= options.logitProbability()) {
                break;
            }
        }
        return chosen.stream().mapToLong(Long::longValue).toArray();
    }

    /** Fills in the rows of features, of all or of the most influential ones; says of which. */
    private BitSet features(
            FrozenRun run, Directions directions, Map<Integer, double[]> rows, double[][] logitRows, List<Next> next) {
        BitSet done = new BitSet();
        int all = run.active().size();
        int wanted = Math.min(options.maxFeatures(), all);
        while (done.cardinality() < wanted) {
            List<Integer> open = IntStream.range(0, all)
                    .filter(index -> !done.get(index))
                    .boxed()
                    .toList();
            if (wanted < all) {
                double[] influence = influence(all, rows, logitRows, next);
                int some = Math.min(wanted - done.cardinality(), RUNS_BETWEEN_ESTIMATES * options.batch());
                open = open.stream()
                        .sorted(Comparator.comparingDouble(index -> -influence[index]))
                        .limit(some)
                        .sorted()
                        .toList();
            }
            int from = 0;
            while (from < open.size()) {
                int to = endOfBatch(run.active(), open, from);
                fill(run, directions, open.subList(from, to), rows);
                open.subList(from, to).forEach(done::set);
                from = to;
            }
        }
        return done;
    }

    /** Features of one layer are taken together, as many as the batch has room for. */
    private int endOfBatch(List<Active> active, List<Integer> open, int from) {
        int layer = active.get(open.get(from)).layer();
        int to = from;
        while (to < open.size()
                && to - from < options.batch()
                && active.get(open.get(to)).layer() == layer) {
            to++;
        }
        return to;
    }

    private static void fill(
            FrozenRun run, Directions directions, List<Integer> together, Map<Integer, double[]> rows) {
        List<Active> targets = together.stream().map(run.active()::get).toList();
        int number = targets.get(0).layer();
        FrozenRun.Layer layer = run.layer(number);
        Dictionary dictionary = run.replacement().transcoder(number);
        if (layer == null || dictionary == null) {
            throw new IllegalStateException("Layer " + number + " has features and no transcoder");
        }
        try (TensorScope scope = TensorScope.open()) {
            double[][] found = directions.rows(
                    dictionary.config().hookIn(),
                    number,
                    targets.stream().mapToInt(Active::position).toArray(),
                    layer.reads()
                            .pick(0, targets.stream().mapToLong(Active::index).toArray()));
            for (int i = 0; i < found.length; i++) {
                rows.put(together.get(i), found[i]);
            }
        }
    }

    // By what is known of the edges so far; what comes to a feature whose edges aren't known ends there.
    private static double[] influence(
            int features, Map<Integer, double[]> rows, double[][] logitRows, List<Next> next) {
        double[] nodes = new double[logitRows[0].length];
        for (int i = 0; i < logitRows.length; i++) {
            Influence.add(nodes, Influence.shares(logitRows[i]), next.get(i).probability());
        }
        for (int i = features - 1; i >= 0; i--) {
            double[] row = rows.get(i);
            if (row != null) {
                Influence.add(nodes, Influence.shares(row), nodes[i]);
            }
        }
        return nodes;
    }

    private AttributionGraph put(
            FrozenRun run, BitSet chosen, Map<Integer, double[]> featureRows, List<Next> next, double[][] logitRows) {
        int targets = chosen.cardinality() + next.size();
        double[][] edges = new double[targets][];
        double[] leftOut = new double[targets];
        double[] bias = new double[targets];
        List<Feature> features = new ArrayList<>();
        for (int index : chosen.stream().toArray()) {
            Active source = run.active().get(index);
            double[] row = featureRows.get(index);
            if (row == null) {
                throw new IllegalStateException("The edges to " + source + " aren't known");
            }
            int at = features.size();
            edges[at] = taken(row, run.active().size(), chosen, leftOut, at);
            bias[at] = source.bias();
            features.add(new Feature(
                    source.layer(), source.position(), source.feature(), source.activation(), source.value()));
        }
        List<Logit> logits = new ArrayList<>();
        for (int i = 0; i < next.size(); i++) {
            int at = features.size() + i;
            edges[at] = taken(logitRows[i], run.active().size(), chosen, leftOut, at);
            bias[at] = next.get(i).bias();
            logits.add(new Logit(
                    next.get(i).token(), next.get(i).probability(), next.get(i).value()));
        }
        return new AttributionGraph(new AttributionGraph.Parts(
                plain.config().modelName(),
                tokens.row(0),
                replacement.layers(),
                List.copyOf(features),
                List.copyOf(logits),
                run.active().size(),
                edges,
                leftOut,
                bias,
                run.skipsFirst()));
    }

    /** A row without the features that weren't chosen, which are summed up. */
    private static double[] taken(double[] row, int features, BitSet chosen, double[] leftOut, int at) {
        double[] result = new double[row.length - features + chosen.cardinality()];
        int to = 0;
        for (int source = 0; source < row.length; source++) {
            if (source >= features || chosen.get(source)) {
                result[to++] = row[source];
            } else {
                leftOut[at] += row[source];
            }
        }
        return result;
    }
}
