package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands whose results nobody gets. */
class LostOutputTest {

    @TempDir
    private Path folder;

    /** Takes some bytes, then fails. */
    private static final class Full extends OutputStream {
        private final String reason;
        private int room;

        Full(int room, String reason) {
            this.room = room;
            this.reason = reason;
        }

        @Override
        public void write(int b) throws IOException {
            if (room-- <= 0) {
                throw new IOException(reason);
            }
        }
    }

    private static Cli run(OutputStream standardOutput, String... args) {
        StringWriter err = new StringWriter();
        int code = Main.run(
                args,
                new ByteArrayInputStream(new byte[0]),
                StandardOutput.writer(standardOutput),
                new PrintWriter(err));
        return new Cli(code, "", err.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lens|Hello there",
                "lens|Hello there|--json",
                "logits|Hello there|--json|--all-logits",
                "logits|Hello there",
                "generate|Hello there|--max-new-tokens|2",
                "generate|Hello there|--max-new-tokens|2|--json",
                "attention|Hello there",
                "heads|--length|3|--batch|1",
                "steer|Hello|--positive|a|--negative|b|--max-new-tokens|1",
                "features|Hello there",
                "describe",
                "models",
                "backends",
                "architectures",
                "classpath",
                "--help",
                "--version",
                "lens|--help"
            })
    void aFullDiskBehindStandardOutputIsAFailure(String command) {
        Cli cli = run(new Full(3, "No space left on device"), command.split("\\|"));
        assertThat(cli.err())
                .as(command)
                .contains("loupe: Standard output can't be written to: No space left on device");
        assertThat(cli.exitCode()).isEqualTo(1);
    }

    @Test
    void commandsThatWriteFilesFailTooIfWhatTheySayIsLost() {
        Path out = folder.resolve("cache.safetensors");
        Cli cli = run(new Full(0, "No space left on device"), "cache", "Hello", "--out", out.toString());
        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(out).exists();
    }

    @Test
    void aReaderThatHasEnoughIsNoReasonToComplain() {
        for (String reason : new String[] {"Broken pipe", "The pipe is being closed"}) {
            Cli cli = run(new Full(3, reason), "lens", "Hello there");
            assertThat(cli.err()).isEmpty();
            assertThat(cli.exitCode()).isEqualTo(1);
        }
    }

    @Test
    void aProcessWithAFullDiskOrAClosedPipeFails() throws Exception {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/bin/sh")));
        Path out = folder.resolve("out.json");
        List<String> lost =
                shell("ulimit -f 1; \"$@\" >'" + out + "'; echo $?", "logits", "Hello", "--json", "--all-logits");
        assertThat(lost).last().isEqualTo("1");
        assertThat(lost).first().asString().contains("Standard output can't be written to: File too large");
        List<String> closed = shell("{ \"$@\"; echo $? >&2; } | true", "logits", "Hello", "--json", "--all-logits");
        assertThat(closed).containsExactly("1");
    }

    private static List<String> shell(String script, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "/bin/sh",
                "-c",
                script,
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:-UsePerfData",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                args[0]));
        // The other backends unpack libraries, which are files as well.
        command.addAll(List.of("--backend", "reference"));
        command.addAll(List.of(args).subList(1, args.length));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return lines;
    }
}
