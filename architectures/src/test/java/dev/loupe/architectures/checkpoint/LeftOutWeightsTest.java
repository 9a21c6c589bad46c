package dev.loupe.architectures.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderArchitecture;
import dev.loupe.architectures.gpt2.Gpt2Architecture;
import dev.loupe.architectures.support.Models;
import dev.loupe.architectures.support.RandomCheckpoint;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An outsider's family that forgets a weight: processing must not take it for one that the family doesn't have. */
class LeftOutWeightsTest {

    private static String forgotten = "";

    @TempDir
    private Path folder;

    /** GPT-2 under another name, without a rule for one of its weights. */
    public static final class Forgetful extends DecoderArchitecture {

        private final Gpt2Architecture gpt2 = new Gpt2Architecture();

        /** Made by the service loader. */
        public Forgetful() {
            super("forgetful", "ForgetfulModel", "forgetful");
        }

        @Override
        public TransformerConfig configure(CheckpointConfig config) {
            return gpt2.configure(config).toBuilder().architecture(id()).build();
        }

        @Override
        public WeightMapping weights(TransformerConfig config) {
            WeightMapping whole = gpt2.weights(config);
            return new WeightMapping(
                    whole.rules().stream()
                            .filter(rule -> !rule.weight().equals(forgotten))
                            .toList(),
                    whole.ignored());
        }
    }

    private HookedTransformer load(String without, LoadOptions options) throws IOException {
        forgotten = without;
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(ArchitectureProvider.class.getName()), Forgetful.class.getName());
        RandomCheckpoint.gpt2(Map.of("model_type", "forgetful"), 5).writeTo(folder);
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {folder.toUri().toURL()}, LeftOutWeightsTest.class.getClassLoader())) {
            thread.setContextClassLoader(loader);
            return Models.load(folder, options);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"ln_final.w", "blocks.1.ln2.b", "blocks.0.attn.b_Q", "blocks.1.mlp.b_out"})
    void aWeightThatTheMappingForgetsIsNamedHoweverTheModelIsLoaded(String weight) {
        for (LoadOptions options : List.of(LoadOptions.defaults(), LoadOptions.noProcessing())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> load(weight, options))
                    .withMessageContaining(weight);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> load(weight, LoadOptions.defaults()))
                .withMessageContaining("'forgetful' (" + Forgetful.class.getName() + ")");
    }

    @Test
    void aWholeMappingLoads() throws IOException {
        try (HookedTransformer model = load("nothing", LoadOptions.defaults())) {
            assertThat(model.config().architecture()).isEqualTo("forgetful");
        }
    }
}
