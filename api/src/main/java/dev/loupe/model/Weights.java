package dev.loupe.model;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntFunction;

/**
 * A model's weights under the names and in the shapes that papers use. The graph keeps them flat, one matrix for all
 * heads; here they are taken apart. A bias that the model doesn't have is zero.
 */
final class Weights {

    private final TransformerConfig config;
    private final DType dtype;
    private final TensorFactory factory;
    private final Map<String, Tensor> flat;

    Weights(TransformerConfig config, DType dtype, TensorFactory factory, Map<String, Tensor> flat) {
        this.config = config;
        this.dtype = dtype;
        this.factory = factory;
        this.flat = flat;
    }

    /** Names in the graph. */
    Set<String> names() {
        return new TreeSet<>(flat.keySet());
    }

    /** All elements of all weights. */
    long elements() {
        return flat.values().stream().mapToLong(Tensor::elements).sum();
    }

    /** A weight in the type in which the model computes: a copy, if it is only stored in another. */
    Tensor flat(String name) {
        Tensor weight = stored(name);
        return weight.dtype().isSixteenBits() ? weight.to(dtype) : weight;
    }

    /** A weight as it is kept. */
    Tensor stored(String name) {
        Tensor weight = flat.get(name);
        if (weight == null) {
            throw new IllegalArgumentException("The model '" + config.modelName() + "' has no weight '" + name
                    + "'; it has " + new TreeSet<>(flat.keySet()));
        } else if (weight.isClosed()) {
            throw new IllegalStateException("The model '" + config.modelName()
                    + "' was closed, and its weights with it: '" + name + "' can't be read any more");
        }
        return weight;
    }

    Tensor flatOrZeros(String name, long... shape) {
        return !flat.containsKey(name) ? factory.zeros(dtype, shape) : flat(name);
    }

    /** {@code [d, heads·width] -> [heads, d, width]}. */
    private static Tensor inHeads(Tensor flat, long heads) {
        return flat.splitAxis(1, heads, -1).permute(1, 0, 2);
    }

    Tensor query(int layer) {
        return inHeads(flat("blocks." + layer + ".attn.W_Q"), config.nHeads());
    }

    Tensor ungrouped(String name, int layer) {
        return inHeads(flat("blocks." + layer + ".attn." + name), config.nKeyValueHeads());
    }

    Tensor output(int layer) {
        return flat("blocks." + layer + ".attn.W_O").splitAxis(0, config.nHeads(), config.dHead());
    }

    Tensor bias(String name, int layer, long heads) {
        return flatOrZeros("blocks." + layer + ".attn." + name, heads * config.dHead())
                .reshape(heads, config.dHead());
    }

    /** Repeats each key/value head, which stands first, for the query heads that read it. */
    Tensor grouped(Tensor perHead) {
        int group = config.nHeads() / config.nKeyValueHeads();
        if (group == 1) {
            return perHead;
        }
        long[] sizes = perHead.unsqueeze(1).shape().toArray();
        sizes[1] = group;
        return perHead.unsqueeze(1).expand(sizes).mergeAxes(0, 2);
    }

    /**
     * Keys' and values' weights and biases with each head repeated for the query heads that read it, by their names in the
     * graph, in the types in which they are stored.
     */
    Map<String, HostTensor> repeated() {
        Map<String, HostTensor> all = new LinkedHashMap<>();
        for (int layer = 0; layer < config.nLayers(); layer++) {
            for (String matrix : List.of("W_K", "W_V")) {
                String name = "blocks." + layer + ".attn." + matrix;
                Tensor heads = grouped(ungrouped(matrix, layer));
                all.put(name, asStored(name, heads.permute(1, 0, 2).mergeAxes(1, 2)));
            }
            for (String bias : List.of("b_K", "b_V")) {
                String name = "blocks." + layer + ".attn." + bias;
                if (flat.containsKey(name)) {
                    all.put(
                            name,
                            asStored(
                                    name,
                                    grouped(bias(bias, layer, config.nKeyValueHeads()))
                                            .flatten()));
                }
            }
        }
        return all;
    }

    private HostTensor asStored(String name, Tensor weight) {
        return weight.toHost().to(stored(name).dtype());
    }

    Tensor stacked(IntFunction<Tensor> ofLayer) {
        if (config.nLayers() == 0) {
            throw new IllegalStateException("A model without layers has no weights in them");
        }
        List<Tensor> layers = new ArrayList<>();
        for (int layer = 0; layer < config.nLayers(); layer++) {
            layers.add(ofLayer.apply(layer));
        }
        return Tensor.stack(0, layers);
    }

    Tensor stackedFlat(String nameInBlock) {
        return stacked(layer -> flat("blocks." + layer + "." + nameInBlock));
    }

    Tensor stackedFlatOrZeros(String nameInBlock, long size) {
        return stacked(layer -> flatOrZeros("blocks." + layer + "." + nameInBlock, size));
    }
}
