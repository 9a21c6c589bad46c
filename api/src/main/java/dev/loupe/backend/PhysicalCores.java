package dev.loupe.backend;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * Counts cores. Two threads that multiply on one core by turns are no faster than one, and where they wait for each
 * other they are slower.
 */
final class PhysicalCores {

    private static final int HERE =
            count(Path.of("/sys/devices/system/cpu"), Runtime.getRuntime().availableProcessors());

    private PhysicalCores() {}

    static int here() {
        return HERE;
    }

    /**
     * How many cores there are, as Linux says it.
     *
     * @param cpus where it says it: a folder {@code cpuN/topology} for each processor, in whose file {@code
     *     thread_siblings_list} the processors of one core stand
     * @param processors how many this process may use, which isn't exceeded, and is the answer where nothing is said
     */
    static int count(Path cpus, int processors) {
        Set<String> cores = new HashSet<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(cpus, "cpu[0-9]*")) {
            for (Path cpu : all) {
                Path siblings = cpu.resolve("topology").resolve("thread_siblings_list");
                if (Files.isReadable(siblings)) { // not of a processor that is switched off
                    cores.add(Files.readString(siblings).strip());
                }
            }
        } catch (IOException | UncheckedIOException e) {
            return processors; // Windows, macOS, and containers that don't show it
        }
        return cores.isEmpty() ? processors : Math.min(cores.size(), processors);
    }
}
