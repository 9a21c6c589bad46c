package dev.loupe.analysis.patching;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;

/**
 * Divides runs that start at different positions into batches. A batch starts where its first run does, so that many
 * small batches have the fewest positions to compute; but each batch reads all of the model's weights.
 */
final class BatchesByStart {

    /** What reading the weights for a batch costs, as so many positions of products with them. */
    private static final int POSITIONS_PER_BATCH = 18;

    /**
     * Some of the runs.
     *
     * @param from index of the first
     * @param to index behind the last
     * @param start where the batch starts
     */
    record Batch(int from, int to, int start) {}

    private BatchesByStart() {}

    /**
     * The batches.
     *
     * @param starts where each run starts, ascending
     * @param positions number of positions in all
     * @param sequences number of sequences that a run has
     * @param most how many runs that begin at a position fit together
     */
    static List<Batch> divide(int[] starts, int positions, int sequences, IntUnaryOperator most) {
        // Runs that start at one position stay together; bounds[g] is where the g-th group of them begins.
        List<Integer> bounds = new ArrayList<>();
        for (int i = 0; i < starts.length; i++) {
            if (i == 0 || starts[i] != starts[i - 1]) {
                bounds.add(i);
            }
        }
        int groups = bounds.size();
        bounds.add(starts.length);
        long[] cost = new long[groups + 1];
        int[] previous = new int[groups + 1];
        for (int end = 1; end <= groups; end++) {
            cost[end] = Long.MAX_VALUE;
            for (int begin = 0; begin < end; begin++) {
                long runs = (long) bounds.get(end) - bounds.get(begin);
                int start = starts[bounds.get(begin)];
                long batches = ceil(runs, most.applyAsInt(start));
                long here = cost[begin] + batches * POSITIONS_PER_BATCH + runs * sequences * (positions - start);
                if (here < cost[end]) {
                    cost[end] = here;
                    previous[end] = begin;
                }
            }
        }
        List<Batch> batches = new ArrayList<>();
        for (int end = groups; end > 0; end = previous[end]) {
            int from = bounds.get(previous[end]);
            split(from, bounds.get(end), starts[from], most.applyAsInt(starts[from]), batches);
        }
        return batches;
    }

    // Batches of one size rather than full ones and a rest.
    private static void split(int from, int to, int start, int most, List<Batch> batches) {
        long parts = ceil(to - from, most);
        for (long part = 0; part < parts; part++) {
            batches.add(new Batch(
                    from + (int) ((to - from) * part / parts), from + (int) ((to - from) * (part + 1) / parts), start));
        }
    }

    private static long ceil(long count, long size) {
        return (count + size - 1) / size;
    }
}
