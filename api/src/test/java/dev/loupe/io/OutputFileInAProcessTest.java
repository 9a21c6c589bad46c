package dev.loupe.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files whose writer comes to an end, in a process of its own. */
class OutputFileInAProcessTest {

    private static final boolean UNIX = File.separatorChar == '/';

    @TempDir
    private Path folder;

    /** What the other process does. */
    static final class Writer {

        private Writer() {}

        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[1]);
            if (args[0].equals("wait")) {
                OutputFile.write(file, channel -> {
                    channel.write(ByteBuffer.allocate(1000));
                    System.out.println("written");
                    // Until the process is ended.
                    System.in.read();
                });
            }
            try {
                OutputFile.write(file, new byte[1 << 20]);
                System.out.println("done");
            } catch (UncheckedIOException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    private static ProcessBuilder process(String prefix, String... args) {
        List<String> java = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                // It would lie in a file, which is limited below.
                "-XX:-UsePerfData",
                "-cp",
                System.getProperty("java.class.path"),
                Writer.class.getName()));
        java.addAll(List.of(args));
        List<String> command = new ArrayList<>(List.of("sh", "-c", prefix + "exec \"$@\"", "sh"));
        command.addAll(java);
        return new ProcessBuilder(command).redirectErrorStream(true);
    }

    private static String output(ProcessBuilder builder) throws Exception {
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        return output.strip();
    }

    private void assertPreciousAlone(Path file) {
        assertThat(file).hasContent("precious");
        assertThat(folder).isDirectoryNotContaining(path -> !path.equals(file));
    }

    @Test
    void aFullDiskLeavesTheOldFileWhole() throws Exception {
        assumeTrue(UNIX);
        Path file = Files.writeString(folder.resolve("file"), "precious");
        // A file that may grow to 64 blocks is a disk with no more room than that.
        assertThat(output(process("ulimit -f 64; ", "write", file.toString())))
                .isEqualTo("Can't write " + file + ": File too large");
        assertPreciousAlone(file);
    }

    @Test
    void aProcessThatIsEndedRemovesWhatItWasWriting() throws Exception {
        assumeTrue(UNIX);
        Path file = Files.writeString(folder.resolve("file"), "precious");
        Process process = process("", "wait", file.toString()).start();
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            assertThat(reader.readLine()).isEqualTo("written");
            try (var files = Files.list(folder)) {
                assertThat(files).hasSize(2);
            }
            // Process.destroy would close the pipes first.
            process.toHandle().destroy();
            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertPreciousAlone(file);
    }

    @Test
    void standardOutputIsAPipeOrRefused() throws Exception {
        Path own = Path.of("/proc/self/fd/1");
        assumeTrue(Files.exists(own));
        assertThat(output(process("", "write", own.toString()))).hasSize((1 << 20) + "done".length());
        Path file = Files.writeString(folder.resolve("file"), "precious\n");
        ProcessBuilder.Redirect append = ProcessBuilder.Redirect.appendTo(file.toFile());
        assertThat(process("", "write", own.toString())
                        .redirectOutput(append)
                        .start()
                        .waitFor())
                .isZero();
        assertThat(Files.readAllLines(file)).hasSize(2).first().isEqualTo("precious");
        assertThat(file).content().contains("give the file's own name");
    }
}
