package dev.loupe.backend;

import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A backend that runs prepared segments. A subclass implements {@link #prepare}; an op on its own is prepared
 * as a segment of one step, and the last few of those are kept.
 */
@API(status = API.Status.STABLE, since = "0.1")
public abstract class CompilingBackend implements Backend {

    private static final int KEPT = 256;

    private final ReferenceCountedCache<Segment, PreparedGraph> oneOpGraphs =
            new ReferenceCountedCache<>(KEPT, PreparedGraph::close);

    /** For subclasses. */
    protected CompilingBackend() {}

    @Override
    public final boolean compiles() {
        return true;
    }

    @Override
    public List<TensorHandle> execute(Op op, List<TensorHandle> inputs) {
        List<TensorType> types = new ArrayList<>();
        for (TensorHandle input : inputs) {
            types.add(TensorType.of(input.dtype(), input.shape()));
        }
        Segment segment = Segments.ofOneOp(op, types);
        try (ReferenceCountedCache.Lease<PreparedGraph> graph =
                oneOpGraphs.acquire(segment, one -> prepare(one, Segments.NO_WEIGHTS))) {
            return graph.value().run(inputs, segment.outputs());
        }
    }

    /** Frees the graphs kept for single ops; later ones aren't kept. A subclass that overrides this calls it. */
    @Override
    public void close() {
        oneOpGraphs.close();
    }
}
