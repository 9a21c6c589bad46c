package dev.loupe.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
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
