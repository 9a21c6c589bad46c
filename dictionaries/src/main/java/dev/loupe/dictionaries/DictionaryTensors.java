package dev.loupe.dictionaries;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** A dictionary's arrays on a backend: encoding and decoding of tensors alone. */
public final class DictionaryTensors implements AutoCloseable {

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
