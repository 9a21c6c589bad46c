package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Capabilities;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntUnaryOperator;
import java.util.function.UnaryOperator;

/** Faults of 16-bit types. */
final class SixteenBitFaults {

    private SixteenBitFaults() {}

    /** Bits of a tensor with two bytes an element. */
    private static HostTensor mapped(HostTensor tensor, UnaryOperator<Short> bits) {
        HostTensor result = HostTensor.allocate(tensor.dtype(), tensor.shape());
        for (int i = 0; i < tensor.shape().elements(); i++) {
            result.data().putShort(2 * i, bits.apply(tensor.data().getShort(2 * i)));
        }
        return result;
    }

    /**
     * No fault: computes in both 16-bit types as float32, rounded once, and keeps weights of models in bfloat16. Its
     * subclasses do some of it wrongly.
     */
    static class Computes extends Fault {
        @Override
        Capabilities capabilities(Capabilities real) {
            Set<DType> computed = EnumSet.copyOf(real.computeDTypes());
            computed.add(DType.FLOAT16);
            computed.add(DType.BFLOAT16);
            return new Capabilities(real.dtypes(), computed, Set.of(DType.BFLOAT16), real.deterministic());
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            DType narrow = inputs.stream()
                    .map(HostTensor::dtype)
                    .filter(DType::isSixteenBits)
                    .findFirst()
                    .orElse(null);
            if (op instanceof Op.Cast cast) {
                return List.of(cast(inputs.get(0), cast.to(), sound));
            }
            if (op instanceof Op.Full full && full.dtype().isSixteenBits()) {
                HostTensor wide = sound.run(new Op.Full(DType.FLOAT32, full.shape(), full.value()), inputs)
                        .get(0);
                return List.of(rounded(op, wide, full.dtype()));
            }
            if (narrow == null) {
                return sound.run(op, inputs);
            }
            List<HostTensor> wide = inputs.stream()
                    .map(input -> input.dtype() == narrow ? input.to(DType.FLOAT32) : input)
                    .toList();
            return wide(op, wide, narrow, sound).stream()
                    .map(result -> result.dtype() == DType.FLOAT32 ? rounded(op, result, narrow) : result)
                    .toList();
        }

        HostTensor cast(HostTensor input, DType to, Computation sound) {
            return sound.run(new Op.Cast(to), List.of(input)).get(0);
        }

        List<HostTensor> wide(Op op, List<HostTensor> inputs, DType narrow, Computation sound) {
            return sound.run(op, inputs);
        }

        HostTensor rounded(Op op, HostTensor result, DType narrow) {
            return result.to(narrow);
        }
    }

    /** Adds groups of 8 terms up in the 16-bit type itself: each group is summed soundly. */
    static final class SumsIn16Bits extends Computes {
        private static final int TILE = 8;
        private final String operation;

        SumsIn16Bits(String operation) {
            this.operation = operation;
        }

        @Override
        List<HostTensor> wide(Op op, List<HostTensor> in, DType narrow, Computation sound) {
            HostTensor x = in.get(0);
            if (!op.name().equals(operation) || x.shape().rank() < 2) {
                return sound.run(op, in);
            }
            int length = (int) x.shape().size(-1);
            int rows = (int) (x.shape().elements() / Math.max(1, length));
            HostTensor result = sound.run(op, in).get(0);
            HostTensor changed = HostTensor.allocate(DType.FLOAT32, result.shape());
            for (int i = 0; i < changed.shape().elements(); i++) {
                changed.setDouble(i, result.getDouble(i));
            }
            if (op instanceof Op.MatMul && in.get(1).shape().rank() == 2) {
                int columns = (int) in.get(1).shape().size(1);
                for (int i = 0; i < rows * columns; i++) {
                    int row = i / columns;
                    int column = i % columns;
                    changed.setDouble(
                            i,
                            sum(
                                    length,
                                    narrow,
                                    k -> x.getDouble(row * length + k)
                                            * in.get(1).getDouble(k * columns + column)));
                }
            } else if (op instanceof Op.Reduce reduce
                    && reduce.axes().equals(List.of(x.shape().rank() - 1))) {
                boolean mean = reduce.kind() == Op.ReduceKind.MEAN;
                for (int row = 0; row < rows; row++) {
                    int start = row * length;
                    changed.setDouble(row, sum(length, narrow, k -> x.getDouble(start + k)) / (mean ? length : 1));
                }
            } else if (op instanceof Op.Softmax || op instanceof Op.LogSoftmax) {
                shares(x, rows, length, op instanceof Op.LogSoftmax, narrow, changed);
            } else if (op instanceof Op.CumSum && !((Op.CumSum) op).reverse()) {
                for (int row = 0; row < rows; row++) {
                    double running = 0;
                    for (int k = 0; k < length; k++) {
                        running = round(running + x.getDouble(row * length + k), narrow);
                        changed.setDouble(row * length + k, running);
                    }
                }
            } else if (op instanceof Op.LayerNorm && in.size() == 1) {
                norms(x, rows, length, narrow, changed);
            } else if (op instanceof Op.RmsNorm && in.size() == 1) {
                for (int row = 0; row < rows; row++) {
                    int start = row * length;
                    double squares = sum(length, narrow, k -> x.getDouble(start + k) * x.getDouble(start + k));
                    for (int k = 0; k < length; k++) {
                        changed.setDouble(start + k, x.getDouble(start + k) / Math.sqrt(squares / length));
                    }
                }
            }
            return List.of(changed);
        }

