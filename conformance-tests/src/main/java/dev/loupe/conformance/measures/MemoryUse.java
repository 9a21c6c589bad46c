package dev.loupe.conformance.measures;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apiguardian.api.API;

/**
 * How much memory something keeps that is done again and again: the Java heap and direct buffers after a collection,
 * and, where the operating system tells it (Linux), what the process holds outside the heap.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MemoryUse {

    private static final Path STATUS = Path.of("/proc/self/statm");
    private static final long PAGE = 4096;
    private static final long MIB = 1 << 20;

    private MemoryUse() {}

    /** What is done again and again. */
    @FunctionalInterface
    public interface Round {
        /** Once. */
        void run() throws Exception;
    }

    /**
     * Throws if rounds keep memory.
     *
     * @param bytes how much one round keeps if it frees nothing
     * @param nativeMemory whether to look outside the heap, too
     * @throws AssertionError if they keep more than half of that
     */
    public static void check(String what, int rounds, long bytes, boolean nativeMemory, Round round) throws Exception {
        // The first rounds fill pools and caches, which may stay.
        for (int i = 0; i < Math.max(8, rounds / 4); i++) {
            round.run();
        }
        long heap = heapAndBuffers();
        long outside = outsideHeap();
        for (int i = 0; i < rounds; i++) {
            round.run();
        }
        long heapGrowth = heapAndBuffers() - heap;
        long outsideGrowth = nativeMemory ? outsideHeap() - outside : 0;
        long limit = rounds * bytes / 2;
        if (heapGrowth > limit || outsideGrowth > limit) {
            throw new AssertionError(
                    rounds + " rounds of " + what + " kept " + heapGrowth / MIB + " MiB in the heap and "
                            + "direct buffers" + (nativeMemory ? ", " + outsideGrowth / MIB + " MiB outside" : "")
                            + "; a round that frees what it should keeps nothing, one that frees nothing keeps "
                            + bytes / MIB + " MiB");
        }
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

    private static long outsideHeap() {
        if (!Files.isReadable(STATUS)) {
            return 0;
        }
        try {
            long resident = Long.parseLong(Files.readString(STATUS).split(" ", -1)[1]) * PAGE;
            return resident - Runtime.getRuntime().totalMemory();
        } catch (IOException e) {
            return 0;
        }
    }
}
