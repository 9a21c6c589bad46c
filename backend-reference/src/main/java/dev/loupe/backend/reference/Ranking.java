package dev.loupe.backend.reference;

import java.util.PriorityQueue;

/**
 * Which of two elements of a row comes first when the best are asked for. A NaN is better than any number;
 * of equals (0 and −0 are) the one that stands first is better.
 */
@FunctionalInterface
interface Ranking {

    /** Negative if element i comes before element j, positive if after; 0 only for an element and itself. */
    int compare(int i, int j);

    /** The ranking of a row of numbers by size. */
    static Ranking of(HeapTensor x, int start, int length, boolean largest) {
        if (!x.dtype().isFloating()) {
            long[] row = new long[length];
            x.load(start, 1, row, length);
            return (i, j) -> {
                int order = largest ? Long.compare(row[j], row[i]) : Long.compare(row[i], row[j]);
                return order != 0 ? order : Integer.compare(i, j);
            };
        }
        double[] row = new double[length];
        x.load(start, 1, row, length);
        return (i, j) -> {
            double a = row[i];
            double b = row[j];
            if (a < b || a > b) {
                return a < b == largest ? 1 : -1;
            }
            // Equal, or at least one is NaN.
            int order = Boolean.compare(Double.isNaN(b), Double.isNaN(a));
            return order != 0 ? order : Integer.compare(i, j);
        };
    }

    /** The k best of the elements 0 to {@code length - 1}, best first. */
    default int[] best(int k, int length) {
        // Holds the best so far, the worst of them at its head.
        PriorityQueue<Integer> kept = new PriorityQueue<>(Math.max(1, k), (i, j) -> compare(j, i));
        for (int i = 0; i < length; i++) {
            if (kept.size() < k) {
                kept.add(i);
            } else if (k > 0 && compare(i, kept.element()) < 0) {
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
