package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.WeightSource;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Faults where one thing is taken for another: a view for a copy, a kernel, a graph or a weight for its like. */
final class MixUpFaults {

    private MixUpFaults() {}

    private static HostTensor copy(HostTensor tensor) {
        HostTensor copy = HostTensor.allocate(tensor.dtype(), tensor.shape());
        copy.data().put(0, tensor.data(), 0, tensor.data().capacity());
        return copy;
    }

    /** Remembers which tensors are views, and of what memory. */
    private abstract static class IgnoresStrides extends Fault {
        private final Map<HostTensor, HostTensor> memory = Collections.synchronizedMap(new IdentityHashMap<>());

        /** Whether the result of an operation is a view that kernels read wrongly. */
        abstract boolean isView(Op op);

        /** Whether this kernel reads on in memory instead of looking at strides. */
        abstract boolean readsOn(Op op);

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> operands =
                    readsOn(op) ? inputs.stream().map(this::readOn).toList() : inputs;
            List<HostTensor> results = sound.run(op, operands);
            if (isView(op)) {
                memory.put(results.get(0), inputs.get(0));
            }
            return results;
        }

        /** As many elements as the view has, one after the other from the beginning of the memory it lies in. */
        private HostTensor readOn(HostTensor input) {
            HostTensor from = memory.get(input);
            if (from == null) {
                return input;
            }
            int bytes = HostTensor.byteSize(input.dtype(), input.shape());
            HostTensor wrong = HostTensor.allocate(input.dtype(), input.shape());
            for (int i = 0; i < bytes; i++) {
                wrong.data().put(i, from.data().get(i % from.data().capacity()));
            }
            return wrong;
        }

