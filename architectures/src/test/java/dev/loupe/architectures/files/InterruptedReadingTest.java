package dev.loupe.architectures.files;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.model.HookedTransformer;
import java.io.ByteArrayInputStream;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/** A thread that is interrupted reads a model all the same, and stays interrupted. */
class InterruptedReadingTest {

    private static <T> T interrupted(Callable<T> what) throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            return thread.submit(() -> {
                        Thread.currentThread().interrupt();
                        T result = what.call();
                        assertThat(Thread.currentThread().isInterrupted())
                                .as("whether the thread is interrupted still")
                                .isTrue();
                        return result;
                    })
                    .get();
        } finally {
            thread.shutdownNow();
        }
    }

    @Test
    void aModelIsLoaded() throws Exception {
        LoadOptions options = LoadOptions.defaults().withBackend("reference");
        long tokens = interrupted(() -> {
            try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options)) {
                return (long) model.toTokens("The capital").positions();
            }
        });
        assertThat(tokens).isGreaterThan(1);
    }

    @Test
    void aStreamOutOfAJarIsReadWhole() throws Exception {
        byte[] bytes = new byte[200_000];
        new Random(3).nextBytes(bytes);
        ByteBuffer content = interrupted(() -> ResourceFiles.content(new ByteArrayInputStream(bytes), bytes.length));
        assertThat(content).isEqualTo(ByteBuffer.wrap(bytes));
        assertThat(ResourceFiles.content(new ByteArrayInputStream(bytes), bytes.length + 7)
                        .remaining())
                .as("what there is of a stream that ends early")
                .isEqualTo(bytes.length);
    }
}
