package dev.loupe.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** What Linux says of this process' memory. */
final class ProcessMemory {

    static final long MEGABYTE = 1_000_000;

    private ProcessMemory() {}

    /** Bytes that are resident now. */
    static long resident() {
        return status("VmRSS");
    }

    /** The most bytes that have been resident at once. */
    static long peak() {
        return status("VmHWM");
    }

    /** Of those that are resident now, the process' own: what no file could give back. */
    static long own() {
        return status("RssAnon");
    }

    /** Bytes of Java's direct buffers, those that wait for a collection included. */
    static long direct() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    /** Has {@link #peak} begin anew; nothing happens where the system doesn't allow that. */
    static void forgetPeak() {
        try {
            Files.writeString(Path.of("/proc/self/clear_refs"), "5");
        } catch (IOException e) {
            System.out.println("The peak can't begin anew: " + e);
        }
    }

    private static long status(String key) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith(key + ":")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new IllegalStateException("This system doesn't tell " + key + " in /proc/self/status");
    }
}
