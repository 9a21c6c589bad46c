package dev.loupe.backend.onnx.host;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.nio.ByteBuffer;
import java.util.PriorityQueue;

/** Finds the best elements along an axis. NaN is better than any number; of equals the first is better. */
final class Ranking {

    private final HostTensor data;
    private final boolean largest;
    private final int length;
    private final int stride;
    private final long[] merits; // of the row that is looked at: the greater, the better
    private int start; // of that row

    private Ranking(HostTensor data, int axis, boolean largest) {
        this.data = data;
        this.largest = largest;
        this.length = (int) data.shape().size(axis);
        this.stride = elementsBehind(data.shape(), axis);
        this.merits = new long[length];
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
            long[] merits = ranking.merits;
            for (int i = 1; i < merits.length; i++) {
                best = merits[i] > merits[best] ? i : best; // the first of equals stays
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
        ByteBuffer bytes = data.data();
        for (int i = 0; i < length; i++) {
            int at = element(i);
            merits[i] = switch (data.dtype()) {
                case FLOAT32 -> merit(bytes.getFloat(at * 4));
                case INT64 -> merit(bytes.getLong(at * 8));
                case INT32 -> merit((long) bytes.getInt(at * 4));
                default -> merit(data.getDouble(at));
            };
        }
    }

    private int element(int i) {
        return start + i * stride;
    }

    private long merit(long value) {
        return largest ? value : ~value;
    }

    // Bits of doubles have the order of whole numbers once those of negative ones are turned round.
    private long merit(double value) {
        if (Double.isNaN(value)) {
            return Long.MAX_VALUE;
        }
        long bits = Double.doubleToRawLongBits(value + 0.0); // −0 is 0
        return merit(bits ^ ((bits >> 63) & Long.MAX_VALUE));
    }

    private int compare(int i, int j) {
        int byMerit = Long.compare(merits[j], merits[i]);
        return byMerit != 0 ? byMerit : Integer.compare(i, j);
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
