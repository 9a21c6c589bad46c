package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadListener;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.model.HookedTransformer;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Whoever uses the library hears what they ask for, and nothing else. */
class SilenceTest {

    @Test
    void loadingAndTokenizingWriteNothing() throws IOException, InterruptedException {
        // As in a program that has chosen nobody for SLF4J to log to.
        String classPath = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !entry.contains("slf4j-nop"))
                .collect(Collectors.joining(File.pathSeparator));
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        classPath,
                        FreshProcess.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        // Warnings are Java's own, of native code.
        assertThat(output.lines().filter(line -> !line.startsWith("WARNING: "))).containsExactly("tokens 5");
    }

    @Test
    void theListenerHearsOfEveryByteThatIsRead() {
        List<String> told = new ArrayList<>();
        LoadListener listener = new LoadListener() {
            private long last = -1;

            @Override
            public void begun(Task task) {
                told.add(task.kind() + " " + task.name() + " begun");
            }

            @Override
            public void progress(Task task, long done) {
                assertThat(done).isBetween(Math.max(0, last), task.bytes());
                last = done;
                if (done == task.bytes()) {
                    told.add("all of it");
                }
            }

            @Override
            public void ended(Task task) {
                told.add("ended");
            }
        };
        LoadOptions options = LoadOptions.defaults().withBackend("reference").withListener(listener);
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options)) {
            assertThat(model.config().nLayers()).isPositive();
        }
        assertThat(told).startsWith("READ toy-gpt2 begun").endsWith("all of it", "ended");
    }

    /** The process. */
    static final class FreshProcess {

        private FreshProcess() {}

        public static void main(String[] args) {
            try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
                System.out.println("tokens " + model.toTokens("Hello world").positions());
            }
        }
    }
}
