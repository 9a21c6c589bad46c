package dev.loupe.backend;

import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A backend that runs prepared segments. A subclass implements {@link #prepare}; an op on its own is prepared
 * as a segment of one step, and the last few of those are kept.
 */
public abstract class CompilingBackend implements Backend {

    private static final int KEPT = 256;

    private final Map<Segment, PreparedGraph> oneOpGraphs = new LinkedHashMap<>(16, 0.75f, true);

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
        synchronized (oneOpGraphs) {
            PreparedGraph graph = oneOpGraphs.get(segment);
            if (graph == null) {
                graph = prepare(segment, Segments.NO_WEIGHTS);
                oneOpGraphs.put(segment, graph);
                if (oneOpGraphs.size() > KEPT) {
                    var eldest = oneOpGraphs.entrySet().iterator();
                    eldest.next().getValue().close();
                    eldest.remove();
                }
            }
            return graph.run(inputs, segment.outputs());
        }
    }

    /** Frees the graphs kept for single ops. A subclass that overrides this calls it. */
    @Override
    public void close() {
        synchronized (oneOpGraphs) {
            oneOpGraphs.values().forEach(PreparedGraph::close);
            oneOpGraphs.clear();
        }
    }
}
