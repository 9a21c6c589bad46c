package dev.loupe.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PhysicalCoresTest {

    @TempDir
    private Path cpus;

    private void processor(int number, String siblings) throws IOException {
        Path topology = Files.createDirectories(cpus.resolve("cpu" + number).resolve("topology"));
        Files.writeString(topology.resolve("thread_siblings_list"), siblings + "\n");
    }

    @Test
    void twoThreadsOfACoreCountOnce() throws IOException {
        for (int i = 0; i < 4; i++) {
            processor(i, i % 2 + "," + (i % 2 + 2));
        }
        Files.createDirectories(cpus.resolve("cpu4")); // switched off
        Files.createDirectories(cpus.resolve("cpufreq"));
        assertThat(PhysicalCores.count(cpus, 4)).isEqualTo(2);
    }

    @Test
    void thereAreNeverMoreThanTheProcessMayUse() throws IOException {
        for (int i = 0; i < 8; i++) {
            processor(i, Integer.toString(i));
        }
        assertThat(PhysicalCores.count(cpus, 3)).isEqualTo(3);
    }

    @Test
    void whereTheSystemSaysNothingEveryProcessorCounts() {
        assertThat(PhysicalCores.count(cpus, 6)).isEqualTo(6);
        assertThat(PhysicalCores.count(cpus.resolve("no"), 6)).isEqualTo(6);
        assertThat(BackendOptions.physicalCores())
                .isBetween(1, Runtime.getRuntime().availableProcessors());
    }
}
