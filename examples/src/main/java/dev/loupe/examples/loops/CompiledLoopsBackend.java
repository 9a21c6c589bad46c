package dev.loupe.examples.loops;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.CompilingBackend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;

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
