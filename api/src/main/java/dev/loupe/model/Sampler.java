package dev.loupe.model;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;

/** Chooses the next token from logits, as {@link GenerateOptions} says. */
final class Sampler {

    private final GenerateOptions options;
    private final Random random;

    Sampler(GenerateOptions options) {
        this.options = options;
        this.random = new Random(options.seed());
    }

    /**
     * The next token.
     *
     * @param logits of one position
     * @param counts how often each token stands in the text so far
     * @throws IllegalArgumentException if a logit is NaN
     */
    int next(double[] logits, int[] counts) {
        for (int i = 0; i < logits.length; i++) {
            if (Double.isNaN(logits[i])) {
                throw new IllegalArgumentException(
                        "The logit of token " + i + " is NaN, so no next token can be chosen."
                                + " Observe the residual stream to find the first layer where NaN appears.");
            }
        }
        if (options.temperature() == 0) {
            return best(logits);
        }
        double[] scores = new double[logits.length];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = logits[i] / options.temperature() - options.freqPenalty() * counts[i];
        }
        Integer[] order = new Integer[scores.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble((Integer i) -> -scores[i]).thenComparingInt(i -> i));
        int kept = options.topK() > 0 ? Math.min(options.topK(), order.length) : order.length;
        double[] probabilities = softmax(scores, order, kept);
        if (options.topP() < 1) {
            double sum = 0;
            int last = 0;
            while (last < kept && sum + probabilities[last] <= options.topP()) {
                sum += probabilities[last++];
            }
            // The token that crosses the threshold is kept.
            kept = Math.min(kept, last + 1);
            probabilities = softmax(scores, order, kept);
        }
        double drawn = random.nextDouble();
        for (int i = 0; i < kept; i++) {
            drawn -= probabilities[i];
            if (drawn < 0) {
                return order[i];
            }
        }
        return order[kept - 1];
    }

    private static double[] softmax(double[] scores, Integer[] order, int kept) {
        double[] probabilities = new double[kept];
        double sum = 0;
        for (int i = 0; i < kept; i++) {
            probabilities[i] = Math.exp(scores[order[i]] - scores[order[0]]);
            sum += probabilities[i];
        }
        for (int i = 0; i < kept; i++) {
            probabilities[i] /= sum;
        }
        return probabilities;
    }

    private static int best(double[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }
}
