package dev.loupe.conformance.measures;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * How much memory something keeps that is done again and again: the Java heap and direct buffers after a collection,
 * and, where it can be seen (Linux), what is resident outside the heap.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MemoryUse {

    private static final long MIB = 1 << 20;
    private static final int BATCHES = 8;

    /** How long a batch may take that is made larger since a round is quick. */
    private static final long BATCH_NANOS = Duration.ofMillis(150).toNanos();

    private static final int LARGER = 8;

    private MemoryUse() {}

    /** What is done again and again. */
    @FunctionalInterface
    public interface Round {
        /** Once. */
        void run() throws Exception;
    }

    /**
     * Throws if rounds keep memory. What is kept is kept every time: they fail only if all but one of several
     * batches of rounds grow, and the second that doesn't ends the test. Pools and caches that fill, compiled code, and
     * whatever else a process takes once, so count for nothing.
     *
     * @param rounds how many make a batch, at least; of quick ones that keep little there are more
     * @param bytes how much one round keeps if it frees nothing
     * @throws AssertionError if nearly every batch keeps more than half of that
     */
    public static void check(String what, int rounds, long bytes, Round round) throws Exception {
        int batch = warmUp(rounds, bytes, round);
        // A heap gives back what it doesn't need in steps, a few collections long.
        for (int i = 0; i < 4; i++) {
            System.gc();
        }
        long limit = batch * bytes / 2;
        List<Long> heaps = new ArrayList<>();
        List<Long> outside = new ArrayList<>();
        while (heaps.size() < BATCHES && !isPlain(heaps, limit) && !isPlain(outside, limit)) {
            long heap = heapAndBuffers();
            OptionalLong resident = NativeMemory.resident();
            for (int i = 0; i < batch; i++) {
                round.run();
            }
            heaps.add(heapAndBuffers() - heap);
            OptionalLong after = NativeMemory.resident();
            outside.add(
                    resident.isPresent() && after.isPresent() ? after.getAsLong() - resident.getAsLong() : 0);
            if (enough(heaps, limit) && enough(outside, limit)) {
                return;
            }
        }
        throw new AssertionError(batch + " rounds of " + what + ", " + heaps.size() + " times, kept " + inWords(heaps)
                + " in the heap and direct buffers, " + inWords(outside)
                + " outside; a round that frees what it should keeps nothing, one that frees nothing keeps "
                + inWords(bytes));
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

    /** Whether so much is kept by every batch that a few more would end the process rather than the test. */
    private static boolean isPlain(List<Long> growth, long limit) {
        long kept = growth.stream().mapToLong(Long::longValue).sum();
        return growth.size() >= 2
                && growth.stream().allMatch(bytes -> bytes > limit)
                && kept > Runtime.getRuntime().maxMemory() / 4;
    }

    /** Whether two batches kept nothing: one may have met with memory that was given back by others. */
    private static boolean enough(List<Long> growth, long limit) {
        return growth.stream().filter(bytes -> bytes <= limit).count() >= 2;
    }

    private static String inWords(List<Long> growth) {
        return growth.stream().map(MemoryUse::inWords).collect(Collectors.joining(", "));
    }

    private static String inWords(long bytes) {
        return Math.abs(bytes) < MIB ? bytes / 1024 + " KiB" : bytes / MIB + " MiB";
    }

    private static long heapAndBuffers() {
        // Twice: what a cleaner frees is gone only after its reference was processed.
        System.gc();
        System.gc();
        long bytes = Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            bytes += pool.getMemoryUsed();
        }
        return bytes;
    }
}