        private static void shares(
                HostTensor x, int rows, int length, boolean logarithm, DType narrow, HostTensor changed) {
            for (int row = 0; row < rows; row++) {
                int start = row * length;
                double sum = sum(length, narrow, k -> Math.exp(x.getDouble(start + k)));
                for (int k = 0; k < length; k++) {
                    double value = x.getDouble(start + k);
                    changed.setDouble(start + k, logarithm ? value - Math.log(sum) : Math.exp(value) / sum);
                }
            }
        }

        private static void norms(HostTensor x, int rows, int length, DType narrow, HostTensor changed) {
            for (int row = 0; row < rows; row++) {
                int start = row * length;
                double mean = sum(length, narrow, k -> x.getDouble(start + k)) / length;
                double squares = sum(length, narrow, k -> Math.pow(x.getDouble(start + k) - mean, 2));
                for (int k = 0; k < length; k++) {
                    changed.setDouble(start + k, (x.getDouble(start + k) - mean) / Math.sqrt(squares / length + 1e-5));
                }
            }
        }

        private static double sum(int length, DType narrow, IntToDoubleFunction term) {
            double sum = 0;
            for (int tile = 0; tile < length; tile += TILE) {
                double part = 0;
                for (int k = tile; k < Math.min(length, tile + TILE); k++) {
                    part += term.applyAsDouble(k);
                }
                sum = round(sum + part, narrow);
            }
            return sum;
        }

        private static double round(double value, DType narrow) {
            HostTensor one = HostTensor.allocate(narrow, Shape.SCALAR);
            one.setDouble(0, value);
            return one.getDouble(0);
        }
    }

    /** Makes the bits of a bfloat16, the lower half of a number, of those of a float32 in another way. */
    private static class Narrows extends Computes {
        private final IntUnaryOperator bits;

