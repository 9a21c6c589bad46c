package dev.loupe.examples.loops;

import dev.loupe.spi.Capabilities;
import dev.loupe.spi.CompilingBackend;
import dev.loupe.spi.Placement;
import dev.loupe.spi.PreparedGraph;
import dev.loupe.spi.Segment;
import dev.loupe.spi.Segments;
import dev.loupe.spi.TensorHandle;
import dev.loupe.spi.WeightSource;
import dev.loupe.tensor.HostTensor;

/**
 * The skeleton of a backend that compiles: it is handed segments and turns each into a program once, which then runs
 * many times. {@link LoopProgram} is where a real one would write its engine's format.
 */
final class CompiledLoopsBackend extends CompilingBackend {

    @Override
    public String id() {
        return CompiledLoopsBackendProvider.ID;
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
    public PreparedGraph prepare(Segment segment, WeightSource weights) {
        // An engine with kernels of its own for composite ops keeps those.
        Segment primitive = Segments.decompose(segment, op -> false);
        return new LoopProgram(primitive, weights);
    }
}
