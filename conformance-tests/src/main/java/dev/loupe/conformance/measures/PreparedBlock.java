package dev.loupe.conformance.measures;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/** A segment with its weights on a backend, ready to run; closes the graph first, then the weights. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class PreparedBlock implements AutoCloseable {

    private final Backend backend;
    private final Segment segment;
    private final Map<String, TensorHandle> weights = new LinkedHashMap<>();
    private final PreparedGraph graph;

    public PreparedBlock(Backend backend, Segment segment, Map<String, HostTensor> weights) {
        this.backend = backend;
        this.segment = segment;
        weights.forEach((name, weight) -> this.weights.put(name, backend.upload(weight, Placement.ANYWHERE)));
        this.graph = prepare();
    }

    /** Prepares the segment once more, with the same weights; whoever asks closes it. */
    public PreparedGraph prepare() {
        return backend.prepare(segment, this::weight);
    }

    private TensorHandle weight(String name) {
        TensorHandle weight = weights.get(name);
        if (weight == null) {
            throw new AssertionError(
                    "the backend asked for a weight '" + name + "'; the segment has " + weights.keySet());
        }
        return weight;
    }

    /** The graph. */
    public PreparedGraph graph() {
        return graph;
    }

    /** Reads out a weight. */
    public HostTensor download(String name) {
        return backend.download(weight(name));
    }

    /** Runs with all outputs wanted. */
    public List<HostTensor> run(List<HostTensor> inputs) {
        return run(inputs, segment.outputs());
    }

    /** Runs with some outputs wanted. */
    public List<HostTensor> run(List<HostTensor> inputs, List<Integer> wanted) {
        return OnBackend.run(backend, graph, inputs, wanted);
    }

    @Override
    public void close() {
        graph.close();
        weights.values().forEach(TensorHandle::close);
    }
}
