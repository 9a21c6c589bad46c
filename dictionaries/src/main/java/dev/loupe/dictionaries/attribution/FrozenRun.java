package dev.loupe.dictionaries.attribution;

import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.DictionaryTensors;
import dev.loupe.dictionaries.SparseFeatures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The run whose attention and norms are frozen: its values, what of them features and errors write, and what is left when
 * no source writes anything.
 */
final class FrozenRun {

    /**
     * A feature that is active at a token.
     *
     * @param index among the active features of its layer
     * @param value what enters its activation function
     * @param bias what would enter it if no source wrote anything
     */
    record Active(int layer, int position, int feature, int index, double activation, double value, double bias) {}

    /**
     * A token that may come next.
     *
     * @param value its logit minus the mean
     * @param bias the same if no source wrote anything
     */
    record Next(long token, double probability, double value, double bias) {}

    /**
     * What a layer's transcoder does.
     *
     * @param reads the directions in which its active features read, [active, d_in]
     * @param writes what they write, [active, d_model]
     * @param starts the first active feature of each position, and their number
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Layer(Tensor reads, Tensor writes, int[] starts) {}

    private final HookedTransformer model;
    private final LocalReplacement replacement;
    private final Tokens tokens;
    private final boolean skipFirst;
    private final ActivationCache values;
    private final double[] probabilities;
    private final List<Active> active = new ArrayList<>();
    private final List<@Nullable Layer> layers = new ArrayList<>();
    private final List<Tensor> errors = new ArrayList<>();
    private final ActivationCache silent;

    FrozenRun(HookedTransformer model, LocalReplacement replacement, Tokens tokens, boolean skipFirst) {
        this.model = model;
        this.replacement = replacement;
        this.tokens = tokens;
        this.skipFirst = skipFirst;
        List<String> points = new ArrayList<>(replacement.frozen());
        for (int layer = 0; layer < replacement.layers(); layer++) {
            points.add(replacement.constant(layer));
        }
        points.addAll(reads());
        points.add(LocalReplacement.EMBEDDING);
        points.add(LocalReplacement.LOGITS);
        RunResult run = model.run(
                RunRequest.of(tokens).observe(HookFilter.names(points)).build());
        this.values = run.cache();
        this.probabilities = run.logits().get(0, -1).softmax(0).toDoubleArray();
        this.silent = silent();
        for (int layer = 0; layer < replacement.layers(); layer++) {
            encode(layer);
        }
    }

    private List<String> reads() {
        List<String> reads = new ArrayList<>();
        replacement
                .transcoders()
                .values()
                .forEach(dictionary -> reads.add(dictionary.config().hookIn()));
        reads.add(LocalReplacement.UNEMBEDDED);
        return reads;
    }

    /** The run in which no token is embedded, and no feature and no error writes anything. */
    private ActivationCache silent() {
        RunRequest.Builder request = RunRequest.of(tokens)
                .observe(HookFilter.names(reads()))
                .returns(Returns.NONE)
                .feed(
                        LocalReplacement.EMBEDDING,
                        values.get(LocalReplacement.EMBEDDING).mul(0));
        replacement.frozen().forEach(point -> request.feed(point, values.get(point)));
        for (int layer = 0; layer < replacement.layers(); layer++) {
            Tensor written = values.get(replacement.constant(layer));
            Tensor bias = written.mul(0);
            Dictionary dictionary = replacement.transcoder(layer);
            if (dictionary != null) {
                bias = bias.add(on(dictionary, "b_dec"));
            }
            request.feed(replacement.constant(layer), skipFirst ? firstOf(written, bias) : bias);
        }
        return model.run(request.build()).cache();
    }

    private static Tensor firstOf(Tensor first, Tensor others) {
        return Tensor.concat(1, first.slice(1, 0, 1), others.slice(1, 1, others.size(1)));
    }

    private Tensor on(Dictionary dictionary, String weight) {
        HostTensor numbers = dictionary.weights().get(weight);
        if (numbers == null) {
            throw new IllegalStateException(dictionary + " has no array '" + weight + "'");
        }
        return model.tensors().of(numbers.to(model.dtype()));
    }

    private void encode(int layer) {
        Tensor written = values.get(replacement.constant(layer));
        Dictionary dictionary = replacement.transcoder(layer);
        if (dictionary == null) {
            layers.add(null);
            errors.add(skipFirst ? firstOf(written.slice(1, 0, 1).mul(0), written) : written);
            return;
        }
        String point = dictionary.config().hookIn();
        try (DictionaryTensors own = dictionary.on(model.backend(), model.dtype())) {
            Tensor read = values.get(point);
            SparseFeatures found = own.encodeSparse(read);
            int[] starts = new int[tokens.positions() + 1];
            List<Active> here = new ArrayList<>();
            for (int position = skipFirst ? 1 : 0; position < tokens.positions(); position++) {
                starts[position] = here.size();
                int[] features = found.indices(0, position);
                double[] activations = found.values(0, position);
                double[] pre = preActivations(own, read, position, features);
                double[] bias = preActivations(own, silent.get(point), position, features);
                for (int i = 0; i < features.length; i++) {
                    here.add(new Active(layer, position, features[i], here.size(), activations[i], pre[i], bias[i]));
                }
            }
            starts[tokens.positions()] = here.size();
            layers.add(new Layer(reads(own, dictionary, here), writes(own, dictionary, here), starts));
            errors.add(error(own, written, here, starts));
            active.addAll(here);
        }
    }

