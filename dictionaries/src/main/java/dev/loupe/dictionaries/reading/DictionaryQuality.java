package dev.loupe.dictionaries.reading;

import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.DictionaryTensors;
import dev.loupe.dictionaries.SparseFeatures;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.BitSet;
import org.apiguardian.api.API;

/**
 * How well a dictionary stands for what it replaces, on a text; as SAELens's and SAEBench's evaluations define it. BOS at
 * the beginning of a sequence counts for the losses only.
 *
 * @param tokens at which features and reconstructions were looked at
 * @param l0 active features a token
 * @param varianceExplained {@code 1 − Σ‖y − ŷ‖² / Σ‖y − ȳ‖²}, y being what is replaced, ŷ what the dictionary gives, ȳ the
 *     mean of y over the tokens
 * @param meanSquaredError mean of (y − ŷ)² over tokens and coordinates
 * @param neverActive features that were active at no token
 * @param loss mean cross-entropy of the next token, in nats
 * @param splicedLoss the same with the dictionary in place, without the error term
 * @param ablatedLoss the same with zeros in the place of what the dictionary replaces
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record DictionaryQuality(
        long tokens,
        double l0,
        double varianceExplained,
        double meanSquaredError,
        int neverActive,
        double loss,
        double splicedLoss,
        double ablatedLoss) {

    /**
     * The share of what zeros cost that the dictionary brings back: {@code (ablated − spliced) / (ablated − loss)}. 1 if
     * the model is as good as with its own activations.
     */
    public double lossRecovered() {
        return (ablatedLoss - splicedLoss) / (ablatedLoss - loss);
    }

    /**
     * Measures a dictionary.
     *
     * @param text batches of tokens, gone through once
     * @throws IllegalArgumentException if the dictionary doesn't fit the model, or there is nothing to predict
     */
    public static DictionaryQuality of(HookedTransformer model, Dictionary dictionary, Iterable<Tokens> text) {
        return of(model, dictionary.spliced(), text);
    }

    /** Measures a dictionary that may be taken for a model that was loaded with other options. */
    public static DictionaryQuality of(HookedTransformer model, SplicedDictionary dictionary, Iterable<Tokens> text) {
        SplicedDictionary plain = new SplicedDictionary(dictionary.dictionary(), false, dictionary.anyOptions());
        try (HookedTransformer with = model.with(plain);
                DictionaryTensors own = plain.dictionary().on(model.backend(), model.dtype())) {
            Sums sums = new Sums(model, plain.dictionary().config());
            for (Tokens tokens : text) {
                sums.add(tokens, with, own);
            }
            return sums.quality();
        }
    }

    /** What is added up while the text goes by. */
    private static final class Sums {
        private final HookedTransformer model;
        private final DictionaryConfig config;
        private final RealTokens real;
        private final BitSet active = new BitSet();
        private final double[] mean;
        private long tokens;
        private long features;
        private double squares;
        private double missed;
        private double loss;
        private double splicedLoss;
        private double ablatedLoss;
        private long predicted;

        Sums(HookedTransformer model, DictionaryConfig config) {
            this.model = model;
            this.config = config;
            this.real = new RealTokens(model);
            this.mean = new double[config.dOut()];
        }

        void add(Tokens batch, HookedTransformer with, DictionaryTensors own) {
            RunRequest request = RunRequest.of(batch)
                    .observe(HookFilter.names(config.hookIn(), config.hookOut()))
                    .returns(Returns.LOSS)
                    .build();
            try (RunResult run = model.run(request)) {
                Tensor read = run.cache().get(config.hookIn());
                count(batch, own.encodeSparse(read));
                try (Tensor given = own.reconstruct(read)) {
                    compare(batch, run.cache().get(config.hookOut()), given);
                }
                loss += sum(run.lossPerToken());
            }
            splicedLoss += lossOf(with, RunRequest.of(batch));
            ablatedLoss += lossOf(model, RunRequest.of(batch).interventions(Intervention.zero(config.hookOut())));
            for (int row = 0; row < batch.batch(); row++) {
                predicted += batch.realTokens(row).length - 1;
            }
        }

        private static double lossOf(HookedTransformer model, RunRequest.Builder request) {
            try (RunResult run = model.run(request.returns(Returns.LOSS).build())) {
                return sum(run.lossPerToken());
            }
        }

        private static double sum(Tensor losses) {
            double sum = 0;
            for (double one : losses.toDoubleArray()) {
                sum += one;
            }
            return sum;
        }

        private void count(Tokens batch, SparseFeatures found) {
            for (int row = 0; row < batch.batch(); row++) {
                for (int position = 0; position < batch.positions(); position++) {
                    if (real.counts(batch, row, position)) {
                        tokens++;
                        features += found.count(row, position);
                        for (int feature : found.indices(row, position)) {
                            active.set(feature);
                        }
                    }
                }
            }
        }

        private void compare(Tokens batch, Tensor replaced, Tensor given) {
            double[] is = replaced.toDoubleArray();
            double[] becomes = given.toDoubleArray();
            int width = config.dOut();
            for (int row = 0; row < batch.batch(); row++) {
                for (int position = 0; position < batch.positions(); position++) {
                    if (real.counts(batch, row, position)) {
                        int from = (row * batch.positions() + position) * width;
                        for (int i = 0; i < width; i++) {
                            double value = is[from + i];
                            double difference = value - becomes[from + i];
                            mean[i] += value;
                            squares += value * value;
                            missed += difference * difference;
                        }
                    }
                }
            }
        }

        DictionaryQuality quality() {
            if (predicted == 0 || tokens == 0) {
                throw new IllegalArgumentException("There is nothing to measure in a text of " + tokens
                        + " tokens, of which " + predicted + " are predicted");
            }
            double ofMean = 0;
            for (double sum : mean) {
                ofMean += sum / tokens * sum;
            }
            return new DictionaryQuality(
                    tokens,
                    (double) features / tokens,
                    1 - missed / (squares - ofMean),
                    missed / ((double) tokens * config.dOut()),
                    config.dSae() - active.cardinality(),
                    loss / predicted,
                    splicedLoss / predicted,
                    ablatedLoss / predicted);
        }
    }
}
