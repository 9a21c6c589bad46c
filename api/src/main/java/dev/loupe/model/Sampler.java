package dev.loupe.model;

import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Chooses next tokens from logits, as a {@link Sampling} says. It goes on in one sequence of random numbers from choice to
 * choice; not safe for several threads.
 *
 * <pre>{@code
 * Sampler sampler = Sampling.of(0.8, 42).withTopK(50).sampler();
 * long[] next = sampler.sample(model.forward(tokens).select(1, -1)); // one for each sequence
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Sampler {

    private final Sampling how;
    private final Random random;

    Sampler(Sampling how) {
        this.how = how;
        this.random = new Random(how.seed());
    }

    /**
     * A token for each sequence, the text so far disregarded.
     *
     * @param logits [batch, d_vocab], or [d_vocab] for one sequence
     * @throws IllegalArgumentException if a logit is NaN, or the logits have another rank, or there is a penalty on what
     *     stands in the text, which has to be given for that
     */
    public long[] sample(Tensor logits) {
        if (how.freqPenalty() != 0 || how.repetitionPenalty() != 1) {
            throw new IllegalArgumentException("A penalty on tokens that stand in the text needs the text:"
                    + " give it with sample(logits, soFar)");
        }
        return choose(logits, null);
    }

    /**
     * A token for each sequence.
     *
     * @param logits [batch, d_vocab], or [d_vocab] for one sequence
     * @param soFar the ids of each sequence so far, which penalties count
     * @throws IllegalArgumentException if a logit is NaN, or there isn't one text for each sequence, or an id is outside the
     *     vocabulary
     */
    public long[] sample(Tensor logits, List<long[]> soFar) {
        return choose(logits, soFar);
    }

    private long[] choose(Tensor logits, @Nullable List<long[]> soFar) {
        if (logits.rank() != 1 && logits.rank() != 2) {
            throw new IllegalArgumentException("Tokens are chosen from logits [batch, d_vocab] or [d_vocab], got "
                    + logits.describe() + "; choose a position first, such as select(1, -1)");
        }
        int batch = logits.rank() == 1 ? 1 : (int) logits.size(0);
        int width = (int) logits.size(-1);
        if (width == 0) {
            throw new IllegalArgumentException("There are no logits to choose from in " + logits.describe());
        }
        if (soFar != null && soFar.size() != batch) {
            throw new IllegalArgumentException(
                    soFar.size() + " texts so far for logits of " + batch + " sequences " + logits.shape());
        }
        double[] flat = logits.toDoubleArray();
        long[] chosen = new long[batch];
        for (int row = 0; row < batch; row++) {
            int[] counts = new int[width];
            if (soFar != null) {
                count(soFar.get(row), counts);
            }
            chosen[row] = next(Arrays.copyOfRange(flat, row * width, (row + 1) * width), counts);
        }
        return chosen;
    }

    private static void count(long[] ids, int[] counts) {
        for (long id : ids) {
            if (id < 0 || id >= counts.length) {
                throw new IllegalArgumentException("Token id " + id + " of the text so far is out of range: there are "
                        + counts.length + " logits");
            }
            counts[(int) id]++;
        }
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
        double[] scores = new double[logits.length];
        for (int i = 0; i < scores.length; i++) {
            boolean repeated = how.repetitionPenalty() != 1 && counts[i] > 0;
            scores[i] = !repeated
                    ? logits[i]
                    : logits[i] > 0 ? logits[i] / how.repetitionPenalty() : logits[i] * how.repetitionPenalty();
        }
        if (how.isGreedy()) {
            return best(scores);
        }
        for (int i = 0; i < scores.length; i++) {
            scores[i] = scores[i] / how.temperature() - how.freqPenalty() * counts[i];
        }
        return draw(scores);
    }

    private int draw(double[] scores) {
        int[] order = IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer i) -> -scores[i]).thenComparingInt(i -> i))
                .mapToInt(Integer::intValue)
                .toArray();
        int kept = how.topK() > 0 ? Math.min(how.topK(), order.length) : order.length;
        double[] probabilities = softmax(scores, order, kept);
        if (how.topP() < 1) {
            double sum = 0;
            int last = 0;
            while (last < kept && sum + probabilities[last] <= how.topP()) {
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

    private static double[] softmax(double[] scores, int[] order, int kept) {
        double[] probabilities = new double[kept];
        double sum = 0;
        for (int i = 0; i < kept; i++) {
            // Two infinities have no difference, and as logits they are alike.
            double behind = scores[order[i]] == scores[order[0]] ? 0 : scores[order[i]] - scores[order[0]];
            probabilities[i] = Math.exp(behind);
            sum += probabilities[i];
        }
        for (int i = 0; i < kept; i++) {
            probabilities[i] /= sum;
        }
        return probabilities;
    }

    private static int best(double[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            if (scores[i] > scores[best]) {
                best = i;
            }
        }
        return best;
    }
}
