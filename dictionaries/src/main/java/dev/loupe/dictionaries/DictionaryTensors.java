package dev.loupe.dictionaries;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import dev.loupe.tensor.TensorScope;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.apiguardian.api.API;

/** A dictionary's arrays on a backend: encoding and decoding of tensors alone. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DictionaryTensors implements AutoCloseable {

    /** Activations that are held at a time when tokens are encoded sparsely: 16 MB of float32. */
    private static final long NUMBERS_TOGETHER = 1 << 22;

    private final DictionaryConfig config;
    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private final DictionaryMath<Tensor> math;

    DictionaryTensors(Dictionary dictionary, TensorFactory factory, DType dtype) {
        this.config = dictionary.config();
        for (Map.Entry<String, HostTensor> weight : dictionary.weights().entrySet()) {
            weights.put(weight.getKey(), factory.of(weight.getValue().to(dtype)));
        }
        this.math = new DictionaryMath<>(config, weights::containsKey, this::weight);
    }

    /** An array by name. */
    public Tensor weight(String name) {
        return Objects.requireNonNull(weights.get(name), name);
    }

    /**
     * The features' activations [..., d_sae] of what stands at the point that is read, [..., d_in]; where heads are merged,
     * [..., head, d_head] serves too.
     */
    public Tensor encode(Tensor activation) {
        return math.activations(
                math.preActivations(math.prepare(merged(activation)).input()));
    }

    /** What enters the activation function, [..., d_sae]; the input as {@link #encode} takes it. */
    public Tensor preActivations(Tensor activation) {
        return math.preActivations(math.prepare(merged(activation)).input());
    }

    /**
     * The active features alone. Tokens are encoded some at a time, so that all features of all tokens are never held
     * together.
     *
     * @param activation what stands at the point that is read, [batch, pos, d_in], or [batch, pos, head, d_head] where
     *     heads are merged
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public SparseFeatures encodeSparse(Tensor activation) {
        if (activation.rank() < 3) {
            throw new IllegalArgumentException(
                    "Sparse features are those of [batch, pos, d_in], found " + activation.shape());
        }
        SparseFeatures.Builder builder = new SparseFeatures.Builder(
                Math.toIntExact(activation.size(0)), Math.toIntExact(activation.size(1)), config.dSae());
        try (TensorScope all = TensorScope.open()) {
            Tensor tokens = merged(activation).mergeAxes(0, 2);
            long together = Math.max(1, NUMBERS_TOGETHER / config.dSae());
            for (long from = 0; from < tokens.size(0); from += together) {
                try (TensorScope some = TensorScope.open()) {
                    builder.add(encode(tokens.slice(0, from, Math.min(from + together, tokens.size(0)))));
                }
            }
        }
        return builder.build();
    }

    /**
     * What the dictionary makes of activations, [..., d_out].
     *
     * @param acts [..., d_sae]
     * @param activation what was read, for normalisation and skip connections
     */
    public Tensor decode(Tensor acts, Tensor activation) {
        return math.decode(acts, math.prepare(merged(activation)));
    }

    /** What the dictionary makes of what it reads: encoded and decoded, [..., d_out]. */
    public Tensor reconstruct(Tensor activation) {
        return decode(encode(activation), activation);
    }

    private Tensor merged(Tensor activation) {
        boolean heads = config.mergesHeads() && activation.size(-1) != config.dIn();
        Tensor flat = heads ? activation.mergeAxes(activation.rank() - 2, 2) : activation;
        if (flat.size(-1) != config.dIn()) {
            throw new IllegalArgumentException(config.name() + " reads activations of width " + config.dIn() + " at "
                    + config.hookIn() + ", found " + activation.shape());
        }
        return flat;
    }

    /** Frees the arrays. */
    @Override
    public void close() {
        weights.values().forEach(Tensor::close);
    }
}
