package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Inflater;

/** Faults that show after thousands of runs, and faults of the order of outputs. */
final class MemoryFaults {

    private static final int KIBIBYTE = 1024;

    private MemoryFaults() {}

    /** Keeps something of each run, or of each preparing. */
    private abstract static class Keeps extends Fault {
        final List<Object> kept = new ArrayList<>();

        @Override
        void cleanUp() {
            kept.clear();
        }
    }

    /** A kibibyte for each run, and nothing for inputs. */
    static final class KeepsARecordOfEachRun extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            kept.add(new byte[KIBIBYTE]);
            return sound.run(inputs, wanted);
        }
    }

    static final class KeepsInputsOfRuns extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            HostTensor first = MutantHandle.of(inputs.get(0)).data();
            kept.add(HostTensor.allocateHeap(first.dtype(), first.shape()));
            return results;
        }
    }

    static final class KeepsOutputsOfRuns extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            results.forEach(result -> kept.add(HostTensor.allocateHeap(result.dtype(), result.shape())));
            return results;
        }
    }

    /** What a run had computed when it failed is never freed. */
    static final class KeepsWhatAFailedRunMade extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            try {
                return sound.run(inputs, wanted);
            } catch (RuntimeException e) {
                HostTensor first = MutantHandle.of(inputs.get(0)).data();
                kept.add(HostTensor.allocateHeap(first.dtype(), first.shape()));
                throw e;
            }
        }
    }

    static final class KeepsARecordOfEachGraph extends Keeps {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            kept.add(new byte[KIBIBYTE]);
            return sound;
        }
    }

    /** Memory that Java doesn't know of, as an engine takes it: written to, and never freed before the fault is over. */
    private abstract static class KeepsNativeMemory extends Fault {
        private final Native memory = new Native();

        void keep(long bytes) {
            memory.take(bytes);
        }

        @Override
        void cleanUp() {
            memory.free();
        }
    }

    /** A kibibyte outside the heap for each run. */
    static final class KeepsNativeMemoryOfEachRun extends KeepsNativeMemory {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            keep(KIBIBYTE);
            return sound.run(inputs, wanted);
        }
    }

    /** Results outside the heap, as large as they are. */
    static final class KeepsNativeOutputs extends KeepsNativeMemory {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            results.forEach(result -> keep(MutantHandle.of(result).data().bytes()));
            return results;
        }
    }

    /** The inputs of runs that fail, outside the heap. */
    static final class KeepsNativeInputsOfFailedRuns extends KeepsNativeMemory {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            try {
                return sound.run(inputs, wanted);
            } catch (RuntimeException e) {
                keep(MutantHandle.of(inputs.get(0)).data().bytes());
                throw e;
            }
        }
    }

    /** A kibibyte outside the heap for each graph that is prepared. */
    static final class KeepsNativeMemoryOfEachGraph extends KeepsNativeMemory {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            keep(KIBIBYTE);
            return sound;
        }
    }

    /** Direct buffers of a kibibyte, which somebody still refers to. */
    static final class KeepsDirectBuffers extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            kept.add(ByteBuffer.allocateDirect(KIBIBYTE));
            return sound.run(inputs, wanted);
        }
    }

    /** A stream of a native library for each run, never ended: its own memory is what the library takes for it. */
    static final class KeepsNativeObjects extends Keeps {
        @Override
        synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            kept.add(new Inflater());
            return sound.run(inputs, wanted);
        }

        @Override
        void cleanUp() {
            kept.forEach(stream -> ((Inflater) stream).end());
            super.cleanUp();
        }
    }

    /** Only when all are wanted are they given in the segment's order, whatever order was asked for. */
    static final class OwnOrderForAll extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    boolean all = wanted.size() == segment.outputs().size();
                    return super.run(inputs, all ? segment.outputs() : wanted);
                }
            };
        }
    }

    /** The last of three changes places with the one before. */
    static final class SwapsTheLastOfThree extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = new ArrayList<>(sound.run(inputs, wanted));
            boolean three = results.size() == 3
                    && results.get(1).shape().equals(results.get(2).shape());
            if (three) {
                results.add(1, results.remove(2));
            }
            return results;
        }
    }

    /** Always the same two exchanged. */
    static final class SwapsOutputs extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = new ArrayList<>(sound.run(inputs, wanted));
            if (results.size() > 1) {
                results.add(0, results.remove(1));
            }
            return results;
        }
    }
}
