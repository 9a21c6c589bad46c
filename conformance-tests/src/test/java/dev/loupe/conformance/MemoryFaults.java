package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import java.util.ArrayList;
import java.util.List;

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
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    kept.add(new byte[KIBIBYTE]);
                    return super.run(inputs, wanted);
                }
            };
        }
    }

    static final class KeepsInputsOfRuns extends Keeps {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = super.run(inputs, wanted);
                    HostTensor first = MutantHandle.of(inputs.get(0)).data();
                    kept.add(HostTensor.allocateHeap(first.dtype(), first.shape()));
                    return results;
                }
            };
        }
    }

    static final class KeepsOutputsOfRuns extends Keeps {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = super.run(inputs, wanted);
                    results.forEach(result -> kept.add(HostTensor.allocateHeap(result.dtype(), result.shape())));
                    return results;
                }
            };
        }
    }

    /** What a run had computed when it failed is never freed. */
    static final class KeepsWhatAFailedRunMade extends Keeps {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    try {
                        return super.run(inputs, wanted);
                    } catch (RuntimeException e) {
                        HostTensor first = MutantHandle.of(inputs.get(0)).data();
                        kept.add(HostTensor.allocateHeap(first.dtype(), first.shape()));
                        throw e;
                    }
                }
            };
        }
    }

    static final class KeepsARecordOfEachGraph extends Keeps {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            kept.add(new byte[KIBIBYTE]);
            return sound;
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
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = new ArrayList<>(super.run(inputs, wanted));
                    boolean three = results.size() == 3
                            && results.get(1).shape().equals(results.get(2).shape());
                    if (three) {
                        results.add(1, results.remove(2));
                    }
                    return results;
                }
            };
        }
    }

    /** Always the same two exchanged. */
    static final class SwapsOutputs extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = new ArrayList<>(super.run(inputs, wanted));
                    if (results.size() > 1) {
                        results.add(0, results.remove(1));
                    }
                    return results;
                }
            };
        }
    }
}
