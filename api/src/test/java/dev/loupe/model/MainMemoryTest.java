package dev.loupe.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How much memory there is, as the files of a Linux say it. */
class MainMemoryTest {

    @TempDir
    private Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    @Test
    void nobodyKnowsWhereNothingSaysIt() {
        assertThat(MainMemory.available(root)).isZero();
    }

    @Test
    void theMachineSaysWhatIsAvailable() throws IOException {
        write("proc/meminfo", "MemTotal:       24000000 kB\nMemFree:  1000 kB\nMemAvailable:   20000 kB\n");
        assertThat(MainMemory.available(root)).isEqualTo(20_000L << 10);
    }

    @Test
    void aContainersLimitCountsWhatFilesTakeAsFree() throws IOException {
        write("proc/meminfo", "MemAvailable:   20000000 kB\n");
        write("sys/fs/cgroup/memory.max", "1000000000\n");
        write("sys/fs/cgroup/memory.current", "600000000\n");
        write("sys/fs/cgroup/memory.stat", "anon 400000000\nfile 200000000\ninactive_file 150000000\n");
        assertThat(MainMemory.available(root)).isEqualTo(550_000_000);
        write("sys/fs/cgroup/memory.max", "max\n");
        assertThat(MainMemory.available(root)).isEqualTo(20_000_000L << 10);
    }

    @Test
    void soDoesOneOfTheOlderKind() throws IOException {
        write("proc/meminfo", "MemAvailable:   20000000 kB\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "600000000\n");
        assertThat(MainMemory.available(root)).isEqualTo(20_000_000L << 10);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000000\n");
        write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 100000000\n");
        assertThat(MainMemory.available(root)).isEqualTo(1_500_000_000);
    }
}
