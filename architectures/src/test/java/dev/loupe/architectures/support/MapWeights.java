package dev.loupe.architectures.support;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.architectures.processing.RawWeights;
import dev.loupe.architectures.processing.WeightProcessing;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;

/** Weights at hand. */
public record MapWeights(Map<String, HostTensor> weights) implements RawWeights {

    /** Random ones for every weight of a decoder, in double precision. */
    public static MapWeights random(TransformerConfig config, long seed) {
        Random random = new Random(seed);
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        DecoderWeights.shapes(config).forEach((name, shape) -> {
            HostTensor tensor = HostTensor.allocate(DType.FLOAT64, shape);
            for (int i = 0; i < shape.elements(); i++) {
                tensor.setDouble(i, (name.endsWith(".w") ? 1 : 0) + 0.4 * random.nextGaussian());
            }
            weights.put(name, tensor);
        });
        return new MapWeights(weights);
    }

    /** What a processing makes of them. */
    public MapWeights processed(WeightProcessing processing) {
        Map<String, HostTensor> result = new LinkedHashMap<>();
        processing.run(this, (name, weight) -> {
            if (result.put(name, weight) != null) {
                throw new AssertionError("'" + name + "' was pushed twice");
            }
        });
        return new MapWeights(result);
    }

    @Override
    public Set<String> names() {
        return weights.keySet();
    }

    @Override
    public Shape shape(String weight) {
        return read(weight).shape();
    }

    @Override
    public HostTensor read(String weight) {
        HostTensor original = Objects.requireNonNull(weights.get(weight), weight);
        return HostTensor.of(original.shape(), original.toDoubleArray());
    }
}
