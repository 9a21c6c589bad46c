package dev.loupe.backend.onnx.host;

import dev.loupe.graph.Op;
import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import java.util.PriorityQueue;

/** Finds the best elements along an axis. NaN is better than any number; of equals the first is better. */
final class Ranking {

    private final HostTensor data;
    private final boolean largest;
    private final int length;
    private final int stride;
    private int start; // of the row that is looked at

    private Ranking(HostTensor data, int axis, boolean largest) {
        this.data = data;
        this.largest = largest;
        this.length = (int) data.shape().size(axis);
        this.stride = elementsBehind(data.shape(), axis);
    }

    private static int elementsBehind(Shape shape, int axis) {
        long product = 1;
        for (int i = axis + 1; i < shape.rank(); i++) {
            product *= shape.size(i);
        }
        return (int) product;
    }

    static void argReduce(Op.ArgReduce op, HostTensor in, HostTensor indices) {
        Ranking ranking = new Ranking(in, op.axis(), op.largest());
        int rows = (int) indices.shape().elements();
        for (int row = 0; row < rows; row++) {
            ranking.look(row);
            int best = 0;
            for (int i = 1; i < ranking.length; i++) {
                best = ranking.isBetter(i, best) ? i : best;
            }
            indices.data().putLong(row * 8, best);
        }
    }

    static void topK(Op.TopK op, HostTensor in, HostTensor values, HostTensor indices) {
        Ranking ranking = new Ranking(in, op.axis(), op.largest());
        int rows = op.k() == 0 ? 0 : (int) (values.shape().elements() / op.k());
        for (int row = 0; row < rows; row++) {
            ranking.look(row);
            int[] best = ranking.best(op.k());
            int at = row / ranking.stride * ranking.stride * op.k() + row % ranking.stride;
            for (int i = 0; i < best.length; i++) {
                int to = at + i * ranking.stride;
                copy(in, ranking.element(best[i]), values, to);
                indices.data().putLong(to * 8, best[i]);
            }
        }
    }

    private static void copy(HostTensor from, int i, HostTensor to, int j) {
        int width = from.dtype().bytes();
        to.data().put(j * width, from.data(), i * width, width);
    }

    private void look(int row) {
        start = row / stride * stride * length + row % stride;
    }

    private int element(int i) {
        return start + i * stride;
    }

    // Strictly better, so the first of equals stays.
    private boolean isBetter(int i, int than) {
        if (data.dtype().isInteger()) {
            long a = integer(i);
            long b = integer(than);
            return largest ? a > b : a < b;
        }
        double a = data.getDouble(element(i));
        double b = data.getDouble(element(than));
        return Double.isNaN(a) ? !Double.isNaN(b) : largest ? a > b : a < b;
    }

    private long integer(int i) {
        return data.dtype().bytes() == 8
                ? data.data().getLong(element(i) * 8)
                : data.data().getInt(element(i) * 4);
    }

    private int compare(int i, int j) {
        return isBetter(i, j) ? -1 : isBetter(j, i) ? 1 : Integer.compare(i, j);
    }

    private int[] best(int k) {
        // The best so far, the worst of them first.
        PriorityQueue<Integer> kept = new PriorityQueue<>(k, (i, j) -> compare(j, i));
        for (int i = 0; i < length; i++) {
            if (kept.size() < k) {
                kept.add(i);
            } else if (compare(i, kept.element()) < 0) {
                kept.remove();
                kept.add(i);
            }
        }
        int[] best = new int[k];
        for (int i = k - 1; i >= 0; i--) {
            best[i] = kept.remove();
        }
        return best;
    }
}
