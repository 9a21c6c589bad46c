package dev.loupe.examples.loops;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Operations that run along axes: products of matrices, reductions, choices of the best, running sums. */
final class AlongAxes {

    private AlongAxes() {}

    static LoopTensor matmul(LoopTensor a, LoopTensor b, Shape shape) {
        LoopTensor out = LoopTensor.zeros(a.dtype(), shape);
        int rank = shape.rank();
        int columns = (int) shape.size(-1);
        int inner = (int) a.shape().size(-1);
        Positions.each(shape, (flat, position) -> {
            int[] start = position.clone();
            start[rank - 1] = 0;
            int left = a.broadcastIndex(start);
            start[rank - 2] = 0;
            start[rank - 1] = position[rank - 1];
            int right = b.broadcastIndex(start);
            double sum = 0;
            for (int k = 0; k < inner; k++) {
                sum += a.get(left + k) * b.get(right + k * columns);
            }
            out.set(flat, sum);
        });
        return out;
    }

    static LoopTensor reduce(Op.Reduce op, LoopTensor x, Shape shape) {
        Shape kept = x.shape();
        long count = 1;
        for (int axis : op.axes()) {
            count *= x.shape().size(axis);
            kept = kept.with(axis, 1);
        }
        LoopTensor out = LoopTensor.zeros(x.dtype(), kept);
        return (x.isFloating() ? reduceDoubles(op, x, out, count) : reduceLongs(op, x, out)).withShape(shape);
    }

    private static LoopTensor reduceDoubles(Op.Reduce op, LoopTensor x, LoopTensor out, long count) {
        double[] results = new double[out.count()];
        Arrays.fill(
                results,
                switch (op.kind()) {
                    case SUM, MEAN -> 0;
                    case PROD -> 1;
                    case MAX -> Double.NEGATIVE_INFINITY;
                    case MIN -> Double.POSITIVE_INFINITY;
                });
        Positions.each(x.shape(), (flat, position) -> {
            int to = out.broadcastIndex(position);
            double next = x.get(flat);
            results[to] = switch (op.kind()) {
                case SUM, MEAN -> results[to] + next;
                case PROD -> results[to] * next;
                case MAX -> Math.max(results[to], next);
                case MIN -> Math.min(results[to], next);
            };
        });
        for (int i = 0; i < results.length; i++) {
            out.set(i, op.kind() == Op.ReduceKind.MEAN ? results[i] / count : results[i]);
        }
        return out;
    }

    private static LoopTensor reduceLongs(Op.Reduce op, LoopTensor x, LoopTensor out) {
        for (int i = 0; i < out.count(); i++) {
            out.setLong(
                    i,
                    switch (op.kind()) {
                        case SUM, MEAN -> 0;
                        case PROD -> 1;
                        case MAX -> x.dtype() == DType.INT32 ? Integer.MIN_VALUE : Long.MIN_VALUE;
                        case MIN -> x.dtype() == DType.INT32 ? Integer.MAX_VALUE : Long.MAX_VALUE;
                    });
        }
        Positions.each(x.shape(), (flat, position) -> {
            int to = out.broadcastIndex(position);
            long next = x.getLong(flat);
            long before = out.getLong(to);
            out.setLong(
                    to,
                    switch (op.kind()) {
                        case SUM, MEAN -> before + next;
                        case PROD -> before * next;
                        case MAX -> Math.max(before, next);
                        case MIN -> Math.min(before, next);
                    });
        });
        return out;
    }

    /** Indices of the best elements along an axis, best first; NaN before all others, equals in ascending order. */
    private static List<Integer> ranking(LoopTensor x, int start, int step, int size, boolean largest) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            order.add(i);
        }
        Comparator<Integer> ascending = x.isFloating()
                ? Comparator.comparingDouble(i -> x.get(start + i * step) + 0.0)
                : Comparator.comparingLong(i -> x.getLong(start + i * step));
        Comparator<Integer> best = largest ? ascending.reversed() : ascending;
        Comparator<Integer> nanFirst = Comparator.comparing(i -> !Double.isNaN(x.get(start + i * step)));
        order.sort(nanFirst.thenComparing(best));
        return order;
    }

    /** Values and indices of the k best along an axis. */
    static List<LoopTensor> topK(LoopTensor x, int axis, int k, boolean largest) {
        Shape shape = x.shape().with(axis, k);
        LoopTensor values = LoopTensor.zeros(x.dtype(), shape);
        LoopTensor indices = LoopTensor.zeros(DType.INT64, shape);
        int size = (int) x.shape().size(axis);
        int step = step(x.shape(), axis);
        Positions.each(x.shape().with(axis, 1), (line, position) -> {
            List<Integer> order = ranking(x, x.index(position), step, size, largest);
            int start = values.index(position);
            for (int i = 0; i < k; i++) {
                values.copy(start + i * step, x, x.index(position) + order.get(i) * step);
                indices.setLong(start + i * step, order.get(i));
            }
        });
        return List.of(values, indices);
    }

    static LoopTensor cumSum(LoopTensor x, int axis, boolean reverse) {
        LoopTensor out = LoopTensor.zeros(x.dtype(), x.shape());
        int step = step(x.shape(), axis);
        int size = (int) x.shape().size(axis);
        if (out.count() == 0) {
            return out;
        }
        Positions.each(x.shape().with(axis, 1), (line, position) -> {
            int start = x.index(position);
            double sum = 0;
            long whole = 0;
            for (int n = 0; n < size; n++) {
                int i = start + (reverse ? size - 1 - n : n) * step;
                if (x.isFloating()) {
                    sum += x.get(i);
                    out.set(i, sum);
                } else {
                    whole += x.getLong(i);
                    out.setLong(i, whole);
                }
            }
        });
        return out;
    }

    /** How far apart neighbours along an axis are. */
    private static int step(Shape shape, int axis) {
        int step = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            step *= (int) shape.size(i);
        }
        return step;
    }
}
