package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.function.DoubleBinaryOperator;
import java.util.function.LongBinaryOperator;

/**
 * Ops that look along axes: sums and their like, the place of the largest, the k largest, running sums. The
 * axes are first moved to the end, so that what belongs together is a row of consecutive elements; a row is
 * always worked through from first to last by one thread. Float32 sums, means and products are accumulated
 * in double and rounded once.
 */
final class Reductions {

    /** Elements that are loaded at a time. */
    private static final int CHUNK = 1024;

    /** Elements that make up a thread's block. */
    private static final int BLOCK = 16 * CHUNK;

    private final Workers workers;
    private final Layout layout;

    Reductions(Workers workers, Layout layout) {
        this.workers = workers;
        this.layout = layout;
    }

    /** Takes a row: its number and the index of its first element. */
    @FunctionalInterface
    private interface RowTask {
        void accept(int row, int start);
    }

    private void forRows(int rows, int length, RowTask task) {
        int rowsPerBlock = Math.max(1, BLOCK / Math.max(1, length));
        workers.forBlocks(rows, rowsPerBlock, (from, to) -> {
            for (int row = from; row < to; row++) {
                task.accept(row, row * length);
            }
        });
    }

    HeapTensor reduce(Op.Reduce op, HeapTensor input, Shape shape) {
        HeapTensor x = layout.lastAxes(input, op.axes());
        HeapTensor out = HeapTensor.zeros(x.dtype(), shape);
        int length = 1;
        for (int axis : op.axes()) {
            length *= (int) input.shape().size(axis);
        }
        int count = length;
        if (x.dtype().isFloating()) {
            DoubleBinaryOperator function = ofDoubles(op.kind());
            double first = identity(op.kind());
            int divisor = op.kind() == Op.ReduceKind.MEAN ? count : 1;
            forRows(out.size(), count, (row, start) -> {
                double result = fold(x, start, count, first, function) / divisor;
                out.store(new double[] {result}, row, 1);
            });
        } else {
            LongBinaryOperator function = ofLongs(op.kind());
            forRows(out.size(), count, (row, start) -> {
                long result = fold(x, start, count, op.kind(), function);
                out.store(new long[] {result}, row, 1);
            });
        }
        return out;
    }

    private static double fold(HeapTensor x, int start, int count, double first, DoubleBinaryOperator function) {
        double[] chunk = new double[Math.min(CHUNK, count)];
        double result = first;
        int part;
        for (int done = 0; done < count; done += part) {
            part = Math.min(chunk.length, count - done);
            x.load(start + done, 1, chunk, part);
            for (int i = 0; i < part; i++) {
                result = function.applyAsDouble(result, chunk[i]);
            }
        }
        return result;
    }

    private static long fold(HeapTensor x, int start, int count, Op.ReduceKind kind, LongBinaryOperator function) {
        long result = switch (kind) {
            case MAX -> Long.MIN_VALUE;
            case MIN -> Long.MAX_VALUE;
            case PROD -> 1;
            case SUM, MEAN -> 0;
        };
        long[] chunk = new long[Math.min(CHUNK, count)];
        int part;
        for (int done = 0; done < count; done += part) {
            part = Math.min(chunk.length, count - done);
            x.load(start + done, 1, chunk, part);
            for (int i = 0; i < part; i++) {
                result = function.applyAsLong(result, chunk[i]);
            }
        }
        return result;
    }

    private static double identity(Op.ReduceKind kind) {
        return switch (kind) {
            case SUM, MEAN -> 0;
            case PROD -> 1;
            case MAX -> Double.NEGATIVE_INFINITY;
            case MIN -> Double.POSITIVE_INFINITY;
        };
    }

    private static DoubleBinaryOperator ofDoubles(Op.ReduceKind kind) {
        return switch (kind) {
            case SUM, MEAN -> Double::sum;
            case PROD -> (a, b) -> a * b;
            case MAX -> Math::max; // NaN if either is NaN
            case MIN -> Math::min;
        };
    }

    private static LongBinaryOperator ofLongs(Op.ReduceKind kind) {
        return switch (kind) {
            case SUM, MEAN -> Long::sum;
            case PROD -> (a, b) -> a * b;
            case MAX -> Math::max;
            case MIN -> Math::min;
        };
    }

    HeapTensor argReduce(Op.ArgReduce op, HeapTensor input, Shape shape) {
        HeapTensor x = layout.lastAxis(input, op.axis());
        HeapTensor out = HeapTensor.zeros(DType.INT64, shape);
        int length = (int) input.shape().size(op.axis());
        forRows(out.size(), length, (row, start) -> {
            Ranking ranking = Ranking.of(x, start, length, op.largest());
            int best = 0;
            for (int i = 1; i < length; i++) {
                if (ranking.compare(i, best) < 0) {
                    best = i;
                }
            }
            out.longs()[row] = best;
        });
        return out;
    }

    /** Values and indices. */
    HeapTensor[] topK(Op.TopK op, HeapTensor input) {
        HeapTensor x = layout.lastAxis(input, op.axis());
        int length = (int) input.shape().size(op.axis());
        Shape rowsOfK = x.shape().with(-1, op.k());
        HeapTensor values = HeapTensor.zeros(x.dtype(), rowsOfK);
        HeapTensor indices = HeapTensor.zeros(DType.INT64, rowsOfK);
        int rows = op.k() == 0 ? 0 : values.size() / op.k();
        forRows(rows, length, (row, start) -> {
            int[] best = Ranking.of(x, start, length, op.largest()).best(op.k(), length);
            for (int i = 0; i < best.length; i++) {
                values.copy(x, start + best[i], 1, row * op.k() + i, 1);
                indices.longs()[row * op.k() + i] = best[i];
            }
        });
        return new HeapTensor[] {layout.lastAxisTo(values, op.axis()), layout.lastAxisTo(indices, op.axis())};
    }

    HeapTensor cumSum(Op.CumSum op, HeapTensor input) {
        HeapTensor x = layout.lastAxis(input, op.axis());
        HeapTensor out = HeapTensor.zeros(x.dtype(), x.shape());
        int length = (int) input.shape().size(op.axis());
        int first = op.reverse() ? length - 1 : 0;
        int step = op.reverse() ? -1 : 1;
        forRows(length == 0 ? 0 : x.size() / length, length, (row, start) -> {
            if (x.dtype().isFloating()) {
                double[] sums = new double[length];
                x.load(start, 1, sums, length);
                for (int i = 1; i < length; i++) {
                    sums[first + i * step] += sums[first + (i - 1) * step];
                }
                out.store(sums, start, length);
            } else {
                long[] sums = new long[length];
                x.load(start, 1, sums, length);
                for (int i = 1; i < length; i++) {
                    sums[first + i * step] += sums[first + (i - 1) * step];
                }
                out.store(sums, start, length);
            }
        });
        return layout.lastAxisTo(out, op.axis());
    }
}
