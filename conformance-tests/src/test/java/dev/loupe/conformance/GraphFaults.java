package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Faults of prepared graphs, and of what happens between two of them. */
final class GraphFaults {

    private GraphFaults() {}

    private static TensorHandle again(TensorHandle handle) {
        return new MutantHandle(MutantHandle.of(handle).data(), true);
    }

    static final class IgnoresTheOrderWanted extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            return sound.run(inputs, wanted.stream().sorted().toList());
        }
    }

    /** Gives the outputs of the last run with inputs of these shapes. */
    static final class StaleOutputs extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            Map<List<?>, List<HostTensor>> known = new HashMap<>();
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<Shape> shapes =
                            inputs.stream().map(TensorHandle::shape).toList();
                    List<HostTensor> old = known.computeIfAbsent(List.of(shapes, wanted), key -> {
                        List<HostTensor> fresh = new ArrayList<>();
                        super.run(inputs, wanted)
                                .forEach(out -> fresh.add(MutantHandle.of(out).data()));
                        return fresh;
                    });
                    List<TensorHandle> results = new ArrayList<>();
                    old.forEach(data -> results.add(new MutantHandle(data, true)));
                    return results;
                }
            };
        }
    }

    static final class OneSizeOnly extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                private Shape first = Shape.SCALAR;

                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    if (!inputs.isEmpty() && first.rank() == 0) {
                        first = inputs.get(0).shape();
                    }
                    if (!inputs.isEmpty() && !inputs.get(0).shape().equals(first)) {
                        throw new IllegalStateException("prepared for " + first);
                    }
                    return super.run(inputs, wanted);
                }
            };
        }
    }

    static final class ClosesItsInputs extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            inputs.forEach(TensorHandle::close);
            return results;
        }
    }

    static final class OneHandleForEqualResults extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = new ArrayList<>(super.run(inputs, wanted));
                    boolean views = segment.steps().stream()
                            .allMatch(step -> step.inputs().size() == 1);
                    for (int i = 1; views && i < results.size(); i++) {
                        results.set(i, results.get(0));
                    }
                    return results;
                }
            };
        }
    }

    static final class ClosesItsWeights extends Fault {
        private final IdentityHashMap<PreparedGraph, Segment> graphs = new IdentityHashMap<>();

        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public void close() {
                    graphs.put(this, segment);
                    super.close();
                }
            };
        }

        @Override
        HostTensor download(MutantHandle handle, HostTensor sound) {
            // After a graph with weights was closed, uploaded tensors of a weight's shape hold garbage.
            boolean lost = graphs.values().stream()
                    .flatMap(segment -> segment.weights().stream()
                            .map(weight -> segment.types().get(weight.slot())))
                    .anyMatch(type -> !handle.fromGraph
                            && type.isFixed()
                            && type.dtype() == sound.dtype()
                            && type.shape().equals(sound.shape()));
            return lost ? HostTensor.allocate(sound.dtype(), sound.shape()) : sound;
        }

        @Override
        void cleanUp() {
            graphs.clear();
        }
    }

    /** Gives other numbers for a result when something else is wanted, too. */
    static final class ObservingCosts extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = new ArrayList<>(sound.run(inputs, wanted));
            int last = results.size() - 1;
            if (last > 0 && results.get(last).dtype() == DType.FLOAT32) {
                HostTensor sloppy = MutantHandle.of(results.get(last))
                        .data()
                        .to(DType.BFLOAT16)
                        .to(DType.FLOAT32);
                results.set(last, new MutantHandle(sloppy, true));
            }
            return results;
        }
    }

    static final class BreaksAfterAFailure extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                private boolean broken;

                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    if (broken) {
                        throw new IllegalStateException("failed before");
                    }
                    try {
                        return super.run(inputs, wanted);
                    } catch (RuntimeException e) {
                        broken = true;
                        throw e;
                    }
                }
            };
        }
    }

    static final class KeepsWhatItPrepared extends Fault {
        private final List<HostTensor> kept = new ArrayList<>();

        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            for (Segment.WeightSlot weight : segment.weights()) {
                Shape shape = segment.types().get(weight.slot()).shape();
                if (shape.elements() > 1 << 19) {
                    kept.add(HostTensor.allocateHeap(
                            segment.types().get(weight.slot()).dtype(), shape));
                }
            }
            return sound;
        }

        @Override
        void cleanUp() {
            kept.clear();
        }
    }

    /** All runs of a graph share the place where inputs are put. */
    static final class InputsInOnePlace extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                private volatile List<TensorHandle> place = List.of();

                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    place = inputs;
                    LockSupport.parkNanos(200_000);
                    return super.run(place, wanted);
                }
            };
        }
    }

    /** A hook point gives what comes out of the next sum: the hook fires too late. */
    static final class HooksFireLate extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = new ArrayList<>();
                    for (int slot : wanted) {
                        results.addAll(super.run(inputs, List.of(later(segment, slot))));
                    }
                    return results;
                }
            };
        }

        private static int later(Segment segment, int slot) {
            for (Segment.Step step : segment.steps()) {
                boolean sum = step.op() instanceof Op.Binary binary && binary.kind() == Op.BinaryKind.ADD;
                if (sum
                        && step.inputs().contains(slot)
                        && segment.types()
                                .get(step.outputs().get(0))
                                .equals(segment.types().get(slot))) {
                    return step.outputs().get(0);
                }
            }
            return slot;
        }
    }

    /** What is computed from a graph's output outside of graphs is thrown away: edits are dropped. */
    static final class EditsAreDropped extends Fault {
        @Override
        List<TensorHandle> execute(Op op, List<TensorHandle> inputs, Supplier<List<TensorHandle>> sound) {
            boolean edit = op instanceof Op.Binary && inputs.get(0) instanceof MutantHandle first && first.fromGraph;
            return edit ? List.of(again(inputs.get(0))) : sound.get();
        }
    }

    /** What is read out of an edited activation is what it was before: the edit itself flows on. */
    static final class TheCacheRecordsBeforeTheEdit extends Fault {
        private final Map<MutantHandle, HostTensor> before =
                java.util.Collections.synchronizedMap(new IdentityHashMap<>());

        @Override
        List<TensorHandle> execute(Op op, List<TensorHandle> inputs, Supplier<List<TensorHandle>> sound) {
            List<TensorHandle> results = sound.get();
            if (op instanceof Op.Binary && inputs.get(0) instanceof MutantHandle first) {
                remember(results.get(0), first.fromGraph ? first.data() : before.get(first));
            } else if (op instanceof Op.Reshape && inputs.get(0) instanceof MutantHandle same) {
                // What is handed out is a tensor of its own, over the same numbers.
                remember(results.get(0), before.get(same));
            }
            return results;
        }

        private void remember(TensorHandle result, @Nullable HostTensor original) {
            if (original != null) {
                before.put(MutantHandle.of(result), original);
            }
        }

        @Override
        HostTensor download(MutantHandle handle, HostTensor sound) {
            return before.getOrDefault(handle, sound);
        }

        @Override
        void cleanUp() {
            before.clear();
        }
    }

    /** A graph's outputs lie in memory that its next run uses again. */
    static final class OutputsAreOverwritten extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            Map<Integer, List<MutantHandle>> given = new HashMap<>();
            return new Wrapped(sound) {
                @Override
                public synchronized List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = super.run(inputs, wanted);
                    for (int i = 0; i < wanted.size(); i++) {
                        MutantHandle now = MutantHandle.of(results.get(i));
                        List<MutantHandle> earlier = given.computeIfAbsent(wanted.get(i), slot -> new ArrayList<>());
                        for (MutantHandle before : earlier) {
                            if (before.shape().equals(now.shape())) {
                                before.overwrite(now.data());
                            }
                        }
                        earlier.add(now);
                    }
                    return results;
                }
            };
        }
    }

    /** Closing a graph frees what it gave. */
    static final class ResultsGoWithTheGraph extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            return new Wrapped(sound) {
                private final List<MutantHandle> given = new ArrayList<>();

                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    List<TensorHandle> results = super.run(inputs, wanted);
                    synchronized (given) {
                        results.forEach(result -> given.add(MutantHandle.of(result)));
                    }
                    return results;
                }

                @Override
                public void close() {
                    super.close();
                    synchronized (given) {
                        given.forEach(MutantHandle::clear);
                    }
                }
            };
        }
    }

    /** Waits in a way that an interrupt ends, when a graph is prepared. */
    static final class InterruptsEndPreparing extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            if (Thread.interrupted()) {
                throw new IllegalStateException("interrupted while compiling");
            }
            return sound;
        }
    }
}
