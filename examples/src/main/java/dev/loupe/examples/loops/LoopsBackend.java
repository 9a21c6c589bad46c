package dev.loupe.examples.loops;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.InterpretingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.List;

/**
 * A complete backend that interprets: it computes one primitive op at a time. Order, early freeing, prepared graphs and
 * composite ops are the superclass's.
 */
final class LoopsBackend extends InterpretingBackend {

    @Override
    public String id() {
        return LoopsBackendProvider.ID;
    }

    @Override
    public String device() {
        return LoopsBackendProvider.DEVICE;
    }

    @Override
    public Capabilities capabilities() {
        return Loops.CAPABILITIES;
    }

    @Override
    public TensorHandle upload(HostTensor data, Placement placement) {
        return Loops.upload(data);
    }

    @Override
    public HostTensor download(TensorHandle handle) {
        return ((LoopTensor) handle).toHost();
    }

    @Override
    protected List<TensorHandle> compute(Op op, List<TensorHandle> inputs) {
        List<LoopTensor> in = inputs.stream().map(LoopTensor.class::cast).toList();
        return List.copyOf(Loops.compute(op, in));
    }

    /** Nothing to free: everything lies in the Java heap. */
    @Override
    public void close() {}
}
