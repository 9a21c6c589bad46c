package dev.loupe.backend;

import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
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

    /**
     * What is done at once.
     *
     * @param inputs slots that are read
     * @param outputs slots that are written
     * @param compute gives one new handle for each output, owned by the caller
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public record Work(
            List<Integer> inputs, List<Integer> outputs, Function<List<TensorHandle>, List<TensorHandle>> compute) {}

    /**
     * How the steps of a segment are carried out. Each by itself; a backend that can do several at once puts the work in
     * the place of the last of them.
     *
     * @param segment whose they are
     * @param steps in their order, just those that the wanted slots need
     * @param wanted slots that are given back
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    protected List<Work> works(Segment segment, List<Segment.Step> steps, Set<Integer> wanted) {
        return steps.stream().map(this::alone).toList();
    }

    /** A step by itself. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    protected final Work alone(Segment.Step step) {
        return new Work(step.inputs(), step.outputs(), inputs -> compute(step.op(), inputs));
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
