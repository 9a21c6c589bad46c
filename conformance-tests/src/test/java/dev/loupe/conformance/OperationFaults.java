package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/** Faults of single operations. */
final class OperationFaults {

    private OperationFaults() {}

    private static HostTensor copy(HostTensor tensor) {
        HostTensor copy = HostTensor.allocate(tensor.dtype(), tensor.shape());
        copy.data().put(0, tensor.data(), 0, tensor.data().capacity());
        return copy;
    }

    static final class SoftmaxOverTheWrongAxis extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean wrong = op instanceof Op.Softmax && inputs.get(0).shape().rank() == 2;
            return sound.run(wrong ? new Op.Softmax(0) : op, inputs);
        }
    }

    static final class MaskedRowGivesNan extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Softmax)) {
                return sound.run(op, inputs);
            }
            HostTensor result = copy(sound.run(op, inputs).get(0));
            for (int i = 0; i < result.shape().elements(); i++) {
                boolean masked = inputs.get(0).getDouble(i) == Double.NEGATIVE_INFINITY;
                boolean first = i % result.shape().size(-1) == 0;
                if (masked && first && result.getDouble(i) == 0) {
                    result.setDouble(i, Double.NaN);
                }
            }
            return List.of(result);
        }
    }

    static final class ResultsOfTheWrongType extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            return op instanceof Op.ArgReduce ? List.of(results.get(0).to(DType.INT32)) : results;
        }
    }

    /** Adds so much of the tolerance to the first element of a float32 product. */
    static final class ProductsOff extends Fault {
        private final double fraction;

        ProductsOff(double fraction) {
            this.fraction = fraction;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            HostTensor result = results.get(0);
            if (!(op instanceof Op.MatMul)
                    || result.dtype() != DType.FLOAT32
                    || result.shape().elements() == 0) {
                return results;
            }
            List<HostTensor> wide =
                    inputs.stream().map(input -> input.to(DType.FLOAT64)).toList();
            HostTensor expected = sound.run(op, wide).get(0);
            List<HostTensor> magnitudes = wide.stream()
                    .map(input -> sound.run(new Op.Unary(UnaryKind.ABS), List.of(input))
                            .get(0))
                    .toList();
            double terms = sound.run(op, magnitudes).get(0).getDouble(0);
            double allowed = 0x1p-23
                    * (Math.abs(expected.getDouble(0)) + inputs.get(0).shape().size(-1) / 2.0 * terms);
            HostTensor off = copy(result);
            off.setDouble(0, expected.getDouble(0) + fraction * allowed);
            return List.of(off);
        }
    }

    static final class TensorCores extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean product = (op instanceof Op.MatMul || op instanceof Op.Linear)
                    && inputs.get(0).dtype() == DType.FLOAT32;
            return sound.run(op, product ? inputs.stream().map(TensorCores::cut).toList() : inputs);
        }

        private static HostTensor cut(HostTensor tensor) {
            HostTensor result = copy(tensor);
            for (int i = 0; i < tensor.shape().elements(); i++) {
                int bits = Float.floatToRawIntBits((float) tensor.getDouble(i)) & 0xffffe000;
                result.setDouble(i, Float.intBitsToFloat(bits));
            }
            return result;
        }
    }

    static final class Float64ThroughFloat32 extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.MatMul) || inputs.get(0).dtype() != DType.FLOAT64) {
                return sound.run(op, inputs);
            }
            List<HostTensor> narrow =
                    inputs.stream().map(input -> input.to(DType.FLOAT32)).toList();
            return List.of(sound.run(op, narrow).get(0).to(DType.FLOAT64));
        }
    }

    static final class Int64ThroughDouble extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean sum = op instanceof Op.Binary binary && binary.kind() == BinaryKind.ADD;
            if (!sum || inputs.get(0).dtype() != DType.INT64) {
                return sound.run(op, inputs);
            }
            List<HostTensor> doubles =
                    inputs.stream().map(input -> input.to(DType.FLOAT64)).toList();
            return List.of(sound.run(op, doubles).get(0).to(DType.INT64));
        }
    }

    static final class ReluSwallowsNan extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (!(op instanceof Op.Unary unary) || unary.kind() != UnaryKind.RELU) {
                return results;
            }
            HostTensor result = copy(results.get(0));
            for (int i = 0; i < result.shape().elements(); i++) {
                if (Double.isNaN(result.getDouble(i))) {
                    result.setDouble(i, 0);
                }
            }
            return List.of(result);
        }
    }

    static final class LastOfEqualsWins extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (!(op instanceof Op.ArgReduce argument) || inputs.get(0).shape().rank() != 1) {
                return results;
            }
            HostTensor x = inputs.get(0);
            int best = (int) results.get(0).getDouble(0);
            for (int i = best; i < x.shape().elements(); i++) {
                best = x.getDouble(i) == x.getDouble(best) ? i : best;
            }
            Shape shape = argument.keepDims() ? Shape.of(1) : Shape.SCALAR;
            return List.of(HostTensor.of(shape, (long) best));
        }
    }

    static final class NegativeIndicesWrap extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Gather gather)) {
                return sound.run(op, inputs);
            }
            HostTensor indices = copy(inputs.get(1));
            long size = inputs.get(0).shape().size(gather.axis());
            for (int i = 0; i < indices.shape().elements(); i++) {
                long index = indices.data().getLong(i * 8);
                indices.data().putLong(i * 8, index < 0 && index >= -size ? index + size : index);
            }
            return sound.run(op, List.of(inputs.get(0), indices));
        }
    }

    static final class OneGeluForTheOther extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean tanh = op instanceof Op.Activation activation && activation.kind() == Op.ActivationKind.GELU_TANH;
            return sound.run(tanh ? new Op.Activation(Op.ActivationKind.GELU) : op, inputs);
        }
    }

    static final class UnbiasedVariance extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            double n = op instanceof Op.LayerNorm ? inputs.get(0).shape().size(-1) : 0;
            if (inputs.size() != 1 || n < 2) {
                return results;
            }
            HostTensor result = copy(results.get(0));
            for (int i = 0; i < result.shape().elements(); i++) {
                result.setDouble(i, result.getDouble(i) * Math.sqrt((n - 1) / n));
            }
            return List.of(result);
        }
    }

    static final class BroadcastsTheWrongSide extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean swapped = op instanceof Op.Binary binary
                    && binary.kind() == BinaryKind.SUB
                    && inputs.get(0).shape().rank() < inputs.get(1).shape().rank();
            return sound.run(op, swapped ? List.of(inputs.get(1), inputs.get(0)) : inputs);
        }
    }

    static final class ComputesInStorageTypes extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean half = op instanceof Op.Unary && inputs.get(0).dtype() == DType.FLOAT16;
            return half
                    ? List.of(sound.run(op, List.of(inputs.get(0).to(DType.FLOAT32)))
                            .get(0)
                            .to(DType.FLOAT16))
                    : sound.run(op, inputs);
        }
    }

    static final class NotTheSameTwice extends Fault {
        private int calls;

        @Override
        synchronized List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            calls++;
            HostTensor first = results.get(0);
            if (!(op instanceof Op.MatMul) || first.dtype() != DType.FLOAT32 || calls % 2 == 0) {
                return results;
            }
            HostTensor other = copy(first);
            for (int i = 0; i < first.shape().elements(); i++) {
                other.setDouble(i, Math.nextUp((float) first.getDouble(i)));
            }
            return List.of(other);
        }
    }

    /** Works in two fields that all threads share. */
    static final class SharesScratchMemory extends Fault {
        private volatile List<HostTensor> scratch = List.of();

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            scratch = inputs;
            LockSupport.parkNanos(100_000);
            List<HostTensor> seen = scratch;
            boolean fits = seen.size() == inputs.size();
            for (int i = 0; fits && i < inputs.size(); i++) {
                fits = seen.get(i).shape().equals(inputs.get(i).shape())
                        && seen.get(i).dtype() == inputs.get(i).dtype();
            }
            return sound.run(op, fits ? seen : inputs);
        }
    }

    static final class WorksInPlace extends Fault {
        @Override
        List<TensorHandle> execute(Op op, List<TensorHandle> inputs, Supplier<List<TensorHandle>> sound) {
            List<TensorHandle> results = sound.get();
            if (op instanceof Op.Unary unary && unary.kind() == UnaryKind.NEG) {
                MutantHandle.of(inputs.get(0))
                        .overwrite(MutantHandle.of(results.get(0)).data());
            }
            return results;
        }
    }

    static final class GivesBackTheInput extends Fault {
        @Override
        List<TensorHandle> execute(Op op, List<TensorHandle> inputs, Supplier<List<TensorHandle>> sound) {
            boolean nothingToDo = op instanceof Op.Reshape reshape
                    && reshape.shape().equals(inputs.get(0).shape());
            return nothingToDo ? List.of(inputs.get(0)) : sound.get();
        }
    }

    static final class ForgetsZeroLength extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (op instanceof Op.Concat
                    && inputs.stream().anyMatch(x -> x.shape().elements() == 0)) {
                throw new IllegalArgumentException("nothing to join");
            }
            return sound.run(op, inputs);
        }
    }

    static final class KeepsWhatFailed extends Fault {
        private final List<HostTensor> kept = new ArrayList<>();

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            try {
                return sound.run(op, inputs);
            } catch (IndexOutOfBoundsException e) {
                synchronized (kept) {
                    kept.add(HostTensor.allocateHeap(
                            inputs.get(0).dtype(), inputs.get(0).shape()));
                }
                throw e;
            }
        }

        @Override
        void cleanUp() {
            kept.clear();
        }
    }

    /** NaN becomes what x86 makes of it. */
    static final class CastsAsTheProcessorDoes extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (!(op instanceof Op.Cast cast)
                    || !cast.to().isInteger()
                    || !inputs.get(0).dtype().isFloating()) {
                return results;
            }
            HostTensor result = copy(results.get(0));
            for (int i = 0; i < result.shape().elements(); i++) {
                if (Double.isNaN(inputs.get(0).getDouble(i))) {
                    result.setDouble(i, Double.NEGATIVE_INFINITY);
                }
            }
            return List.of(result);
        }
    }

    /** Steps are counted in 32 bits. */
    static final class LongStepsWrap extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (op instanceof Op.Slice slice && slice.step() > Integer.MAX_VALUE) {
                int step = Math.max(1, (int) slice.step());
                return sound.run(new Op.Slice(slice.axis(), slice.start(), slice.end(), step), inputs);
            }
            return sound.run(op, inputs);
        }
    }

    static final class WantOfMemoryIsAnyError extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (op instanceof Op.Full full && full.shape().elements() > Integer.MAX_VALUE) {
                throw new IllegalStateException("engine error 12");
            }
            return sound.run(op, inputs);
        }
    }
}
