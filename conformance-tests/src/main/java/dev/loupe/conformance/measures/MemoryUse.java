package dev.loupe.conformance.measures;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * How much memory something keeps that is done again and again: the Java heap and direct buffers after a collection,
 * and, where the operating system tells it (Linux), what grows of the process outside the heap.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MemoryUse {

    private static final Path STATUS = Path.of("/proc/self/statm");
    private static final long PAGE = 4096;
    private static final long MIB = 1 << 20;
    private static final int BATCHES = 8;

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
     * @param rounds how many make a batch
     * @param bytes how much one round keeps if it frees nothing
     * @param nativeMemory whether to look outside the heap, too
     * @throws AssertionError if nearly every batch keeps more than half of that
     */
    public static void check(String what, int rounds, long bytes, boolean nativeMemory, Round round) throws Exception {
        for (int i = 0; i < Math.max(8, rounds / 4); i++) {
            round.run();
        }
        // A heap gives back what it doesn't need in steps, a few collections long.
        for (int i = 0; i < 4; i++) {
            System.gc();
        }
        long limit = rounds * bytes / 2;
        List<Long> heaps = new ArrayList<>();
        List<Long> processes = new ArrayList<>();
        for (int batch = 0; batch < BATCHES && !wouldFillTheHeap(heaps, limit); batch++) {
            long heap = heapAndBuffers();
            long process = resident();
            long outside = process - Runtime.getRuntime().totalMemory();
            for (int i = 0; i < rounds; i++) {
                round.run();
            }
            heaps.add(heapAndBuffers() - heap);
            // A heap that grows makes the first grow, one that shrinks the second; what leaks makes both.
            long after = resident();
            long growth = Math.min(after - process, after - Runtime.getRuntime().totalMemory() - outside);
            processes.add(nativeMemory ? growth : 0);
            if (enough(heaps, limit) && enough(processes, limit)) {
                return;
            }
        }
        throw new AssertionError(rounds + " rounds of " + what + ", " + heaps.size() + " times, kept " + inWords(heaps)
                + " in the heap and direct buffers, " + inWords(processes)
                + " outside; a round that frees what it should keeps nothing, one that frees nothing keeps "
                + inWords(bytes));
    }

    /** Whether so much is reachable after every batch that a few more would end the process rather than the test. */
    private static boolean wouldFillTheHeap(List<Long> heaps, long limit) {
        long kept = heaps.stream().mapToLong(Long::longValue).sum();
        return heaps.size() >= 2
                && heaps.stream().allMatch(bytes -> bytes > limit)
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

    /** All memory of the process that is resident, the heap's pages too. */
    private static long resident() {
        if (!Files.isReadable(STATUS)) {
            return 0;
        }
        try {
            return Long.parseLong(Files.readString(STATUS).split(" ", -1)[1]) * PAGE;
        } catch (IOException e) {
            return 0;
        }
    }
}
