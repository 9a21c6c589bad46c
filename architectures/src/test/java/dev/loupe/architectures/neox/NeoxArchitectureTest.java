package dev.loupe.architectures.neox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What somebody who adds an architecture would test: that its numbers are right, and that everything else works. */
class NeoxArchitectureTest {

    private static final long SEED = 20266;
    private static final long[] IDS =
            new Random(SEED).longs(11, 0, TinyNeox.VOCABULARY).toArray();
    private static final LoadOptions RAW =
            LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64);
    private static final LoadOptions PROCESSED =
            LoadOptions.defaults().withBackend("reference").withDType(DType.FLOAT64);

    @TempDir
    private Path directory;

    private static double[][] logits(HookedTransformer model) {
        HostTensor logits = model.forward(Tokens.of(IDS)).toHost();
        double[][] rows = new double[IDS.length][TinyNeox.VOCABULARY];
        for (int i = 0; i < logits.shape().elements(); i++) {
            rows[i / TinyNeox.VOCABULARY][i % TinyNeox.VOCABULARY] = logits.getDouble(i);
        }
        return rows;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void logitsAgreeWithPlainArithmetic(boolean parallel) {
        TinyNeox tiny = new TinyNeox(SEED, parallel);
        double[][] expected = tiny.logits(IDS);
        String checkpoint = tiny.writeTo(directory).toString();
        try (HookedTransformer model = HookedTransformer.fromPretrained(checkpoint, RAW)) {
            double[][] found = logits(model);
            for (int position = 0; position < IDS.length; position++) {
                assertThat(found[position])
                        .as("position %d, seed %d", position, SEED)
                        .containsExactly(expected[position], within(1e-9));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void processedWeightsGiveTheSameProbabilities(boolean parallel) {
        String checkpoint = new TinyNeox(SEED, parallel).writeTo(directory).toString();
        try (HookedTransformer raw = HookedTransformer.fromPretrained(checkpoint, RAW);
                HookedTransformer processed = HookedTransformer.fromPretrained(checkpoint, PROCESSED)) {
            Tokens tokens = Tokens.of(IDS);
            assertThat(processed.config().normalization()).isEqualTo(TransformerConfig.Normalization.LN_PRE);
            assertThat(processed.lossPerToken(tokens).toHost().toDoubleArray())
                    .containsExactly(raw.lossPerToken(tokens).toHost().toDoubleArray(), within(1e-9));
        }
    }

    @Test
    void generatingWithAndWithoutACacheGivesTheSameTokens() {
        String checkpoint = new TinyNeox(SEED, true).writeTo(directory).toString();
        try (HookedTransformer model = HookedTransformer.fromPretrained(checkpoint, PROCESSED)) {
            GenerateOptions how = GenerateOptions.greedy(8).withStopAtEos(false);
            long[] cached = model.generate(Tokens.of(IDS), how).get(0);
            long[] uncached =
                    model.generate(Tokens.of(IDS), how.withKeyValueCache(false)).get(0);
            assertThat(cached).hasSize(IDS.length + 8).isEqualTo(uncached);
        }
    }

    @Test
    void attentionAndMlpReadTheSameResidualStream() {
        String checkpoint = new TinyNeox(SEED, true).writeTo(directory).toString();
        try (HookedTransformer model = HookedTransformer.fromPretrained(checkpoint, RAW)) {
            assertThat(model.graph().hooks().keySet())
                    .contains("blocks.1.hook_mlp_in", "blocks.1.attn.hook_rot_q")
                    .doesNotContain("blocks.1.hook_resid_mid", "hook_pos_embed");
        }
    }

    @Test
    void theServiceLoaderFindsIt() {
        CheckpointConfig config = new CheckpointConfig("config.json", Map.of("model_type", "gpt_neox"));
        assertThat(Architectures.accepting(config)).isInstanceOf(NeoxArchitecture.class);
    }

    @Test
    void bothSpellingsOfTheRotarySettingsMeanTheSame() {
        Map<String, Object> sizes = Map.of(
                "hidden_size", 64,
                "num_attention_heads", 2,
                "num_hidden_layers", 1,
                "intermediate_size", 32,
                "vocab_size", 10,
                "max_position_embeddings", 16);
        Map<String, Object> old = new HashMap<>(sizes);
        old.put("rotary_pct", 0.5);
        old.put("rotary_emb_base", 500);
        Map<String, Object> current = new HashMap<>(sizes);
        current.put(
                "rope_parameters", Map.of("rope_type", "default", "rope_theta", 500.0, "partial_rotary_factor", 0.5));
        for (Map<String, Object> config : List.of(old, current)) {
            TransformerConfig read = new NeoxArchitecture().configure(new CheckpointConfig("config.json", config));
            TransformerConfig.Rotary rotary = read.rotary();
            assertThat(rotary).isNotNull();
            assertThat(rotary.dims()).isEqualTo(16);
            assertThat(rotary.inverseFrequencies()[1]).isEqualTo(Math.pow(500, -1.0 / 8), within(1e-15));
        }
        TransformerConfig.Rotary usual = new NeoxArchitecture()
                .configure(new CheckpointConfig("config.json", sizes))
                .rotary();
        assertThat(usual).isNotNull();
        assertThat(usual.dims()).isEqualTo(8);
    }

    @Test
    void aMissingSizeIsNamed() {
        CheckpointConfig config = new CheckpointConfig("config.json", Map.of("hidden_size", 24));
        assertThatThrownBy(() -> new NeoxArchitecture().configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("config.json lacks 'num_attention_heads'");
    }
}
