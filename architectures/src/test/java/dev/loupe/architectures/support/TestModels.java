package dev.loupe.architectures.support;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.architectures.processing.RawWeights;
import dev.loupe.architectures.processing.StandardProcessing;
import dev.loupe.architectures.processing.WeightProcessing;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.LoadOptions;
import dev.loupe.model.TransformerConfig;
import dev.loupe.spi.ArchitectureProvider;
import dev.loupe.spi.Architectures;
import dev.loupe.spi.Backend;
import dev.loupe.spi.CheckpointConfig;
import dev.loupe.spi.WeightMapping;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import dev.loupe.tensor.safetensors.SafetensorsFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Models from checkpoints, without the loader. */
public final class TestModels {
    private TestModels() {}

    public static HookedTransformer load(Path directory, LoadOptions options, Backend backend) {
        try {
            CheckpointConfig config = new CheckpointConfig(
                    directory.resolve("config.json").toString(),
                    new ObjectMapper()
                            .readValue(
                                    directory.resolve("config.json").toFile(), new TypeReference<Map<String, Object>>() {}));
            ArchitectureProvider architecture = Architectures.accepting(config);
            TransformerConfig raw = architecture.configure(config);
            Map<String, HostTensor> tensors = new LinkedHashMap<>();
            try (var files = Files.list(directory)) {
                List<Path> list = files.filter(p -> p.getFileName().toString().startsWith("model")
                                && p.toString().endsWith(".safetensors"))
                        .toList();
                for (Path file : list) {
                    try (SafetensorsFile open = SafetensorsFile.open(file)) {
                        for (String name : open.names()) {
                            tensors.put(name, open.read(name));
                        }
                    }
                }
            }
            Map<String, HostTensor> weights = map(architecture.weights(raw), tensors, options.dtype());
            WeightProcessing processing = StandardProcessing.of(architecture, raw, options);
            return HookedTransformer.fromWeights(
                    architecture, processing.config(), process(processing, weights), options, backend);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Map<String, HostTensor> map(WeightMapping mapping, Map<String, HostTensor> tensors, DType dtype) {
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        DType wide = dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
        for (WeightMapping.Rule rule : mapping.rules()) {
            HostTensor source = rule.sources().stream()
                    .filter(tensors::containsKey)
                    .map(tensors::get)
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("missing " + rule));
            long[] sourceShape = source.shape().toArray();
            long[] shape = rule.layout().shape(sourceShape);
            HostTensor weight = HostTensor.allocate(wide, Shape.of(shape));
            long columns = shape[shape.length - 1];
            for (int i = 0; i < weight.shape().elements(); i++) {
                weight.setDouble(
                        i, source.getDouble((int) rule.layout().source(i / columns, i % columns, sourceShape)));
            }
            weights.put(rule.weight(), weight);
        }
        return weights;
    }

    public static Map<String, HostTensor> process(WeightProcessing processing, Map<String, HostTensor> weights) {
        Map<String, HostTensor> processed = new LinkedHashMap<>();
        processing.run(
                new RawWeights() {
                    @Override
                    public Set<String> names() {
                        return new LinkedHashSet<>(weights.keySet());
                    }

                    @Override
                    public Shape shape(String weight) {
                        return weights.get(weight).shape();
                    }

                    @Override
                    public HostTensor read(String weight) {
                        HostTensor original = weights.get(weight);
                        HostTensor copy = HostTensor.allocate(original.dtype(), original.shape());
                        for (int i = 0; i < original.shape().elements(); i++) {
                            copy.setDouble(i, original.getDouble(i));
                        }
                        return copy;
                    }
                },
                processed::put);
        return processed;
    }
}
