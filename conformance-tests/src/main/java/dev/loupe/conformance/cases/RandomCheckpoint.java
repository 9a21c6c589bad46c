package dev.loupe.conformance.cases;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * A tiny checkpoint of an architecture with random weights, so that it can be tried without any download. Its config is
 * a resource that comes with the architecture: {@code META-INF/loupe/conformance/<id>.json}.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class RandomCheckpoint {

    private RandomCheckpoint() {}

    /** The name of the resource that holds the config of an architecture. */
    public static String resource(String architecture) {
        return "META-INF/loupe/conformance/" + architecture + ".json";
    }

    /** The config that comes with an architecture, as JSON. */
    public static Optional<String> config(ArchitectureProvider architecture) {
        ClassLoader loader = architecture.getClass().getClassLoader();
        URL url = loader.getResource(resource(architecture.id()));
        if (url == null) {
            return Optional.empty();
        }
        try (InputStream in = url.openStream()) {
            return Optional.of(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + url, e);
        }
    }

    /** A config as an architecture takes it. */
    public static CheckpointConfig parse(String source, String json) {
        try {
            return new CheckpointConfig(
                    source, new ObjectMapper().readValue(json, new TypeReference<Map<String, Object>>() {}));
        } catch (IOException e) {
            throw new UncheckedIOException(source + " is no JSON object", e);
        }
    }

    /** Writes config and random weights into a temporary folder, which whoever asks deletes with {@link #delete}. */
    public static Path write(ArchitectureProvider architecture, String json, long seed) {
        TransformerConfig config = architecture.configure(parse("the sample of " + architecture.id(), json));
        Map<String, HostTensor> tensors = new TreeMap<>();
        for (WeightMapping.Rule rule : architecture.weights(config).rules()) {
            tensors.computeIfAbsent(rule.sources().get(0), name -> random(rule, seed * 31 + name.hashCode()));
        }
        try {
            Path folder = Files.createTempDirectory("loupe-" + architecture.id());
            Files.writeString(folder.resolve("config.json"), json);
            SafetensorsWriter writer = new SafetensorsWriter();
            tensors.forEach(writer::add);
            writer.write(folder.resolve("model.safetensors"));
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException("Can't write a random checkpoint to the temporary folder", e);
        }
    }

    /** Numbers of a size that keeps activations around 1: norms around 1, biases visible, matrices by their width. */
    private static HostTensor random(WeightMapping.Rule rule, long seed) {
        Shape shape =
                Shape.of(rule.sourceShape().stream().mapToLong(Long::longValue).toArray());
        HostTensor normal = new Inputs(new SplittableRandom(seed), DType.FLOAT32).normal(shape.toArray());
        HostTensor tensor = HostTensor.allocate(DType.FLOAT32, shape);
        boolean scale = shape.rank() == 1 && rule.weight().endsWith(".w");
        double spread = shape.rank() == 1 ? 0.2 : 1.2 / Math.sqrt((double) shape.size(-1));
        for (int i = 0; i < shape.elements(); i++) {
            tensor.setDouble(i, (scale ? 1 : 0) + spread * normal.getDouble(i));
        }
        return tensor;
    }

    /** Deletes a folder of files. */
    public static void delete(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't delete the temporary folder " + folder, e);
        }
    }
}
