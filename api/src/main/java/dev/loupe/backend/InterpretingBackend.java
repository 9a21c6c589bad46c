package dev.loupe.backend;

import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A backend that runs one op at a time. A subclass implements {@link #compute} for the primitive ops, and for
 * those composite ops that it {@linkplain #implementsComposite knows}; the rest (order, liveness, early
 * freeing, decomposition) is done here.
 */
@API(status = API.Status.STABLE, since = "0.1")
public abstract class InterpretingBackend implements Backend {

    /** For subclasses. */
    protected InterpretingBackend() {}

    /**
     * Computes a primitive op, or a composite one that this backend implements.
     *
     * @return one new handle for each output, owned by the caller; never one of the inputs, though it may
     *     share memory with one
     * @throws UnsupportedOperationException if the op doesn't work in the inputs' data type here; names both
     */
    protected abstract List<TensorHandle> compute(Op op, List<TensorHandle> inputs);

    /**
     * Whether {@link #compute} takes this composite op. Others are decomposed before they get there.
     *
     * @param op an op for which {@link Op#isComposite()} is true
     */
    protected boolean implementsComposite(Op op) {
        return false;
    }

    @Override
    public final boolean compiles() {
        return false;
    }

    @Override
    public final List<TensorHandle> execute(Op op, List<TensorHandle> inputs) {
        if (!op.isComposite() || implementsComposite(op)) {
            return compute(op, inputs);
        }
        List<TensorType> types = new ArrayList<>();
        for (TensorHandle input : inputs) {
            types.add(TensorType.of(input.dtype(), input.shape()));
        }
        Segment segment = Segments.ofOneOp(op, types);
        try (PreparedGraph graph = prepare(segment, Segments.NO_WEIGHTS)) {
            return graph.run(inputs, segment.outputs());
        }
    }

    @Override
    public PreparedGraph prepare(Segment segment, WeightSource weights) {
        return new InterpretedGraph(this, Segments.decompose(segment, this::implementsComposite), weights);
    }
}