        @Override
        void cleanUp() {
            memory.clear();
        }
    }

    /** Matrix products don't see that an operand is the transpose of what lies in memory. */
    static final class ProductsIgnoreTransposes extends IgnoresStrides {
        @Override
        boolean isView(Op op) {
            return op instanceof Op.Transpose;
        }

        @Override
        boolean readsOn(Op op) {
            return op instanceof Op.MatMul;
        }
    }

    /** Elementwise functions run over the memory of a slice with steps. */
    static final class FunctionsIgnoreSteps extends IgnoresStrides {
        @Override
        boolean isView(Op op) {
            return op instanceof Op.Slice slice && slice.step() > 1;
        }

        @Override
        boolean readsOn(Op op) {
            return op instanceof Op.Unary;
        }
    }

    /** Sums begin where the memory does, not where the slice does. */
    static final class SumsIgnoreOffsets extends IgnoresStrides {
        @Override
        boolean isView(Op op) {
            return op instanceof Op.Slice slice && slice.step() == 1 && slice.start() > 0;
        }

        @Override
        boolean readsOn(Op op) {
            return op instanceof Op.Reduce;
        }
    }

    /** Norms of a row that is only said to be many have the first, and nothing behind it. */
    static final class NormsIgnoreExpansion extends Fault {
        private final Map<HostTensor, Boolean> expanded = Collections.synchronizedMap(new IdentityHashMap<>());

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (op instanceof Op.Expand) {
                expanded.put(results.get(0), true);
            }
            if (op instanceof Op.LayerNorm && expanded.containsKey(inputs.get(0))) {
                HostTensor first = copy(results.get(0));
                int row = (int) first.shape().size(-1);
                for (int i = row; i < first.shape().elements(); i++) {
                    first.setDouble(i, 0);
                }
                return List.of(first);
            }
            return results;
        }

        @Override
        void cleanUp() {
            expanded.clear();
        }
    }

    /** What a kernel is looked up by: everything but the attributes. */
    private record Kernel(String name, List<DType> types, List<Shape> shapes, List<TensorType> results) {
        static Kernel of(Op op, List<HostTensor> inputs) {
            List<TensorType> types = inputs.stream()
                    .map(input -> TensorType.of(input.dtype(), input.shape()))
                    .toList();
            return new Kernel(
                    op.name(),
                    inputs.stream().map(HostTensor::dtype).toList(),
                    inputs.stream().map(HostTensor::shape).toList(),
                    op.infer(types));
        }
    }

    /** Kernels of one operation are kept by its name and by types. */
    static final class KernelsByNameAndShape extends Fault {
        private final String operation;
        private final Map<Kernel, Op> kernels = new ConcurrentHashMap<>();

        KernelsByNameAndShape(String operation) {
            this.operation = operation;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return op.name().equals(operation)
                    ? sound.run(kernels.computeIfAbsent(Kernel.of(op, inputs), key -> op), inputs)
                    : sound.run(op, inputs);
        }
    }

    /** Only graphs are kept so; operations on their own are right. */
    static final class GraphsByNamesAndShapes extends Fault {
        private final Map<List<Object>, Segment> known = new ConcurrentHashMap<>();

        @Override
        Segment segment(Segment segment) {
            List<Object> key = new ArrayList<>();
            key.add(segment.types());
            key.add(segment.weights());
            key.add(segment.outputs());
            segment.steps().forEach(step -> {
                key.add(step.op().name());
                key.add(step.inputs());
                key.add(step.outputs());
            });
            return known.computeIfAbsent(key, absent -> segment);
        }
    }

    /** Weights are kept by name, for all models. */
    static final class WeightsByName extends Fault {
        private final Map<String, HostTensor> known = new ConcurrentHashMap<>();

        @Override
        WeightSource weights(WeightSource given) {
            return name -> {
                HostTensor mine = MutantHandle.of(given.weight(name)).data();
                HostTensor first = known.computeIfAbsent(name, absent -> copy(mine));
                boolean fits = first.dtype() == mine.dtype() && first.shape().equals(mine.shape());
                return fits ? new MutantHandle(first, false) : given.weight(name);
            };
        }

        @Override
        void cleanUp() {
            known.clear();
        }
    }

    /** Whole numbers come out of graphs as the doubles that the engine keeps them in. */
    static final class IntsOfGraphsThroughDouble extends Fault {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            results.forEach(result -> {
                MutantHandle mine = MutantHandle.of(result);
                if (mine.dtype() == DType.INT64) {
                    mine.overwrite(mine.data().to(DType.FLOAT64).to(DType.INT64));
                }
            });
            return results;
        }
    }

    /** A graph's first run leaves its weights in place a little larger, for all runs after it. */
    static final class RunsScaleTheWeights extends Fault {
        private final Map<HostTensor, HostTensor> own = Collections.synchronizedMap(new IdentityHashMap<>());

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Linear)) {
                return sound.run(op, inputs);
            }
            HostTensor weight = own.computeIfAbsent(inputs.get(1), MixUpFaults::copy);
            List<HostTensor> operands = new ArrayList<>(inputs);
            operands.set(1, weight);
            List<HostTensor> results = sound.run(op, operands);
            for (int i = 0; i < weight.shape().elements(); i++) {
                weight.setDouble(i, weight.getDouble(i) * 1.01);
            }
            return results;
        }

        @Override
        void cleanUp() {
            own.clear();
        }
    }

    /** In a graph an index outside the axis is taken for the nearest inside. */
    static final class GraphsClampIndices extends Fault {
        @Override
        PreparedGraph prepare(Segment segment, PreparedGraph sound) {
            Map<Integer, Long> bounds = new HashMap<>();
            for (Segment.Step step : segment.steps()) {
                if (step.op() instanceof Op.Gather gather) {
                    TensorType data = segment.types().get(step.inputs().get(0));
                    if (data.dim(gather.axis()).soleSymbol().isEmpty()) {
                        bounds.put(step.inputs().get(1), data.dim(gather.axis()).value());
                    }
                }
            }
            return new Wrapped(sound) {
                @Override
                public List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted) {
                    for (int i = 0; i < inputs.size(); i++) {
                        Long bound = bounds.get(segment.inputs().get(i));
                        if (bound != null) {
                            clamp(MutantHandle.of(inputs.get(i)), bound);
                        }
                    }
                    return super.run(inputs, wanted);
                }
            };
        }

        private static void clamp(MutantHandle indices, long bound) {
            HostTensor within = copy(indices.data());
            for (int i = 0; i < within.shape().elements(); i++) {
                within.data().putLong(8 * i, Math.min(within.data().getLong(8 * i), bound - 1));
            }
            indices.overwrite(within);
        }
    }
}
