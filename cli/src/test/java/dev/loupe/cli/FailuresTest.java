package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.OutOfTensorMemoryException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever fails, people are told what, where, and what to do, in a few lines. */
class FailuresTest {

    @Test
    void aMessageThatEndsInNullTellsItsCause() {
        assertThat(Failures.message(new UncheckedIOException(
                        "Can't read weights.safetensors: null", new ClosedByInterruptException())))
                .isEqualTo("Can't read weights.safetensors: the thread was interrupted");
        assertThat(Failures.message(new IllegalStateException("The Hub doesn't answer: null")))
                .isEqualTo("The Hub doesn't answer: the reason isn't known");
        assertThat(Failures.message(new IllegalStateException("Reading: null", new NullPointerException())))
                .startsWith("Reading: An error in the program: java.lang.NullPointerException");
    }

    @Test
    void wrappersWithoutWordsOfTheirOwnAreTakenOff() {
        IOException denied = new AccessDeniedException("/etc/shadow");
        assertThat(Failures.message(new UncheckedIOException(denied))).isEqualTo("/etc/shadow: permission denied");
        assertThat(Failures.message(new CompletionException(new UncheckedIOException(denied))))
                .isEqualTo("/etc/shadow: permission denied");
        assertThat(Failures.message(new NoSuchFileException("config.json")))
                .isEqualTo("config.json: there is no such file or folder");
        assertThat(Failures.message(new RuntimeException(new IllegalArgumentException("port out of range:99999"))))
                .isEqualTo("port out of range:99999");
    }

    @Test
    void tooLittleMemorySaysHowToAllowMore() {
        assertThat(Failures.message(new OutOfMemoryError("Java heap space")))
                .contains("Java's heap of ", "Java heap space", "LOUPE_JAVA_OPTS=-Xmx");
        String direct = "Cannot reserve 1980032 bytes of direct buffer memory (allocated: 0, limit: 1048576)";
        assertThat(Failures.message(new OutOfMemoryError(direct)))
                .contains(direct, "LOUPE_JAVA_OPTS=-XX:MaxDirectMemorySize=1g")
                .doesNotContain("-Xmx");
        assertThat(Failures.message(new OutOfMemoryError("unable to create native thread: possibly out of memory")))
                .contains("no more threads", "--threads");
        assertThat(Failures.message(new OutOfMemoryError("Metaspace"))).contains("MaxMetaspaceSize");
    }

    @Test
    void adviceForProgramsIsToldInTheWordsOfTheCommandLine() {
        String direct = "Cannot reserve 8 bytes of direct buffer memory (allocated: 0, limit: 4294967296)";
        assertThat(Failures.message(new OutOfTensorMemoryException(
                        "Out of memory while 'm' was loaded",
                        "Load fewer layers (firstNLayers)",
                        new OutOfMemoryError(direct))))
                .contains("while 'm' was loaded", "LOUPE_JAVA_OPTS=-XX:MaxDirectMemorySize=8g", "--dtype")
                .doesNotContain("firstNLayers");
        assertThat(Failures.message(new OutOfTensorMemoryException(
                        "'m' needs 9 GiB. It would fit in bfloat16 (4.5 GiB)", "Or several (nDevices)", null)))
                .contains("bfloat16", "--dtype", "--device")
                .doesNotContain("nDevices", "-Xmx");
        assertThat(Failures.message(new OutOfTensorMemoryException("No room on cuda:0. Close tensors")))
                .isEqualTo("No room on cuda:0. Close tensors");
    }

    @Test
    void whatNoInputShouldBringAboutSaysWhereItHappened() {
        Throwable thrown = new ArrayIndexOutOfBoundsException("Index 5 out of bounds for length 3");
        assertThat(Failures.message(thrown))
                .contains("An error in the program", "Index 5", "at dev.loupe.cli.FailuresTest", "--stacktrace");
        assertThat(Failures.message(new StackOverflowError())).contains("StackOverflowError");
    }

    @Test
    void aFileInAMessageIsCutAndCantSteerTheTerminal() {
        String message = Failures.message(
                new IllegalArgumentException("config.json has 'x\u001b[2J\u0007" + "y".repeat(100_000) + "'"));
        assertThat(message)
                .hasSizeLessThan(2100)
                .startsWith("config.json has 'x\\u001b[2J\\u0007y")
                .contains("characters more");
    }

    @Test
    void anErrorOfJavaItselfEndsACommandAsAnyOther(@TempDir Path folder) throws IOException {
        // A model's directory whose config is 2 MB of nesting: the reader says so, in a line.
        Path config = Files.writeString(folder.resolve("config.json"), "[".repeat(2_000_000));
        Cli cli = Cli.run("lens", "a", "--model", folder.toString());
        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(cli.err()).startsWith("loupe: ").contains(config.toString()).doesNotContain("\tat ");
        assertThat(cli.err().lines()).hasSizeLessThan(3);
    }
}