    private static double[] preActivations(DictionaryTensors own, Tensor read, int position, int[] features) {
        double[] all = own.preActivations(read.slice(1, position, position + 1)).toDoubleArray();
        double[] chosen = new double[features.length];
        for (int i = 0; i < features.length; i++) {
            chosen[i] = all[features[i]];
        }
        return chosen;
    }

    private static long[] numbers(List<Active> features) {
        return features.stream().mapToLong(Active::feature).toArray();
    }

    private Tensor reads(DictionaryTensors own, Dictionary dictionary, List<Active> features) {
        if (features.isEmpty()) {
            return model.tensors().zeros(model.dtype(), 0, dictionary.config().dIn());
        }
        Tensor directions = own.weight("W_enc").pick(1, numbers(features)).transpose(0, 1);
        return dictionary.config().rescaleByDecoderNorm() ? directions.mul(norms(own, features)) : directions;
    }

    private Tensor writes(DictionaryTensors own, Dictionary dictionary, List<Active> features) {
        if (features.isEmpty()) {
            return model.tensors().zeros(model.dtype(), 0, dictionary.config().dOut());
        }
        double[] activations = features.stream().mapToDouble(Active::activation).toArray();
        Tensor strengths =
                model.tensors().of(activations, activations.length, 1).to(model.dtype());
        Tensor rows = own.weight("W_dec").pick(0, numbers(features)).mul(strengths);
        return dictionary.config().rescaleByDecoderNorm() ? rows.div(norms(own, features)) : rows;
    }

    private static Tensor norms(DictionaryTensors own, List<Active> features) {
        return own.weight("W_dec").pick(0, numbers(features)).norm(-1).unsqueeze(1);
    }

    /** What an MLP writes beside its transcoder's features and bias, [1, pos, d_model]. */
    private Tensor error(DictionaryTensors own, Tensor written, List<Active> features, int[] starts) {
        Layer layer = layers.get(layers.size() - 1);
        if (layer == null) {
            throw new IllegalStateException("The features of " + features.size() + " weren't encoded");
        }
        List<Tensor> positions = new ArrayList<>();
        for (int position = 0; position < tokens.positions(); position++) {
            Tensor rest = written.slice(1, position, position + 1);
            if (skipFirst && position == 0) {
                rest = rest.mul(0);
            } else {
                rest = rest.sub(own.weight("b_dec"));
                if (starts[position + 1] > starts[position]) {
                    rest = rest.sub(layer.writes()
                            .slice(0, starts[position], starts[position + 1])
                            .sum(0));
                }
            }
            positions.add(rest);
        }
        return Tensor.concat(1, positions);
    }

    HookedTransformer model() {
        return model;
    }

    LocalReplacement replacement() {
        return replacement;
    }

    Tokens tokens() {
        return tokens;
    }

    boolean skipsFirst() {
        return skipFirst;
    }

    /** The active features by layer, position and number. */
    List<Active> active() {
        return active;
    }

    /** What a layer's transcoder does; null if it has none. */
    @Nullable
    Layer layer(int layer) {
        return layers.get(layer);
    }

    /** What a layer's transcoder misses, [1, pos, d_model]. */
    Tensor error(int layer) {
        return errors.get(layer);
    }

    /** The embedding of each token, [1, pos, d_model]. */
    Tensor embedding() {
        return values.get(LocalReplacement.EMBEDDING);
    }

    /** Of each token of the vocabulary after the prompt. */
    double[] probabilities() {
        return probabilities;
    }

    /** Values to be fed, by point: those that are frozen and that fire before a point, and what MLPs before it write. */
    Map<String, Tensor> given(String read) {
        Map<String, Tensor> given = new LinkedHashMap<>();
        for (var point : model.hookNames().points()) {
            if (point.name().equals(read)) {
                break;
            }
            if (replacement.frozen().contains(point.name())) {
                given.put(point.name(), values.get(point.name()));
            }
        }
        return given;
    }

    /** What an MLP writes beside a skip connection, [1, pos, d_model]. */
    Tensor written(int layer) {
        return values.get(replacement.constant(layer));
    }

    // Logits.

    /** In which directions tokens' logits read, less the mean of all, [tokens, d_model]. */
    Tensor logitReads(long[] tokenIds) {
        Tensor unembedding = model.W_U();
        return unembedding
                .pick(1, tokenIds)
                .sub(unembedding.mean(1).unsqueeze(1))
                .transpose(0, 1);
    }

    /**
     * What is known of tokens that may come next.
     *
     * @param reads their {@link #logitReads}
     */
    List<Next> next(long[] tokenIds, Tensor reads) {
        Tensor last = values.get(LocalReplacement.LOGITS).get(0, -1);
        double mean = last.mean().item();
        double[] values = last.pick(0, tokenIds).toDoubleArray();
        Tensor biases = model.b_U();
        Tensor read = silent.get(LocalReplacement.UNEMBEDDED).get(0, -1).unsqueeze(1);
        double[] silentLogits = reads.matmul(read).squeeze(1).toDoubleArray();
        double[] ownBiases = biases.pick(0, tokenIds).sub(biases.mean()).toDoubleArray();
        List<Next> next = new ArrayList<>();
        for (int i = 0; i < tokenIds.length; i++) {
            next.add(new Next(
                    tokenIds[i],
                    probabilities[Math.toIntExact(tokenIds[i])],
                    values[i] - mean,
                    silentLogits[i] + ownBiases[i]));
        }
        return next;
    }
}
