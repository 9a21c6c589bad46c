package dev.loupe.conformance;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;

/** Faults of formulas that are right on paper, or in another language, or for numbers that one tries first. */
final class FormulaFaults {

    private FormulaFaults() {}

    private static HostTensor like(HostTensor sound, DoubleUnaryOperator ofIndex) {
        HostTensor result = HostTensor.allocate(sound.dtype(), sound.shape());
        for (int i = 0; i < sound.shape().elements(); i++) {
            result.setDouble(i, ofIndex.applyAsDouble(i));
        }
        return result;
    }

    private static boolean isFloating(List<HostTensor> inputs) {
        return !inputs.isEmpty() && inputs.get(0).dtype().isFloating();
    }

    /** A function of one operand in another formula. */
    private static class Function extends Fault {
        private final UnaryKind kind;
        private final DoubleUnaryOperator formula;

        Function(UnaryKind kind, DoubleUnaryOperator formula) {
            this.kind = kind;
            this.formula = formula;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean mine = op instanceof Op.Unary unary && unary.kind() == kind && isFloating(inputs);
            return mine
                    ? List.of(like(
                            inputs.get(0),
                            i -> formula.applyAsDouble(inputs.get(0).getDouble((long) i))))
                    : sound.run(op, inputs);
        }
    }

    /** Turns signs by subtracting from 0: of 0 that is 0, not −0. */
    static final class NegatesFromZero extends Function {
        NegatesFromZero() {
            super(UnaryKind.NEG, x -> 0 - x);
        }
    }

    /** The absolute value by a comparison: −0 stays as it is. */
    static final class AbsoluteByComparison extends Function {
        AbsoluteByComparison() {
            super(UnaryKind.ABS, x -> x < 0 ? -x : x);
        }
    }

    /** (e²ˣ − 1)/(e²ˣ + 1), which is ∞/∞ for large x. */
    static final class TanhByExponentials extends Function {
        TanhByExponentials() {
            super(UnaryKind.TANH, x -> {
                float e = (float) Math.exp(2 * x);
                return (e - 1) / (e + 1);
            });
        }
    }

    /** Comparisons of floating-point numbers by something else than IEEE 754. */
    private static class Comparing extends Fault {
        private final BinaryKind kind;
        private final DoubleBinaryOperator holds;

        Comparing(BinaryKind kind, DoubleBinaryOperator holds) {
            this.kind = kind;
            this.holds = holds;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean mine = op instanceof Op.Binary binary
                    && binary.kind() == kind
                    && isFloating(inputs)
                    && inputs.get(0).shape().equals(inputs.get(1).shape());
            return mine
                    ? List.of(like(
                            sound.run(op, inputs).get(0),
                            i -> holds.applyAsDouble(
                                    inputs.get(0).getDouble((long) i),
                                    inputs.get(1).getDouble((long) i))))
                    : sound.run(op, inputs);
        }
    }

    /** Equal as objects are: NaN is itself, and 0 is not −0. */
    static final class EqualAsObjects extends Comparing {
        EqualAsObjects() {
            super(BinaryKind.EQ, (x, y) -> Double.valueOf(x).equals(y) ? 1 : 0);
        }
    }

    /** At most is not greater, which holds of a NaN. */
    static final class AtMostIsNotGreater extends Comparing {
        AtMostIsNotGreater() {
            super(BinaryKind.LE, (x, y) -> x > y ? 0 : 1);
        }
    }

