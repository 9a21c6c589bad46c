package dev.loupe.model;

import dev.loupe.array.DType;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.StoreWeights;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** Whether a model's weights find room, looked at before the first is read. */
final class WeightMemory {

    private static final Path MEMINFO = Path.of("/proc/meminfo");
    private static final double GIB = 1L << 30;

    private WeightMemory() {}

    /**
     * Throws if a model doesn't fit into what is there.
     *
     * @param graph the model's, in the types in which its weights are kept
     */
    static void check(String model, Graph graph, Backend backend) {
        long device = backend.memoryBytes();
        check(model, graph, backend, device > 0 ? device : availableHere());
    }

    /**
     * As {@link #check(String, Graph, Backend)}.
     *
     * @param available bytes; 0 if nobody knows
     */
    static void check(String model, Graph graph, Backend backend, long available) {
        long needed = bytes(graph);
        if (available <= 0 || needed <= available) {
            return;
        }
        List<String> would = new ArrayList<>();
        for (DType type : DType.values()) {
            boolean computes = backend.capabilities().computeDTypes().contains(type);
            boolean stores = backend.capabilities().storeDTypes().contains(type);
            long so = bytes(graph, type, stores);
            if ((computes || stores) && so <= available) {
                would.add(type + " (" + gib(so) + ")");
            }
        }
        throw new OutOfTensorMemoryException("'" + model + "' needs " + gib(needed) + " for its weights, and "
                + gib(available) + " of memory are there for '" + backend.id() + "' on " + backend.device() + ". "
                + (would.isEmpty()
                        ? "No data type would make it fit: load fewer layers (firstNLayers), or use a device with"
                                + " more memory, or several (nDevices)"
                        : "It would fit in " + String.join(" or in ", would)
                                + "; or use a device with more memory, or several (nDevices)"));
    }

    private static long bytes(Graph graph) {
        return graph.weights().values().stream().mapToLong(WeightMemory::bytes).sum();
    }

    private static long bytes(Value weight) {
        return weight.type().shape().elements() * weight.type().dtype().bytes();
    }

    private static long bytes(Graph graph, DType type, boolean stored) {
        Set<String> narrow =
                stored ? StoreWeights.factors(graph) : graph.weights().keySet();
        return graph.weights().entrySet().stream()
                .mapToLong(weight -> weight.getValue().type().shape().elements()
                        * (narrow.contains(weight.getKey()) ? type : DType.FLOAT32).bytes())
                .sum();
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / GIB);
    }

    // What Linux could give without taking anything from others; elsewhere nobody says it without guessing.
    private static long availableHere() {
        if (!Files.isReadable(MEMINFO)) {
            return 0;
        }
        try (Stream<String> lines = Files.lines(MEMINFO)) {
            return lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
