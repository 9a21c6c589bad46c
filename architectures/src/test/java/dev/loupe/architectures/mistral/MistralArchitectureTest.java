package dev.loupe.architectures.mistral;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.support.Models;
import dev.loupe.architectures.support.PlainTransformer;
import dev.loupe.architectures.support.RandomCheckpoint;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MistralArchitectureTest {

    private static final long SEED = 20263;
    /** 10000^(-2i/6). */
    private static final double[] PLAIN = {1, 0.046415888336127795, 0.0021544346900318843};

    @TempDir
    private Path directory;

    private static Map<String, Object> sizes() {
        return new HashMap<>(Map.of(
                "model_type", "mistral",
                "hidden_size", 48,
                "num_attention_heads", 8,
                "intermediate_size", 20,
                "num_hidden_layers", 2,
                "vocab_size", 31));
    }

    private static TransformerConfig configure(Map<String, ?> config) {
        return new MistralArchitecture().configure(new CheckpointConfig("config.json", config));
    }

    private void assertLogits(Map<String, Object> changes, int window) {
        changes.put("model_type", "mistral");
        RandomCheckpoint checkpoint = RandomCheckpoint.llama(changes, SEED);
        long[] ids = Models.ids(13, 31, SEED);
        double[][] expected = PlainTransformer.llama(checkpoint, ids, x -> x / (1 + Math.exp(-x)), window, PLAIN, 1);
        try (HookedTransformer model = Models.exact(checkpoint.writeTo(directory))) {
            double[][] found = Models.logits(model, ids);
            for (int position = 0; position < ids.length; position++) {
                assertThat(found[position])
                        .as("logits at %d, seed %d", position, SEED)
                        .containsExactly(expected[position], within(1e-9));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 12, 13, 100})
    void aQuerySeesAsManyPositionsAsTheWindowIsWide(int window) {
        assertLogits(new HashMap<>(Map.of("sliding_window", window)), window);
    }

    @Test
    void aNullMeansNoWindow() {
        Map<String, Object> changes = new HashMap<>();
        changes.put("sliding_window", null);
        assertLogits(changes, Integer.MAX_VALUE);
    }

    @Test
    void aWindowCanBeSwitchedOff() {
        assertLogits(new HashMap<>(Map.of("sliding_window", 3, "use_sliding_window", false)), Integer.MAX_VALUE);
    }

    @Test
    void whatAConfigLeavesOutIsAsInMistral() {
        TransformerConfig config = configure(sizes());
        assertThat(config.slidingWindow()).isEqualTo(4096);
        assertThat(config.nKeyValueHeads()).isEqualTo(8);
        assertThat(config.nCtx()).isEqualTo(131072);
        assertThat(config.biases()).isEmpty();
    }

    @Test
    void asManyKeyValueHeadsAsHeadsIfTheConfigSaysNull() {
        Map<String, Object> config = sizes();
        config.put("num_attention_heads", 12);
        config.put("num_key_value_heads", null);
        assertThat(configure(config).nKeyValueHeads()).isEqualTo(12);
    }

    @Test
    void aCheckpointIsRecognisedByItsType() {
        MistralArchitecture mistral = new MistralArchitecture();
        assertThat(mistral.accepts(new CheckpointConfig("c", Map.of("model_type", "mistral"))))
                .isTrue();
        assertThat(mistral.accepts(new CheckpointConfig("c", Map.of("architectures", List.of("MistralForCausalLM")))))
                .isTrue();
        assertThat(mistral.accepts(new CheckpointConfig("c", Map.of("model_type", "llama"))))
                .isFalse();
    }
}
