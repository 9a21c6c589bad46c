package dev.loupe.architectures.llama;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.support.Models;
import dev.loupe.architectures.support.PlainTransformer;
import dev.loupe.architectures.support.RandomCheckpoint;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LlamaArchitectureTest {

    private static final long SEED = 20262;
    private static final int NO_WINDOW = Integer.MAX_VALUE;
    /** 10000^(-2i/6). */
    private static final double[] PLAIN = {1, 0.046415888336127795, 0.0021544346900318843};

    @TempDir
    private Path directory;

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static TransformerConfig configure(Map<String, ?> config) {
        return new LlamaArchitecture().configure(new CheckpointConfig("config.json", config));
    }

    private static Map<String, Object> sizes() {
        return new HashMap<>(Map.of(
                "hidden_size", 12,
                "num_attention_heads", 4,
                "intermediate_size", 20,
                "num_hidden_layers", 2,
                "max_position_embeddings", 24,
                "vocab_size", 31));
    }

    private void assertLogits(Map<String, ?> changes) {
        assertLogits(RandomCheckpoint.llama(changes, SEED), LlamaArchitectureTest::silu, PLAIN, 1);
    }

    private void assertLogits(
            RandomCheckpoint checkpoint, DoubleUnaryOperator activation, double[] frequencies, double scaling) {
        long[] ids = Models.ids(13, 31, SEED);
        double[][] expected = PlainTransformer.llama(checkpoint, ids, activation, NO_WINDOW, frequencies, scaling);
        try (HookedTransformer model = Models.exact(checkpoint.writeTo(directory))) {
            double[][] found = Models.logits(model, ids);
            for (int position = 0; position < ids.length; position++) {
                assertThat(found[position])
                        .as("logits at %d of %s, seed %d", position, Arrays.toString(ids), SEED)
                        .containsExactly(expected[position], within(1e-9));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void keysAndValuesMayBeSharedByAnyNumberOfHeads(int keyValueHeads) {
        assertLogits(Map.of("num_key_value_heads", keyValueHeads));
    }

    @Test
    void attentionMayHaveBiasesTheOutputIncluded() {
        assertLogits(Map.of("attention_bias", true));
    }

    @Test
    void theMlpMayHaveBiasesOneForEachOfItsMatrices() {
        assertLogits(Map.of("mlp_bias", true));
        assertLogits(Map.of("mlp_bias", true, "attention_bias", true, "num_key_value_heads", 1));
    }

    @Test
    void theNormsEpsilonIsTheConfigs() {
        assertLogits(Map.of("rms_norm_eps", 0.2));
    }

    @Test
    void theUnembeddingMayBeTheEmbedding() {
        assertLogits(Map.of("tie_word_embeddings", true));
    }

    @Test
    void theActivationFunctionIsTheConfigs() {
        RandomCheckpoint checkpoint = RandomCheckpoint.llama(Map.of("hidden_act", "relu"), SEED);
        assertLogits(checkpoint, x -> Math.max(x, 0), PLAIN, 1);
    }

    @Test
    void scalingOfRotaryPositionsReachesTheLogits() {
        Map<String, Object> linear = Map.of("rope_type", "linear", "factor", 2.5);
        double[] slower = Arrays.stream(PLAIN).map(f -> f / 2.5).toArray();
        assertLogits(
                RandomCheckpoint.llama(Map.of("rope_scaling", linear), SEED), LlamaArchitectureTest::silu, slower, 1);
        // By transformers 5.18's modeling_rope_utils.
        double[] llama3 = {0.932394487827058, 0.0538608672507971, 0.01160397208403195};
        Map<String, Object> settings = Map.of(
                "rope_type", "llama3",
                "rope_theta", 100.0,
                "factor", 4.0,
                "low_freq_factor", 1.0,
                "high_freq_factor", 2.0,
                "original_max_position_embeddings", 12);
        assertLogits(
                RandomCheckpoint.llama(Map.of("rope_parameters", settings), SEED),
                LlamaArchitectureTest::silu,
                llama3,
                1);
        // A factor of 1 leaves the frequencies of yarn alone, so that only the factor on the angles is left.
        Map<String, Object> yarn = Map.of("rope_type", "yarn", "factor", 1.0, "attention_factor", 1.25);
        assertLogits(
                RandomCheckpoint.llama(Map.of("rope_scaling", yarn), SEED), LlamaArchitectureTest::silu, PLAIN, 1.25);
        Map<String, Object> dynamic = Map.of("type", "dynamic", "factor", 4.0);
        assertLogits(
                RandomCheckpoint.llama(Map.of("rope_scaling", dynamic), SEED), LlamaArchitectureTest::silu, PLAIN, 1);
    }

    @Test
    void dynamicScalingIsNotGuessedAtBeyondTheTrainedContext() {
        Map<String, Object> dynamic = Map.of("type", "dynamic", "factor", 4.0);
        RandomCheckpoint.llama(Map.of("rope_scaling", dynamic), SEED).writeTo(directory);
        assertThatThrownBy(
                        () -> Models.load(directory, LoadOptions.noProcessing().withNCtx(48))
                                .close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("dynamic")
                .hasMessageContaining("24")
                .hasMessageContaining("48");
    }

    @Test
    void aCheckpointOfTheBareModelHasNoPrefixAndMayHoldFrequencies() {
        RandomCheckpoint prefixed = RandomCheckpoint.llama(Map.of("tie_word_embeddings", true), SEED);
        RandomCheckpoint bare = prefixed.renamed(name -> name.substring("model.".length()))
                .with("layers.0.self_attn.rotary_emb.inv_freq", HostTensor.of(Shape.of(3), 7f, 8f, 9f));
        long[] ids = Models.ids(7, 31, SEED);
        double[][] expected = PlainTransformer.llama(prefixed, ids, LlamaArchitectureTest::silu, NO_WINDOW, PLAIN, 1);
        try (HookedTransformer model = Models.exact(bare.writeTo(directory))) {
            assertThat(Models.logits(model, ids)[6]).containsExactly(expected[6], within(1e-9));
        }
    }

    @Test
    void whatAConfigLeavesOutIsAsInLlama() {
        Map<String, Object> sizes = sizes();
        sizes.put("hidden_size", 16);
        TransformerConfig config = configure(sizes);
        assertThat(config.nKeyValueHeads()).isEqualTo(4);
        assertThat(config.dHead()).isEqualTo(4);
        assertThat(config.attnScale()).isEqualTo(2);
        assertThat(config.eps()).isEqualTo(1e-6);
        assertThat(config.activation()).isEqualTo("silu");
        assertThat(config.gatedMlp()).isTrue();
        assertThat(config.slidingWindow()).isNull();
        assertThat(config.normalization()).isEqualTo(TransformerConfig.Normalization.RMS);
        assertThat(config.bosId()).isEqualTo(1);
        assertThat(config.eosIds()).containsExactly(2L);
    }

    @Test
    void biasesExistWhereTheConfigSaysSo() {
        Map<String, Object> config = sizes();
        config.put("head_dim", 6);
        assertThat(configure(config).biases()).isEmpty();
        config.put("attention_bias", true);
        assertThat(configure(config).biases()).containsExactlyInAnyOrder("b_Q", "b_K", "b_V", "b_O");
        config.put("mlp_bias", true);
        assertThat(configure(config).biases())
                .containsExactlyInAnyOrder("b_Q", "b_K", "b_V", "b_O", "b_gate", "b_in", "b_out");
    }

    @Test
    void aMissingSizeIsNamed() {
        Map<String, Object> config = sizes();
        config.remove("intermediate_size");
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("config.json lacks 'intermediate_size'");
    }

    @Test
    void aWidthThatHeadsDoNotDivideNeedsAHeadWidth() {
        Map<String, Object> config = sizes();
        config.put("num_attention_heads", 5);
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'hidden_size' 12")
                .hasMessageContaining("head_dim");
        config.put("head_dim", 6);
        assertThat(configure(config).dHead()).isEqualTo(6);
    }

    @Test
    void keyValueHeadsMustDivideTheHeads() {
        Map<String, Object> config = sizes();
        config.put("head_dim", 6);
        config.put("num_key_value_heads", 3);
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("3")
                .hasMessageContaining("4");
    }

    @Test
    void aCheckpointIsRecognisedByItsType() {
        LlamaArchitecture llama = new LlamaArchitecture();
        assertThat(llama.accepts(new CheckpointConfig("c", Map.of("model_type", "llama"))))
                .isTrue();
        assertThat(llama.accepts(new CheckpointConfig("c", Map.of("architectures", List.of("LlamaForCausalLM")))))
                .isTrue();
        assertThat(llama.accepts(new CheckpointConfig("c", Map.of("model_type", "mistral"))))
                .isFalse();
    }
}
