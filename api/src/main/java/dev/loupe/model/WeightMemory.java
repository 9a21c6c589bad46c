package dev.loupe.model;

import dev.loupe.array.DType;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.Backend;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.StoreWeights;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Whether a model's weights find room, looked at before the first is read. */
final class WeightMemory {

    private static final long SMALL = 256L << 20;
    private static final double GIB = 1L << 30;

    private WeightMemory() {}

    /**
     * Throws if a model doesn't fit into what is there.
     *
     * @param graph the model's, in the types in which its weights are kept
     */
    static void check(String model, Graph graph, Backend backend) {
        long device = backend.memoryBytes();
        check(model, graph, backend, device > 0 ? device : MainMemory.available());
    }

    /**
     * As {@link #check(String, Graph, Backend)}.
     *
     * @param available bytes; 0 if nobody knows
     */
    static void check(String model, Graph graph, Backend backend, long available) {
        long needed = bytes(graph);
        // Asking for Java's limits takes longer than a small model does to load.
        long limit = needed < SMALL ? Long.MAX_VALUE : backend.memoryLimit();
        long there = available <= 0 ? limit : Math.min(available, limit);
        if (needed <= there) {
            return;
        }
        List<String> would = new ArrayList<>();
        for (DType type : DType.values()) {
            boolean computes = backend.capabilities().computeDTypes().contains(type);
            boolean stores = backend.capabilities().storeDTypes().contains(type);
            long so = bytes(graph, type, stores);
            if ((computes || stores) && so <= there) {
                would.add(type + " (" + gib(so) + ")");
            }
        }
        String java = limit == there
                ? "; or give Java more, in whose memory this backend's tensors lie: -Xmx for its heap and"
                        + " -XX:MaxDirectMemorySize outside of it, which otherwise is as much"
                : "";
        throw new OutOfTensorMemoryException(
                "'" + model + "' needs " + gib(needed) + " for its weights, and "
                        + gib(there) + " of memory are there for '" + backend.id() + "' on " + backend.device()
                        + (limit == there ? ", in Java's own memory. " : ". ")
                        + (would.isEmpty()
                                ? "No data type would make it fit"
                                : "It would fit in " + String.join(" or in ", would)),
                (would.isEmpty() ? "Load" : "Load it so, or")
                        + " fewer layers (firstNLayers), or use a device with more memory, or several (nDevices)"
                        + java,
                null);
    }

    private static long bytes(Graph graph) {
        return graph.weights().values().stream().mapToLong(WeightMemory::bytes).sum();
    }

    private static long bytes(Value weight) {
        return weight.type().shape().elements() * weight.type().dtype().bytes();
    }

    private static long bytes(Graph graph, DType type, boolean stored) {
        Set<String> narrow =
                stored ? StoreWeights.stored(graph) : graph.weights().keySet();
        return graph.weights().entrySet().stream()
                .mapToLong(weight -> weight.getValue().type().shape().elements()
                        * (narrow.contains(weight.getKey()) ? type : DType.FLOAT32).bytes())
                .sum();
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / GIB);
    }
}
