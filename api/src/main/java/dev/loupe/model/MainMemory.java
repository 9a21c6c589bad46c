package dev.loupe.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * How much memory this process could still take without taking it from others: what the machine has, or what the
 * container that it runs in may have. As Linux says it; elsewhere nobody does without guessing.
 */
final class MainMemory {

    /** A limit of a control group, and what is in use of it: version 2, then version 1. */
    private static final List<List<String>> GROUPS = List.of(
            List.of("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat"),
            List.of(
                    "sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "sys/fs/cgroup/memory/memory.usage_in_bytes",
                    "sys/fs/cgroup/memory/memory.stat"));

    private MainMemory() {}

    /** Bytes; 0 if nobody knows. */
    static long available() {
        return available(Path.of("/"));
    }

    /** As {@link #available()}, of the files below a folder that stands for the root. */
    static long available(Path root) {
        long machine = machine(root.resolve("proc/meminfo"));
        long group = GROUPS.stream()
                .mapToLong(files -> group(root, files))
                .filter(bytes -> bytes >= 0)
                .min()
                .orElse(Long.MAX_VALUE);
        return machine == 0 && group == Long.MAX_VALUE ? 0 : Math.min(machine == 0 ? Long.MAX_VALUE : machine, group);
    }

    private static long machine(Path meminfo) {
        return lines(meminfo).stream()
                .filter(line -> line.startsWith("MemAvailable:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                .findFirst()
                .orElse(0);
    }

    // Pages of files count as in use, but are given back when they are needed. −1 if there is no limit.
    private static long group(Path root, List<String> files) {
        long limit = number(lines(root.resolve(files.get(0))).stream());
        long used = number(lines(root.resolve(files.get(1))).stream());
        if (limit < 0 || used < 0) {
            return -1;
        }
        long cached = number(lines(root.resolve(files.get(2))).stream()
                .filter(line -> line.startsWith("inactive_file ") || line.startsWith("total_inactive_file "))
                .map(line -> line.substring(line.indexOf(' ') + 1)));
        return Math.max(0, limit - used + Math.max(0, cached));
    }

    // "max" is no number, nor is what doesn't fit.
    private static long number(Stream<String> lines) {
        return lines.map(String::strip)
                .filter(line -> line.matches("\\d{1,18}"))
                .mapToLong(Long::parseLong)
                .max()
                .orElse(-1);
    }

    private static List<String> lines(Path file) {
        if (!Files.isReadable(file)) {
            return List.of();
        }
        try {
            // Not Files.lines, which fails on a thread that is interrupted.
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + ": " + e, e);
        }
    }
}
