package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Op;
import dev.loupe.plugin.SpiVersion;
import java.util.List;
import java.util.function.Supplier;

/**
 * What is wrong with a mutant. As it stands, nothing; each fault overrides one method. Handles are {@link
 * MutantHandle}s.
 */
class Fault {

    /** No fault: must pass every test. */
    static final Fault NONE = new Fault();

    String id() {
        return MutantProvider.ID;
    }

    int spiVersion() {
        return SpiVersion.CURRENT;
    }

    Availability probe(BackendProvider real) {
        return real.probe();
    }

    Backend open(BackendOptions options, Supplier<Backend> sound) {
        return sound.get();
    }

    Capabilities capabilities(Capabilities real) {
        return real;
    }

    /** Called before data is uploaded; may throw. */
    HostTensor upload(HostTensor data) {
        return data;
    }

    /** What is given out for a handle. */
    HostTensor download(MutantHandle handle, HostTensor sound) {
        return sound;
    }

    /** Computes an op from inputs in host memory; {@code sound} does it right. */
    List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
        return sound.run(op, inputs);
    }

    /** Executes an op on its own, outside of graphs; the results are new handles. */
    List<TensorHandle> execute(Op op, List<TensorHandle> inputs, Supplier<List<TensorHandle>> sound) {
        return sound.get();
    }

    /** The segment that is prepared in the place of another. */
    Segment segment(Segment segment) {
        return segment;
    }

    /** The weights that a graph is prepared with. */
    WeightSource weights(WeightSource given) {
        return given;
    }

    /** Wraps a prepared graph; as it stands, in one that asks {@link #run} at each run. */
    PreparedGraph prepare(Segment segment, PreparedGraph sound) {
        return new Wrapped(sound) {
            @Override
            public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                return Fault.this.run(inputs, wanted, sound);
            }
        };
    }

    /** Runs a prepared graph; {@code sound} does it right. */
    List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
        return sound.run(inputs, wanted);
    }

    /** Called when the backend is closed, with how often it was. */
    void closed(int times) {}

    /** Undoes what the fault left behind in this JVM. */
    void cleanUp() {}

    /** Computes an op. */
    @FunctionalInterface
    interface Computation {
        /** The outputs. */
        List<HostTensor> run(Op op, List<HostTensor> inputs);
    }

    /** A graph that hands everything on. */
    static class Wrapped implements PreparedGraph {
        final PreparedGraph sound;

        Wrapped(PreparedGraph sound) {
            this.sound = sound;
        }

        @Override
        public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
            return sound.run(inputs, wanted);
        }

        @Override
        public void close() {
            sound.close();
        }
    }
}
