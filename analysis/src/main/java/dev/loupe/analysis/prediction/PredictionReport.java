package dev.loupe.analysis.prediction;

import dev.loupe.analysis.residual.LensReading;
import dev.loupe.analysis.residual.LogitDifference;
import dev.loupe.analysis.residual.LogitLens;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apiguardian.api.API;

/**
 * How a model comes to the token that follows a text: its predictions, what it would have said after each layer, where
 * its heads look from the last token, and which parts speak for the first prediction against the second.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class PredictionReport {

    private static final int LENS_CANDIDATES = 3;

    private final List<NextTokens.Candidate> predictions;
    private final LensReading lens;
    private final List<HeadFocus> heads;
    private final List<Contribution> contributions;

    /**
     * Where a head looks most from the last token.
     *
     * @param position the token that it looks at
     * @param weight its share of the head's attention, from 0 to 1
     */
    public record HeadFocus(int layer, int head, int position, double weight) {}

    /**
     * What one part of the model adds directly to the difference between the logits of the first two predictions.
     *
     * @param component {@code embed}, {@code L1H0}, {@code 3_mlp_out}, {@code b_U}, …
     */
    public record Contribution(String component, double logitDifference) {}

    private PredictionReport(
            List<NextTokens.Candidate> predictions,
            LensReading lens,
            List<HeadFocus> heads,
            List<Contribution> contributions) {
        this.predictions = List.copyOf(predictions);
        this.lens = lens;
        this.heads = List.copyOf(heads);
        this.contributions = List.copyOf(contributions);
    }

    /**
     * Reads a run of one text.
     *
     * @param run with all standard hook points
     * @param tokens those of the run: one sequence without padding
     * @param count how many predictions, 2 or more
     */
    public static PredictionReport of(CachedRun run, Tokens tokens, int count) {
        if (count < 2) {
            throw new IllegalArgumentException("Two predictions are compared, so at least 2 are needed, got " + count);
        }
        if (tokens.batch() != 1 || tokens.lastReal(0) != tokens.positions() - 1 || !tokens.isReal(0, 0)) {
            throw new IllegalArgumentException("One sequence without padding is read, got " + tokens);
        }
        List<NextTokens.Candidate> predictions =
                NextTokens.afterEach(run.logits(), tokens, count).get(0).candidates();
        LensReading lens = LogitLens.of(run.cache())
                .topK(LENS_CANDIDATES)
                .watch(predictions.get(0).id())
                .read();
        return new PredictionReport(predictions, lens, heads(run.cache()), contributions(run.cache(), predictions));
    }

    private static List<HeadFocus> heads(ActivationCache cache) {
        List<HeadFocus> heads = new ArrayList<>();
        for (int layer = 0; layer < cache.model().config().nLayers(); layer++) {
            // [head, key], from the last query.
            Tensor pattern = cache.get("pattern", layer).get(0).select(1, -1);
            double[] weights = pattern.toDoubleArray();
            int keys = (int) pattern.size(1);
            for (int head = 0; head < pattern.size(0); head++) {
                int best = 0;
                for (int key = 1; key < keys; key++) {
                    best = weights[head * keys + key] > weights[head * keys + best] ? key : best;
                }
                heads.add(new HeadFocus(layer, head, best, weights[head * keys + best]));
            }
        }
        return heads;
    }

    private static List<Contribution> contributions(ActivationCache cache, List<NextTokens.Candidate> predictions) {
        return LogitDifference.parts(
                        cache, 0, predictions.get(0).id(), predictions.get(1).id())
                .stream()
                .map(part -> new Contribution(part.name(), part.value()))
                .sorted(Comparator.comparingDouble(c -> -Math.abs(c.logitDifference())))
                .toList();
    }

    /** The likeliest next tokens, the likeliest first. */
    public List<NextTokens.Candidate> predictions() {
        return predictions;
    }

    /** What the model would say after each layer; the first prediction is watched. */
    public LensReading lens() {
        return lens;
    }

    /** Where each head looks most from the last token, by layer, then by head. */
    public List<HeadFocus> heads() {
        return heads;
    }

    /** Who speaks for the first prediction (positive) and for the second (negative); the largest amount first. */
    public List<Contribution> contributions() {
        return contributions;
    }

    /** The logit of the first prediction minus that of the second. */
    public double logitDifference() {
        return predictions.get(0).logit() - predictions.get(1).logit();
    }

    /**
     * What of the difference no part accounts for: 0 but for rounding, unless the final norm has weights of its own (a
     * model that was loaded without processing) or the logits are capped.
     */
    public double unattributed() {
        return logitDifference()
                - contributions.stream()
                        .mapToDouble(Contribution::logitDifference)
                        .sum();
    }
}
