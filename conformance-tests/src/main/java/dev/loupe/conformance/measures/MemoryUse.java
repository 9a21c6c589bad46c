package dev.loupe.conformance.measures;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import org.apiguardian.api.API;

/**
 * How much memory something keeps that is done again and again: the Java heap and direct buffers after a collection,
 * and, where it can be seen (Linux), what is resident outside the heap.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MemoryUse {

    private static final long MIB = 1 << 20;

    /** So many readings in a row are looked at together. */
    private static final int TOGETHER = 4;

    private static final int MOST = 16;

    /** How long a batch may take that is made larger since a round is quick. */
    private static final long BATCH_NANOS = Duration.ofMillis(250).toNanos();

    private static final int LARGER = 10;

    private MemoryUse() {}

    /** What is done again and again. */
    @FunctionalInterface
    public interface Round {
        /** Once. */
        void run() throws Exception;
    }

    /**
     * Throws if rounds keep memory. What is kept is kept every time: memory is read after each of several batches of
     * rounds, and what counts is the median of the growth between any two of the last few readings. Pools and caches
     * that fill, a compiler at work, and whatever else a process takes once or gives back, so count for nothing. Where
     * the answer isn't plain there are more batches.
     *
     * @param rounds how many make a batch, at least; of quick ones that keep little there are more
     * @param bytes how much one round keeps if it frees nothing
     * @throws AssertionError if rounds keep more than half of that
     */
    public static void check(String what, int rounds, long bytes, Round round) throws Exception {
        try (HeapSize held = HeapSize.hold()) {
            int batch = warmUp(rounds, bytes, round);
            long kept = batch * bytes;
            List<Reading> readings = new ArrayList<>(List.of(Reading.now()));
            while (true) {
                for (int i = 0; i < batch; i++) {
                    round.run();
                }
                readings.add(Reading.now());
                List<Reading> lately = readings.subList(Math.max(0, readings.size() - TOGETHER), readings.size());
                Growth heap = Growth.of(lately, Reading::heap);
                Growth outside = Growth.of(lately, Reading::outside);
                long most = Math.max(heap.median(), outside.median());
                boolean last = readings.size() == MOST;
                if (lately.size() == TOGETHER && most < kept / 4 || last && most <= kept / 2) {
                    return;
                }
                boolean steady = (heap.median() > outside.median() ? heap : outside).isSteady();
                // A few more would end the process rather than the test.
                boolean fills =
                        readings.size() > 2 && most > Runtime.getRuntime().maxMemory() / 8;
                if (last || most > kept / 4 * 3 && (fills || steady && readings.size() > TOGETHER)) {
                    throw new AssertionError(batch + " rounds of " + what + " keep " + inWords(heap.median())
                            + " in the heap and direct buffers, " + inWords(outside.median()) + " outside, after "
                            + readings.size() + " readings; a round that frees what it should keeps nothing, one that"
                            + " frees nothing keeps " + inWords(bytes));
                }
            }
        }
    }

    /** Fills pools and caches, and tells how many rounds make a batch whose growth stands out from noise. */
    private static int warmUp(int rounds, long bytes, Round round) throws Exception {
        int first = Math.max(8, rounds / 4);
        long start = System.nanoTime();
        for (int i = 0; i < first; i++) {
            round.run();
        }
        long each = Math.max(1, (System.nanoTime() - start) / first);
        // What keeps a mebibyte shows in a few rounds.
        long most = bytes < MIB / 4 ? (long) rounds * LARGER : rounds;
        return (int) Math.max(rounds, Math.min(most, BATCH_NANOS / each));
    }

    /**
     * Growth from one reading to the next.
     *
     * @param median over any two of some readings, so that single ones count little
     * @param least between neighbours
     */
    private record Growth(long median, long least) {
        static Growth of(List<Reading> readings, ToLongFunction<Reading> bytes) {
            List<Long> slopes = new ArrayList<>();
            long least = Long.MAX_VALUE;
            for (int i = 0; i < readings.size(); i++) {
                for (int j = i + 1; j < readings.size(); j++) {
                    long growth = bytes.applyAsLong(readings.get(j)) - bytes.applyAsLong(readings.get(i));
                    slopes.add(growth / (j - i));
                    least = j == i + 1 ? Math.min(least, growth) : least;
                }
            }
            slopes.sort(null);
            return new Growth(slopes.get(slopes.size() / 2), least);
        }

        /** Whether no reading is far below what would be expected after the one before. */
        boolean isSteady() {
            return least > median / 4 * 3;
        }
    }

    private static String inWords(long bytes) {
        return Math.abs(bytes) < MIB ? bytes / 1024 + " KiB" : bytes / MIB + " MiB";
    }

    /**
     * What is in use after a collection.
     *
     * @param heap bytes in the heap and direct buffers
     * @param outside bytes outside the heap; always 0 where that can't be seen
     */
    private record Reading(long heap, long outside) {
        static Reading now() {
            // Twice: what a cleaner frees is gone only after its reference was processed.
            System.gc();
            System.gc();
            long bytes =
                    Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
            for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
                bytes += pool.getMemoryUsed();
            }
            return new Reading(bytes, NativeMemory.resident());
        }
    }
}
