package dev.loupe.analysis.heads;

import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/** Scores of every head [layer, head] by what it attends to in a cached run: mean over the batch. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HeadScores {

    /** How a pattern is held against the one that is looked for. */
    public enum ErrorMeasure {
        /** The share of all attention that falls on the pattern. */
        MUL,
        /** 1 minus the mean over queries of the sum of absolute differences. */
        ABS
    }

    /** A score for one sequence of one head. */
    private interface Score {
        double of(double[] pattern, int from, int row);
    }

    private final ActivationCache cache;
    private final HookedTransformer model;

    private HeadScores(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
    }

    /** Scores of the heads of a cached run. */
    public static HeadScores of(ActivationCache cache) {
        return new HeadScores(cache);
    }

    /** How much each head attends to the token before, from tokens that have one. */
    public Tensor previousToken(Tokens tokens) {
        return attentionOn(DetectionPattern.previousToken(tokens));
    }

    /** How much each head attends to earlier occurrences of the same token, from tokens that have some. */
    public Tensor duplicateToken(Tokens tokens) {
        return attentionOn(DetectionPattern.duplicateToken(tokens));
    }

    /**
     * How much each head attends to what came after earlier occurrences of the same token, from tokens that have some.
     * Best asked of {@link RepeatedTokens}.
     */
    public Tensor induction(Tokens tokens) {
        return attentionOn(DetectionPattern.induction(tokens));
    }

    /**
     * How much of their attention queries spend on a pattern: mean over the queries that the pattern gives something to
     * look at. From 0 to 1; 0 if there is no such query.
     */
    public Tensor attentionOn(DetectionPattern pattern) {
        int length = pattern.positions();
        return scores(pattern.batch(), length, (attention, from, row) -> {
            double sum = 0;
            int queries = 0;
            for (int query = 0; query < length; query++) {
                double spent = 0;
                boolean any = false;
                for (int key = 0; key <= query; key++) {
                    double weight = pattern.weight(row, query, key);
                    any |= weight != 0;
                    spent += weight * attention[from + query * length + key];
                }
                sum += spent;
                queries += any ? 1 : 0;
            }
            return queries == 0 ? 0 : sum / queries;
        });
    }

    /**
     * How like a pattern each head's attention is: the original's {@code detect_head}.
     *
     * @param excludeBos leaves out attention to the first position
     * @param excludeCurrentToken leaves out attention of tokens to themselves
     */
    public Tensor detectHead(
            DetectionPattern pattern, boolean excludeBos, boolean excludeCurrentToken, ErrorMeasure measure) {
        int length = pattern.positions();
        return scores(pattern.batch(), length, (attention, from, row) -> {
            double shared = 0;
            double all = 0;
            double apart = 0;
            for (int query = 0; query < length; query++) {
                for (int key = 0; key <= query; key++) {
                    boolean excluded = excludeBos && key == 0 || excludeCurrentToken && key == query;
                    double weight = pattern.weight(row, query, key);
                    double value = attention[from + query * length + key];
                    shared += excluded ? 0 : value * weight;
                    all += excluded ? 0 : value;
                    apart += excluded ? 0 : Math.abs(value - weight);
                }
            }
            return measure == ErrorMeasure.ABS ? 1 - apart / length : all == 0 ? 0 : shared / all;
        });
    }

    /**
     * How much each head attends from one position to some others.
     *
     * @param query negative from the end
     * @param keys negative from the end
     */
    public Tensor attentionTo(int query, int... keys) {
        RequiredActivations.check(cache, "attentionTo", patternNames());
        Tensor first = pattern(0);
        int length = (int) first.size(-1);
        int from = position(query, length);
        int[] to = Arrays.stream(keys).map(key -> position(key, length)).toArray();
        return scores((int) first.size(0), length, (attention, start, row) -> {
            double sum = 0;
            for (int key : to) {
                sum += attention[start + from * length + key];
            }
            return sum;
        });
    }

    private static int position(int position, int length) {
        int place = position < 0 ? position + length : position;
        if (place < 0 || place >= length) {
            throw new IndexOutOfBoundsException("There is no position " + position + " among " + length);
        }
        return place;
    }

    private List<String> patternNames() {
        return RequiredActivations.ofLayers(cache, "pattern", model.config().nLayers());
    }

    /** [batch, head, query, key]. */
    private Tensor pattern(int layer) {
        Tensor pattern = cache.get("pattern", layer);
        return cache.hasBatchDim() ? pattern : pattern.unsqueeze(0);
    }

    private Tensor scores(int batch, int length, Score score) {
        RequiredActivations.check(cache, "Scores of heads", patternNames());
        int layers = model.config().nLayers();
        int heads = model.config().nHeads();
        float[] scores = new float[layers * heads];
        for (int layer = 0; layer < layers; layer++) {
            Tensor pattern = pattern(layer);
            if (pattern.size(0) != batch || pattern.size(-1) != length || pattern.size(-2) != length) {
                throw new IllegalArgumentException("The tokens are [" + batch + ", " + length
                        + "], but the cached patterns are " + pattern.shape() + ": give the tokens of the cached run");
            }
            double[] numbers = pattern.toDoubleArray();
            for (int head = 0; head < heads; head++) {
                double sum = 0;
                for (int row = 0; row < batch; row++) {
                    sum += score.of(numbers, (row * heads + head) * length * length, row);
                }
                scores[layer * heads + head] = (float) (sum / batch);
            }
        }
        return model.tensors().of(scores, layers, heads);
    }
}
