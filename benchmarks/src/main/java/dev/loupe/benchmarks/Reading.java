package dev.loupe.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** How fast this machine reads memory: every processor sums a part of an array that no cache holds. */
final class Reading implements AutoCloseable {

    private static final int LONGS = 1 << 25;

    static final long BYTES = (long) LONGS * Long.BYTES;

    private final int threads = Runtime.getRuntime().availableProcessors();
    private final ExecutorService pool = Executors.newFixedThreadPool(threads);
    private final long[] numbers = new long[LONGS];

    Reading() {
        for (int i = 0; i < LONGS; i++) {
            numbers[i] = i;
        }
        for (int i = 0; i < 5; i++) {
            run();
        }
    }

    /** Reads {@link #BYTES} once. */
    void run() {
        List<Future<Long>> sums = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int from = (int) ((long) LONGS * i / threads);
            int to = (int) ((long) LONGS * (i + 1) / threads);
            sums.add(pool.submit(() -> sum(from, to)));
        }
        try {
            for (Future<Long> sum : sums) {
                if (sum.get() == 0) {
                    throw new IllegalStateException("The sum of positive numbers is positive");
                }
            }
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private long sum(int from, int to) {
        long sum = 0;
        for (int i = from; i < to; i++) {
            sum += numbers[i];
        }
        return sum;
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
