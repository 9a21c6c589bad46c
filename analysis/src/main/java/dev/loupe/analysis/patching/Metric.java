package dev.loupe.analysis.patching;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** One number that says how a run went. */
@FunctionalInterface
public interface Metric {

    /**
     * The number for a run.
     *
     * @param logits [batch, positions, d_vocab]: all positions, or those that {@link #positions} names, in its order
     */
    double of(Tensor logits);

    /**
     * The positions whose logits are looked at; negative ones count from the end. All if empty. Naming them saves the
     * unembedding of all others.
     */
    default Optional<int[]> positions() {
        return Optional.empty();
    }

    /** A metric that looks at some positions only. */
    static Metric at(int[] positions, ToDoubleFunction<Tensor> function) {
        int[] copy = positions.clone();
        return new Metric() {
            @Override
            public double of(Tensor logits) {
                return function.applyAsDouble(logits);
            }

            @Override
            public Optional<int[]> positions() {
                return Optional.of(copy.clone());
            }
        };
    }

    /** The last position's logit of one token minus that of another, mean over the batch. */
    static Metric logitDifference(long answer, long wrong) {
        return at(
                new int[] {-1},
                logits -> logits.select(1, -1)
                        .pick(-1, answer)
                        .sub(logits.select(1, -1).pick(-1, wrong))
                        .mean()
                        .item());
    }

    /**
     * The last position's logit of one token minus that of another, by their texts, mean over the batch.
     *
     * @throws IllegalArgumentException if a text isn't one token
     */
    static Metric logitDifference(HookedTransformer model, String answer, String wrong) {
        return logitDifference(model.toSingleToken(answer), model.toSingleToken(wrong));
    }

    /**
     * At each sequence's last real token, the logit of its answer minus that of its wrong answer, mean over the batch.
     *
     * @param tokens the batch, padded or not
     * @param answers one for each sequence
     * @param wrongs one for each sequence
     */
    static Metric logitDifference(Tokens tokens, long[] answers, long[] wrongs) {
        if (answers.length != tokens.batch() || wrongs.length != tokens.batch()) {
            throw new IllegalArgumentException("A batch of " + tokens.batch() + " needs as many answers, got "
                    + answers.length + " and " + wrongs.length + " wrong ones");
        }
        int[] last = new int[tokens.batch()];
        Arrays.setAll(last, tokens::lastReal);
        int[] positions = Arrays.stream(last).distinct().sorted().toArray();
        return at(positions, logits -> {
            double sum = 0;
            for (int row = 0; row < last.length; row++) {
                double[] pair = logits.select(0, row)
                        .select(0, Arrays.binarySearch(positions, last[row]))
                        .pick(-1, answers[row], wrongs[row])
                        .toDoubleArray();
                sum += pair[0] - pair[1];
            }
            return sum / last.length;
        });
    }

    /**
     * This metric on a scale from 0, what the corrupted run has, to 1, what the clean run has.
     *
     * @throws IllegalArgumentException if both have the same
     */
    default Metric normalized(double corrupted, double clean) {
        if (corrupted == clean || Double.isNaN(corrupted) || Double.isNaN(clean)) {
            throw new IllegalArgumentException("A metric that is " + clean + " for the clean and " + corrupted
                    + " for the corrupted run can't be normalised: there is nothing to bring back");
        }
        Metric raw = this;
        return new Metric() {
            @Override
            public double of(Tensor logits) {
                return (raw.of(logits) - corrupted) / (clean - corrupted);
            }

            @Override
            public Optional<int[]> positions() {
                return raw.positions();
            }
        };
    }

    /** This metric on a plain run: for baselines. */
    default double ofRun(HookedTransformer model, Tokens tokens) {
        return PatchRunner.measure(model, tokens, this);
    }
}
