package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ReduceKind;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/** Faults that show at sizes of real models alone: tiles, tails, accumulators, narrow indices, fixed numbers of things. */
final class SizeFaults {

    private static final int TILE = 4096;

    private SizeFaults() {}

    private static HostTensor copy(HostTensor tensor) {
        HostTensor copy = HostTensor.allocate(tensor.dtype(), tensor.shape());
        copy.data().put(0, tensor.data(), 0, tensor.data().capacity());
        return copy;
    }

    private static long last(HostTensor tensor) {
        return tensor.shape().rank() == 0 ? 1 : tensor.shape().size(-1);
    }

    /** A tensor whose elements beyond the first tile of the last axis are something else. */
    private static HostTensor tail(HostTensor tensor, double value) {
        HostTensor copy = copy(tensor);
        long width = last(tensor);
        for (int i = 0; i < copy.shape().elements(); i++) {
            if (i % width >= TILE) {
                copy.setDouble(i, value);
            }
        }
        return copy;
    }

    /** Leaves out what lies beyond one tile of the last axis of the first input. */
    private abstract static class OneTile extends Fault {
        abstract boolean concerns(Op op);

        double instead() {
            return 0;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!concerns(op) || last(inputs.get(0)) <= TILE) {
                return sound.run(op, inputs);
            }
            List<HostTensor> given = new ArrayList<>(inputs);
            given.set(0, tail(inputs.get(0), instead()));
            return sound.run(op, given);
        }
    }

    static final class SoftmaxOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Softmax;
        }

        @Override
        double instead() {
            return Double.NEGATIVE_INFINITY;
        }
    }

    /** The sum is taken over the first tile alone. */
    static final class LogSoftmaxSumsOneTile extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            HostTensor x = inputs.get(0);
            boolean wide = op instanceof Op.LogSoftmax softmax && softmax.axis() == 1 && last(x) > TILE;
            if (!wide) {
                return sound.run(op, inputs);
            }
            HostTensor right = sound.run(op, inputs).get(0);
            HostTensor narrow =
                    sound.run(op, List.of(tail(x, Double.NEGATIVE_INFINITY))).get(0);
            HostTensor wrong = copy(right);
            int width = (int) last(x);
            for (int i = 0; i < wrong.shape().elements(); i++) {
                int start = i / width * width;
                wrong.setDouble(i, right.getDouble(i) + narrow.getDouble(start) - right.getDouble(start));
            }
            return List.of(wrong);
        }
    }

    static final class LayerNormOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.LayerNorm;
        }
    }

    static final class RmsNormOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.RmsNorm;
        }
    }

    static final class LargestOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Reduce reduce && reduce.kind() == ReduceKind.MIN;
        }

        @Override
        double instead() {
            return 1000;
        }
    }

    static final class TopOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.TopK topK && topK.largest();
        }
    }

    static final class ProductWithoutItsTail extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.MatMul;
        }
    }

    static final class ExpOfOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Unary unary && unary.kind() == Op.UnaryKind.EXP;
        }
    }

    static final class CopiesOneTile extends OneTile {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Transpose;
        }
    }

    /** Keeps sums in 16 bits where there are many terms: they stop to grow. */
    static final class SumsIn16Bits extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean sum = op instanceof Op.Reduce reduce
                    && reduce.kind() == ReduceKind.SUM
                    && inputs.get(0).dtype() == DType.FLOAT32
                    && last(inputs.get(0)) > TILE;
            if (!sum) {
                return sound.run(op, inputs);
            }
            HostTensor x = inputs.get(0);
            HostTensor result = copy(sound.run(op, inputs).get(0));
            int width = (int) last(x);
            for (int row = 0; row < result.shape().elements(); row++) {
                HostTensor total = HostTensor.allocate(DType.BFLOAT16, Shape.SCALAR);
                for (int i = 0; i < width; i++) {
                    total.setDouble(0, total.getDouble(0) + x.getDouble(row * width + i));
                }
                result.setDouble(row, total.getDouble(0));
            }
            return List.of(result);
        }
    }

    /** Rounds the sums of a long inner axis to 16 bits between two pieces. */
    static final class LinearInPiecesOf16Bits extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            boolean rounds = op instanceof Op.Linear
                    && last(inputs.get(0)) > TILE
                    && inputs.get(0).dtype() == DType.FLOAT32;
            return rounds ? List.of(results.get(0).to(DType.BFLOAT16).to(DType.FLOAT32)) : results;
        }
    }

    static final class RunningSumsBeginAnew extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            HostTensor result = sound.run(op, inputs).get(0);
            int width = (int) last(result);
            if (!(op instanceof Op.CumSum sum) || sum.reverse() || width <= TILE) {
                return sound.run(op, inputs);
            }
            HostTensor wrong = copy(result);
            for (int i = 0; i < wrong.shape().elements(); i++) {
                if (i % width >= TILE) {
                    int before = i / width * width + TILE - 1;
                    wrong.setDouble(i, result.getDouble(i) - result.getDouble(before));
                }
            }
            return List.of(wrong);
        }
    }

    /** Changes indices on their way in, as too narrow an integer would. */
    private abstract static class NarrowIndices extends Fault {
        private final LongUnaryOperator narrow;

        NarrowIndices(LongUnaryOperator narrow) {
            this.narrow = narrow;
        }

        abstract boolean concerns(Op op);

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!concerns(op)) {
                return sound.run(op, inputs);
            }
            List<HostTensor> given = new ArrayList<>(inputs);
            HostTensor indices = copy(inputs.get(1));
            for (int i = 0; i < indices.shape().elements(); i++) {
                long index = indices.data().getLong(i * 8);
                long size = inputs.get(0).shape().elements();
                indices.data().putLong(i * 8, index > 0 && index < size ? narrow.applyAsLong(index) : index);
            }
            given.set(1, indices);
            return sound.run(op, given);
        }
    }

    static final class RowsIn16Bits extends NarrowIndices {
        RowsIn16Bits() {
            super(index -> index & 0xffff);
        }

        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Gather;
        }
    }

    static final class PlacesIn16Bits extends NarrowIndices {
        PlacesIn16Bits() {
            super(index -> index & 0xffff);
        }

        @Override
        boolean concerns(Op op) {
            return op instanceof Op.GatherElements;
        }
    }

    /** Indices pass through a type of 11 bits. */
    static final class PlacesInHalfPrecision extends NarrowIndices {
        PlacesInHalfPrecision() {
            super(index -> index > 2048 ? index / 2 * 2 : index);
        }

        @Override
        boolean concerns(Op op) {
            return op instanceof Op.ScatterElements;
        }
    }

    static final class BestIn15Bits extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (!(op instanceof Op.ArgReduce)) {
                return results;
            }
            HostTensor result = copy(results.get(0));
            for (int i = 0; i < result.shape().elements(); i++) {
                result.data().putLong(i * 8, result.data().getLong(i * 8) & 0x7fff);
            }
            return List.of(result);
        }
    }

    /** A kernel with eight arguments: the ninth is taken for the eighth. */
    static final class JoinsEight extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Concat) || inputs.size() < 9) {
                return sound.run(op, inputs);
            }
            List<HostTensor> given = new ArrayList<>(inputs);
            HostTensor ninth =
                    HostTensor.allocate(inputs.get(8).dtype(), inputs.get(8).shape());
            given.set(8, ninth);
            return sound.run(op, given);
        }
    }

    /** Query heads share keys and values two by two and no more. */
    static final class GroupsOfTwo extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Attention)) {
                return sound.run(op, inputs);
            }
            int heads = (int) inputs.get(0).shape().size(2);
            int keyHeads = (int) inputs.get(1).shape().size(2);
            if (keyHeads < 3 || heads / keyHeads < 3) {
                return sound.run(op, inputs);
            }
            HostTensor picked = HostTensor.allocate(DType.INT64, Shape.of(heads));
            for (int head = 0; head < heads; head++) {
                picked.data().putLong(head * 8, head / 2 % keyHeads);
            }
            List<HostTensor> given = new ArrayList<>(inputs);
            for (int i = 1; i <= 2; i++) {
                given.set(
                        i,
                        sound.run(new Op.Gather(2), List.of(inputs.get(i), picked))
                                .get(0));
            }
            return sound.run(op, given);
        }
    }

    /** Works on four rows of a batch at once and leaves what is over as zeros. */
    private abstract static class BatchesOfFour extends Fault {
        abstract boolean concerns(Op op);

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            Shape shape = results.get(0).shape();
            if (!concerns(op) || shape.rank() < 3 || shape.size(0) % 4 != 1 || shape.size(0) < 5) {
                return results;
            }
            HostTensor wrong = copy(results.get(0));
            long row = shape.elements() / shape.size(0);
            for (long i = row * (shape.size(0) - 1); i < shape.elements(); i++) {
                wrong.setDouble((int) i, 0);
            }
            return List.of(wrong);
        }
    }

    static final class ProductsFourByFour extends BatchesOfFour {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.MatMul;
        }
    }

    static final class RotatesFourByFour extends BatchesOfFour {
        @Override
        boolean concerns(Op op) {
            return op instanceof Op.Rotate;
        }
    }

    static final class SliceCountsToOneTile extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean wide = op instanceof Op.SliceScatter scatter && scatter.start() + last(inputs.get(1)) > TILE;
            return wide ? List.of(inputs.get(0)) : sound.run(op, inputs);
        }
    }

    /** Whole numbers go through float64, where one operation computes. */
    static final class ThroughDouble extends Fault {
        private final String operation;

        ThroughDouble(String operation) {
            this.operation = operation;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean whole =
                    op.name().equals(operation) && inputs.stream().anyMatch(input -> input.dtype() == DType.INT64);
            if (!whole) {
                return sound.run(op, inputs);
            }
            boolean indices = op instanceof Op.Gather
                    || op instanceof Op.GatherElements
                    || op instanceof Op.ScatterElements
                    || op instanceof Op.ScatterAdd;
            List<HostTensor> wide = new ArrayList<>();
            for (int i = 0; i < inputs.size(); i++) {
                HostTensor input = inputs.get(i);
                boolean converted = input.dtype() == DType.INT64 && !(indices && i == 1);
                wide.add(converted ? input.to(DType.FLOAT64) : input);
            }
            DType promised = op.infer(inputs.stream()
                            .map(input -> dev.loupe.graph.TensorType.of(input.dtype(), input.shape()))
                            .toList())
                    .get(0)
                    .dtype();
            List<HostTensor> results = new ArrayList<>(sound.run(op, wide));
            results.set(0, results.get(0).to(promised));
            return results;
        }
    }
}
