package dev.loupe.analysis.patching;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.apiguardian.api.API;

/** One number that says how a run went. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface LogitMetric {

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

    /**
     * This metric for runs on these tokens: one that means last tokens knows there where they are. Whatever takes a
     * metric of a run asks for this first.
     *
     * @param tokens the batch, padded or not
     */
    default LogitMetric on(Tokens tokens) {
        return this;
    }

    /** A metric that looks at some positions only. */
    static LogitMetric at(int[] positions, ToDoubleFunction<Tensor> function) {
        int[] copy = positions.clone();
        return new LogitMetric() {
            @Override
            public double of(Tensor logits) {
                return function.applyAsDouble(logits);
            }

            @Override
            public Optional<int[]> positions() {
                return Optional.of(copy.clone());
            }

            @Override
            public String toString() {
                return "a number of the logits at positions " + Arrays.toString(copy);
            }
        };
    }

    /**
     * At each sequence's last real token, the logit of one token minus that of another, mean over the batch. Taken {@link
     * #of} logits alone, it can't know of padding and looks at the last position.
     */
    static LogitMetric logitDifference(long answer, long wrong) {
        return new LogitMetric() {
            @Override
            public double of(Tensor logits) {
                Tensor last = logits.select(1, -1);
                return last.pick(-1, answer).sub(last.pick(-1, wrong)).mean().item();
            }

            @Override
            public Optional<int[]> positions() {
                return Optional.of(new int[] {-1});
            }

            @Override
            public LogitMetric on(Tokens tokens) {
                long[] answers = new long[tokens.batch()];
                long[] wrongs = new long[tokens.batch()];
                Arrays.fill(answers, answer);
                Arrays.fill(wrongs, wrong);
                return tokens.hasPadding() ? logitDifference(tokens, answers, wrongs) : this;
            }

            @Override
            public String toString() {
                return "logit of token " + answer + " minus that of " + wrong;
            }
        };
    }

    /**
     * At each sequence's last real token, the logit of one token minus that of another, by their texts, mean over the
     * batch.
     *
     * @throws IllegalArgumentException if a text isn't one token
     */
    static LogitMetric logitDifference(HookedTransformer model, String answer, String wrong) {
        return logitDifference(model.toSingleToken(answer), model.toSingleToken(wrong));
    }

    /**
     * At each sequence's last real token, the logit of its answer minus that of its wrong answer, mean over the batch.
     *
     * @param tokens the batch, padded or not
     * @param answers one for each sequence
     * @param wrongs one for each sequence
     */
    static LogitMetric logitDifference(Tokens tokens, long[] answers, long[] wrongs) {
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
     * This metric on a scale from 0, what the corrupted run has, to 1, what the clean run has. Both must differ by more
     * than float32 logits do between two ways to compute them: by 1e-5, or 1e-5 of the larger one.
     *
     * @throws IllegalArgumentException if they don't: there is nothing to bring back
     */
    default LogitMetric normalized(double corrupted, double clean) {
        return normalized(corrupted, clean, PatchRunner.noise(corrupted, clean));
    }

    /**
     * This metric on a scale from 0, what the corrupted run has, to 1, what the clean run has.
     *
     * @param noise the difference up to which both count as the same: small for probabilities, larger for 16-bit types
     * @throws IllegalArgumentException if they don't differ by more, or aren't finite
     */
    default LogitMetric normalized(double corrupted, double clean, double noise) {
        double difference = Math.abs(clean - corrupted);
        if (!Double.isFinite(difference) || difference == 0 || difference <= noise) {
            throw new IllegalArgumentException("A metric that is " + clean + " for the clean and " + corrupted
                    + " for the corrupted run can't be normalised: "
                    + (Double.isFinite(difference) && difference > 0
                            ? "they differ by " + difference + ", no more than the noise of " + noise + ", and "
                            : "")
                    + "there is nothing to bring back. Choose a corrupted prompt that changes the metric.");
        }
        LogitMetric raw = this;
        return new LogitMetric() {
            @Override
            public double of(Tensor logits) {
                return (raw.of(logits) - corrupted) / (clean - corrupted);
            }

            @Override
            public Optional<int[]> positions() {
                return raw.positions();
            }

            @Override
            public LogitMetric on(Tokens tokens) {
                LogitMetric there = raw.on(tokens);
                return there == raw ? this : there.normalized(corrupted, clean, noise);
            }

            @Override
            public String toString() {
                return raw + ", from " + corrupted + " as 0 to " + clean + " as 1";
            }
        };
    }

    /** This metric on a plain run: for baselines. */
    default double ofRun(HookedTransformer model, Tokens tokens) {
        return PatchRunner.measure(model, tokens, this);
    }
}
