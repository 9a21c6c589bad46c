package dev.loupe.backend.reference;

import dev.loupe.array.Shape;
import java.util.Arrays;
import java.util.List;

/** Composite ops that turn each row along an axis into another one: softmax and the norms. Computed in double. */
final class Rows {

    /** Elements that make up a thread's block. */
    private static final int BLOCK = 8192;

    private final Workers workers;
    private final Layout layout;

    Rows(Workers workers, Layout layout) {
        this.workers = workers;
        this.layout = layout;
    }

    /** Changes a row in place. */
    @FunctionalInterface
    private interface RowFunction {
        void apply(double[] row);
    }

    private HeapTensor map(HeapTensor x, int axis, RowFunction function) {
        HeapTensor in = layout.lastAxis(x, axis);
        HeapTensor out = HeapTensor.zeros(in.dtype(), in.shape());
        int length = (int) x.shape().size(axis);
        int rows = length == 0 ? 0 : x.size() / length;
        workers.forBlocks(rows, Math.max(1, BLOCK / Math.max(1, length)), (from, to) -> {
            double[] row = new double[length];
            for (int i = from; i < to; i++) {
                in.load(i * length, 1, row, length);
                function.apply(row);
                out.store(row, i * length, length);
            }
        });
        return layout.lastAxisTo(out, axis);
    }

    HeapTensor softmax(HeapTensor x, int axis) {
        return map(x, axis, row -> {
            double shift = finiteMax(row);
            double sum = 0;
            for (int i = 0; i < row.length; i++) {
                row[i] = Math.exp(row[i] - shift);
                sum += row[i];
            }
            // The sum is 0 only where everything is masked: zeros stay zeros.
            double divisor = sum == 0 ? 1 : sum;
            for (int i = 0; i < row.length; i++) {
                row[i] /= divisor;
            }
        });
    }

    HeapTensor logSoftmax(HeapTensor x, int axis) {
        return map(x, axis, row -> {
            double shift = finiteMax(row);
            double sum = 0;
            for (double value : row) {
                sum += Math.exp(value - shift);
            }
            double log = Math.log(sum);
            for (int i = 0; i < row.length; i++) {
                row[i] = row[i] - shift - log;
            }
        });
    }

    /** The largest element, which is subtracted so that exp can't overflow; 0 if all are −∞; NaN if one is NaN. */
    private static double finiteMax(double[] row) {
        double max = Double.NEGATIVE_INFINITY;
        for (double value : row) {
            max = Math.max(max, value);
        }
        return max == Double.NEGATIVE_INFINITY ? 0 : max;
    }

    /** Inputs x, or x, weight and bias. */
    HeapTensor layerNorm(List<HeapTensor> inputs, double eps) {
        HeapTensor x = inputs.get(0);
        double[] weight = parameter(inputs, 1, 1);
        double[] bias = parameter(inputs, 2, 0);
        return map(x, x.shape().rank() - 1, row -> {
            double mean = 0;
            for (double value : row) {
                mean += value;
            }
            mean /= row.length;
            for (int i = 0; i < row.length; i++) {
                row[i] -= mean;
            }
            double scale = rootMeanSquare(row, eps);
            for (int i = 0; i < row.length; i++) {
                row[i] = row[i] / scale * weight[i] + bias[i];
            }
        });
    }

    /** Inputs x, or x and weight. */
    HeapTensor rmsNorm(List<HeapTensor> inputs, double eps) {
        HeapTensor x = inputs.get(0);
        double[] weight = parameter(inputs, 1, 1);
        return map(x, x.shape().rank() - 1, row -> {
            double scale = rootMeanSquare(row, eps);
            for (int i = 0; i < row.length; i++) {
                row[i] = row[i] / scale * weight[i];
            }
        });
    }

    private static double rootMeanSquare(double[] row, double eps) {
        double squares = 0;
        for (double value : row) {
            squares += value * value;
        }
        return Math.sqrt(squares / row.length + eps);
    }

    /** A norm's parameter, or the number that stands for it where there is none. */
    private static double[] parameter(List<HeapTensor> inputs, int index, double missing) {
        Shape row = inputs.get(0).shape();
        double[] values = new double[(int) row.size(-1)];
        if (index < inputs.size()) {
            inputs.get(index).load(0, 1, values, values.length);
        } else {
            Arrays.fill(values, missing);
        }
        return values;
    }
}
