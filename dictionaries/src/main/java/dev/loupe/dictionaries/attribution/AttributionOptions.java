package dev.loupe.dictionaries.attribution;

import java.util.List;
import org.apiguardian.api.API;

/**
 * What an attribution graph is made of. The defaults are circuit-tracer's, but for the batch.
 *
 * @param logitProbability the most probable tokens are explained until their probabilities sum up to this
 * @param maxLogits most tokens that are explained
 * @param logits tokens that are explained instead of the most probable ones; none for those
 * @param maxFeatures most features that become nodes; if more are active, those with the most influence on the logits
 * @param batch targets whose derivatives are taken in one run
 * @param skipFirst whether what transcoders see at the first position is left out, as it should be if it is BOS:
 *     activations are out of the ordinary there
 * @param anyOptions whether another model than the one that a transcoder was trained on is taken too, or one loaded
 *     otherwise
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record AttributionOptions(
        double logitProbability,
        int maxLogits,
        List<Long> logits,
        int maxFeatures,
        int batch,
        boolean skipFirst,
        boolean anyOptions) {

    /** Checks the numbers. */
    public AttributionOptions {
        logits = List.copyOf(logits);
        if (!(logitProbability > 0 && logitProbability <= 1)) {
            throw new IllegalArgumentException(
                    "The probability of logits should be above 0 and at most 1, found " + logitProbability);
        }
        if (maxLogits < 1 || maxFeatures < 0 || batch < 1) {
            throw new IllegalArgumentException("At least 1 logit, 0 features and a batch of 1 are needed, found "
                    + maxLogits + ", " + maxFeatures + " and " + batch);
        }
        if (logits.stream().distinct().count() < logits.size()) {
            throw new IllegalArgumentException("A token can be explained once only, found " + logits);
        }
    }

    /** 95 % of probability, at most 10 tokens and 7,500 features; the first position is left out. */
    public static AttributionOptions defaults() {
        return new AttributionOptions(0.95, 10, List.of(), 7_500, 64, true, false);
    }

    /** The same for these tokens instead of the most probable ones. */
    public AttributionOptions withLogits(List<Long> tokens) {
        return new AttributionOptions(logitProbability, maxLogits, tokens, maxFeatures, batch, skipFirst, anyOptions);
    }

    /** The same for the most probable tokens up to a probability and a number. */
    public AttributionOptions withMostProbable(double probability, int most) {
        return new AttributionOptions(probability, most, List.of(), maxFeatures, batch, skipFirst, anyOptions);
    }

    /** The same with at most so many features. */
    public AttributionOptions withMaxFeatures(int most) {
        return new AttributionOptions(logitProbability, maxLogits, logits, most, batch, skipFirst, anyOptions);
    }

    /** The same with so many targets in one run. */
    public AttributionOptions withBatch(int targets) {
        return new AttributionOptions(logitProbability, maxLogits, logits, maxFeatures, targets, skipFirst, anyOptions);
    }

    /** The same with the first position left out or not. */
    public AttributionOptions withSkipFirst(boolean value) {
        return new AttributionOptions(logitProbability, maxLogits, logits, maxFeatures, batch, value, anyOptions);
    }

    /** The same for a model loaded with any options, whatever the transcoders were trained on. */
    public AttributionOptions forAnyOptions() {
        return new AttributionOptions(logitProbability, maxLogits, logits, maxFeatures, batch, skipFirst, true);
    }
}