    /** Sorts numbers as Java does: −0 comes before 0. */
    static final class BestAsJavaSorts extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean mine = op instanceof Op.ArgReduce
                    && isFloating(inputs)
                    && inputs.get(0).shape().rank() == 1
                    && IntStream.range(0, (int) inputs.get(0).shape().elements())
                            .noneMatch(i -> Double.isNaN(inputs.get(0).getDouble(i)));
            if (!mine) {
                return sound.run(op, inputs);
            }
            Comparator<Integer> order =
                    Comparator.comparingDouble(i -> inputs.get(0).getDouble(i));
            if (((Op.ArgReduce) op).largest()) {
                order = order.reversed();
            }
            int best = IntStream.range(0, (int) inputs.get(0).shape().elements())
                    .boxed()
                    .min(order)
                    .orElseThrow();
            return List.of(like(sound.run(op, inputs).get(0), i -> best));
        }
    }

    /** Picks by arithmetic, c·x + (1 − c)·y: what isn't picked still makes NaN of infinity. */
    static final class PicksByArithmetic extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            boolean mine = op instanceof Op.Where
                    && inputs.get(1).dtype().isFloating()
                    && inputs.stream()
                            .allMatch(
                                    input -> input.shape().equals(inputs.get(0).shape()));
            return mine
                    ? List.of(like(results.get(0), index -> {
                        long i = (long) index;
                        double c = inputs.get(0).getDouble(i);
                        return c * inputs.get(1).getDouble(i)
                                + (1 - c) * inputs.get(2).getDouble(i);
                    }))
                    : results;
        }
    }

    /** A cast in another way than is said. */
    private static class Casting extends Fault {
        private final boolean bool;
        private final DoubleUnaryOperator formula;

        Casting(boolean bool, DoubleUnaryOperator formula) {
            this.bool = bool;
            this.formula = formula;
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean mine = op instanceof Op.Cast cast
                    && isFloating(inputs)
                    && !cast.to().isFloating()
                    && bool == (cast.to() == DType.BOOL);
            List<HostTensor> results = sound.run(op, inputs);
            return mine
                    ? List.of(like(results.get(0), i -> {
                        double x = inputs.get(0).getDouble((long) i);
                        return Math.abs(x) < 1e6
                                ? formula.applyAsDouble(x)
                                : results.get(0).getDouble((long) i);
                    }))
                    : results;
        }
    }

    /** True if the whole part is: a half is false. */
    static final class TruthOfTheWholePart extends Casting {
        TruthOfTheWholePart() {
            super(true, x -> (long) x != 0 ? 1 : 0);
        }
    }

    /** Rounds down into whole numbers instead of cutting towards 0. */
    static final class CastsDown extends Casting {
        CastsDown() {
            super(false, Math::floor);
        }
    }

    /** xʸ as e^(y·log x): NaN for what is negative. */
    static final class PowersByLogarithm extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            boolean mine = op instanceof Op.Binary binary
                    && binary.kind() == BinaryKind.POW
                    && inputs.get(0).shape().equals(inputs.get(1).shape());
            return mine
                    ? List.of(like(
                            results.get(0),
                            i -> inputs.get(0).getDouble((long) i) < 0
                                    ? Double.NaN
                                    : results.get(0).getDouble((long) i)))
                    : results;
        }
    }

    /** Rows along the last axis, each turned into another. */
    private abstract static class OfRows extends Fault {
        abstract boolean isMine(Op op, int lastAxis);

        abstract double[] row(Op op, double[] row);

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            HostTensor x = inputs.isEmpty() ? HostTensor.allocate(DType.BOOL, Shape.of(0)) : inputs.get(0);
            int last = x.shape().rank() - 1;
            if (!isMine(op, last) || x.dtype() != DType.FLOAT32 || x.shape().elements() == 0) {
                return sound.run(op, inputs);
            }
            List<Double> all = new ArrayList<>();
            int length = (int) x.shape().size(last);
            for (int start = 0; start < x.shape().elements(); start += length) {
                double[] row = new double[length];
                for (int i = 0; i < length; i++) {
                    row[i] = x.getDouble(start + i);
                }
                for (double value : row(op, row)) {
                    all.add(value);
                }
            }
            return List.of(like(sound.run(op, inputs).get(0), i -> all.get((int) i)));
        }
    }

    /** A softmax that doesn't subtract the largest: e⁸⁹ is infinite. */
    static final class SoftmaxWithoutMax extends OfRows {
        @Override
        boolean isMine(Op op, int lastAxis) {
            return op instanceof Op.Softmax softmax && softmax.axis() == lastAxis;
        }

        @Override
        double[] row(Op op, double[] row) {
            float sum = 0;
            float[] powers = new float[row.length];
            for (int i = 0; i < row.length; i++) {
                powers[i] = (float) Math.exp(row[i]);
                sum += powers[i];
            }
            double[] result = new double[row.length];
            for (int i = 0; i < row.length; i++) {
                result[i] = sum == 0 ? 0 : powers[i] / sum;
            }
            return result;
        }
    }

    /** The logarithm of a softmax that has become 0. */
    static final class LogarithmOfSoftmax extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.LogSoftmax logarithm) || inputs.get(0).dtype() != DType.FLOAT32) {
                return sound.run(op, inputs);
            }
            HostTensor shares =
                    sound.run(new Op.Softmax(logarithm.axis()), inputs).get(0);
            return List.of(like(shares, i -> Math.log(shares.getDouble((long) i))));
        }
    }

    /** The largest, found from the smallest positive number up. */
    static final class LargestFromTheSmallestPositive extends OfRows {
        @Override
        boolean isMine(Op op, int lastAxis) {
            return op instanceof Op.Reduce reduce
                    && reduce.kind() == ReduceKind.MAX
                    && reduce.axes().equals(List.of(lastAxis));
        }

        @Override
        double[] row(Op op, double[] row) {
            double largest = Float.MIN_VALUE;
            for (double value : row) {
                largest = Double.isNaN(value) ? value : Math.max(largest, value);
            }
            return new double[] {largest};
        }
    }

    /** Means over several axes are divided by the length of the last. */
    static final class MeansOfTheLastAxis extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            if (!(op instanceof Op.Reduce reduce)
                    || reduce.kind() != ReduceKind.MEAN
                    || reduce.axes().size() < 2) {
                return results;
            }
            long others = 1;
            for (int axis : reduce.axes().subList(0, reduce.axes().size() - 1)) {
                others *= inputs.get(0).shape().size(axis);
            }
            long factor = others;
            return List.of(like(results.get(0), i -> results.get(0).getDouble((long) i) * factor));
        }
    }

    /** Norms have the eps that most have. */
    static final class OneEpsForAll extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(op instanceof Op.LayerNorm ? new Op.LayerNorm(1e-5) : op, inputs);
        }
    }

    /** Scores are divided by the root of a head's width, whatever scale is asked for. */
    static final class OneScaleForAll extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(
                    op instanceof Op.Attention
                            ? new Op.Attention(
                                    1 / Math.sqrt((double) inputs.get(0).shape().size(3)))
                            : op,
                    inputs);
        }
    }

    /** All rows of a batch are masked as the first is. */
    static final class MaskOfTheFirstRow extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (!(op instanceof Op.Attention)) {
                return sound.run(op, inputs);
            }
            HostTensor mask = inputs.get(3);
            long row = mask.shape().elements() / Math.max(1, mask.shape().size(0));
            List<HostTensor> operands = new ArrayList<>(inputs);
            operands.set(3, like(mask, i -> mask.getDouble((long) i % row)));
            return sound.run(op, operands);
        }
    }

    /** Sorting that keeps the order of equals only in short rows, as quick sorts do. */
    static final class UnstableBeyondSixteen extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = sound.run(op, inputs);
            boolean mine = op instanceof Op.TopK top
                    && inputs.get(0).shape().rank() == 2
                    && top.axis() == 1
                    && inputs.get(0).shape().size(1) > 16;
            if (!mine) {
                return results;
            }
            HostTensor values = results.get(0);
            HostTensor indices = like(results.get(1), i -> results.get(1).getDouble((long) i));
            for (int i = 1; i < values.shape().elements(); i++) {
                boolean sameRow = i % values.shape().size(1) != 0;
                if (sameRow && values.getDouble(i) == values.getDouble(i - 1)) {
                    double before = indices.getDouble(i - 1);
                    indices.setDouble(i - 1, indices.getDouble(i));
                    indices.setDouble(i, before);
                }
            }
            return List.of(values, indices);
        }
    }
}