        Narrows(IntUnaryOperator bits) {
            this.bits = bits;
        }

        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            if (input.dtype() != DType.FLOAT32 || to != DType.BFLOAT16) {
                return super.cast(input, to, sound);
            }
            HostTensor result = HostTensor.allocate(to, input.shape());
            for (int i = 0; i < input.shape().elements(); i++) {
                result.data()
                        .putShort(2 * i, (short) bits.applyAsInt(input.data().getInt(4 * i)));
            }
            return result;
        }
    }

    /** Keeps the upper half of a float32. */
    static final class CutsOnCasting extends Narrows {
        CutsOnCasting() {
            super(bits -> bits >>> 16);
        }
    }

    /** Adds a half and keeps the upper half: what lies in the middle goes up, and a NaN may become infinite or −0. */
    static final class RoundsHalvesUp extends Narrows {
        RoundsHalvesUp() {
            super(bits -> (bits + 0x8000) >>> 16);
        }
    }

    /** Rounds to nearest even without looking for NaN: one with ones in its lower bits becomes infinite or −0. */
    static final class ForgetsNanOnCasting extends Narrows {
        ForgetsNanOnCasting() {
            super(bits -> (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
        }
    }

    /** What is too large for float16 becomes its largest number, as some converters do on purpose. */
    static final class SaturatesOnCasting extends Computes {
        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            HostTensor result = super.cast(input, to, sound);
            return to != DType.FLOAT16 || input.dtype() != DType.FLOAT32
                    ? result
                    : mapped(result, bits -> (bits & 0x7fff) == 0x7c00 ? (short) (bits - 1) : bits);
        }
    }

    /** Subnormal numbers of float16 become 0. */
    static final class LosesSubnormalsOnCasting extends Computes {
        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            HostTensor result = super.cast(input, to, sound);
            return to != DType.FLOAT16
                    ? result
                    : mapped(result, bits -> (bits & 0x7c00) == 0 ? (short) (bits & 0x8000) : bits);
        }
    }

    /** Subnormal numbers of float16 are widened as if they were normal. */
    static final class WidensSubnormalsAsNormal extends Computes {
        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            HostTensor result = super.cast(input, to, sound);
            if (input.dtype() != DType.FLOAT16 || to != DType.FLOAT32) {
                return result;
            }
            for (int i = 0; i < input.shape().elements(); i++) {
                int bits = input.data().getShort(2 * i) & 0xffff;
                if ((bits & 0x7c00) == 0 && (bits & 0x3ff) != 0) {
                    result.setDouble(i, Math.scalb(1 + (bits & 0x3ff) / 1024.0, -15));
                }
            }
            return result;
        }
    }

    /** The bits of bfloat16 are read as those of float16, and written so, too. */
    static final class TakesOneForTheOther extends Computes {
        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            if (to == DType.BFLOAT16 && input.dtype() == DType.FLOAT32) {
                HostTensor result = super.cast(input, DType.FLOAT16, sound);
                return new HostTensor(to, result.shape(), result.data());
            }
            return input.dtype() == DType.BFLOAT16 && to == DType.FLOAT32
                    ? super.cast(new HostTensor(DType.FLOAT16, input.shape(), input.data()), to, sound)
                    : super.cast(input, to, sound);
        }
    }

    /** What comes in goes through a float, and a negative 0 through an integer comparison: its sign is lost. */
    static final class UploadLosesTheSignOfZero extends Computes {
        @Override
        HostTensor upload(HostTensor data) {
            return data.dtype() == DType.FLOAT16
                    ? mapped(data, bits -> bits == (short) 0x8000 ? (short) 0 : bits)
                    : data;
        }
    }

    /** Numbers with an all-ones exponent are all taken for infinite when they are read out. */
    static final class DownloadTurnsNanIntoInfinity extends Computes {
        @Override
        HostTensor download(MutantHandle handle, HostTensor data) {
            return data.dtype() == DType.BFLOAT16
                    ? mapped(data, bits -> (bits & 0x7f80) == 0x7f80 ? (short) (bits & 0xff80) : bits)
                    : data;
        }
    }

    /** Results are cut, not rounded; casts are right. */
    static final class CutsResults extends Computes {
        @Override
        HostTensor rounded(Op op, HostTensor result, DType narrow) {
            HostTensor sound = result.to(narrow);
            for (int i = 0; i < result.shape().elements(); i++) {
                if (Math.abs(sound.getDouble(i)) > Math.abs(result.getDouble(i))) {
                    short bits = sound.data().getShort(2 * i);
                    sound.data().putShort(2 * i, (short) (bits - 1));
                }
            }
            return sound;
        }
    }

    /** Weights that are only kept in bfloat16 are multiplied in it: the activations are rounded for that. */
    static final class MultipliesStoredWeightsNarrow extends Computes {
        private final Set<HostTensor> widened = Collections.newSetFromMap(new IdentityHashMap<>());

        @Override
        HostTensor cast(HostTensor input, DType to, Computation sound) {
            HostTensor result = super.cast(input, to, sound);
            if (input.dtype() == DType.BFLOAT16 && to == DType.FLOAT32) {
                widened.add(result);
            }
            return result;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean stored = (op instanceof Op.MatMul || op instanceof Op.Linear) && widened.contains(inputs.get(1));
            if (!stored) {
                return super.compute(op, inputs, sound);
            }
            List<HostTensor> operands = new ArrayList<>(inputs);
            operands.set(0, inputs.get(0).to(DType.BFLOAT16).to(DType.FLOAT32));
            return super.compute(op, operands, sound);
        }

        @Override
        void cleanUp() {
            widened.clear();
        }
    }

    /** Weights can be kept in 16 bits, and nothing but casts works on them. */
    static final class ReadsNoStoredRows extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (op instanceof Op.Gather && inputs.get(0).dtype().isSixteenBits()) {
                throw new UnsupportedOperationException(
                        "can't run gather in " + inputs.get(0).dtype());
            }
            return sound.run(op, inputs);
        }
    }

    /** Rows of a table in bfloat16 pass through arithmetic that takes subnormal numbers for zeros. */
    static final class RowsLoseSubnormals extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            return op instanceof Op.Gather && results.get(0).dtype() == DType.BFLOAT16
                    ? List.of(mapped(results.get(0), bits -> (bits & 0x7f80) == 0 ? (short) (bits & 0x8000) : bits))
                    : results;
        }
    }

    /** What leaves a graph of float16 has lost six of its ten bits: kept as 8 bits to save memory, say. */
    static final class GraphsKeepFourBits extends Computes {
        @Override
        List<TensorHandle> run(List<TensorHandle> inputs, List<Integer> wanted, PreparedGraph sound) {
            List<TensorHandle> results = sound.run(inputs, wanted);
            results.forEach(result -> {
                MutantHandle mine = MutantHandle.of(result);
                if (mine.dtype() == DType.FLOAT16) {
                    mine.overwrite(mapped(mine.data(), bits -> (short) (bits & ~0x3f)));
                }
            });
            return results;
        }
    }
}
