package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Rotary;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the configs of Qwen and Gemma mean, setting by setting, as transformers 5 reads them. */
class FamilyConfigsTest {

    private static TransformerConfig configure(String type, Object... more) {
        Map<String, Object> values = new HashMap<>(Map.of(
                "model_type",
                type,
                "hidden_size",
                32,
                "num_hidden_layers",
                6,
                "num_attention_heads",
                4,
                "num_key_value_heads",
                2,
                "intermediate_size",
                48,
                "vocab_size",
                99));
        for (int i = 0; i < more.length; i += 2) {
            values.put((String) more[i], more[i + 1]);
        }
        return read(values);
    }

    private static TransformerConfig read(Map<String, Object> values) {
        CheckpointConfig config = new CheckpointConfig("config.json", values);
        return Architectures.accepting(config).configure(config);
    }

    private static List<@Nullable Integer> windows(TransformerConfig config) {
        return config.blocks().stream().map(BlockSpec::window).toList();
    }

    private static double theta(@Nullable Rotary rotary) {
        assertThat(rotary).isNotNull();
        double[] frequencies = rotary.inverseFrequencies();
        return Math.pow(frequencies[1], -rotary.dims() / 2.0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen2", "qwen3"})
    void qwenSlidesOnlyIfItIsToldTo(String type) {
        Integer none = null;
        assertThat(windows(configure(type, "sliding_window", 5, "max_window_layers", 2)))
                .containsOnlyNulls();
        assertThat(windows(configure(type, "use_sliding_window", true, "sliding_window", 5, "max_window_layers", 4)))
                .isEqualTo(Arrays.asList(none, none, none, none, 5, 5));
        assertThat(windows(configure(
                        type,
                        "use_sliding_window",
                        true,
                        "sliding_window",
                        5,
                        "layer_types",
                        List.of(
                                "sliding_attention",
                                "full_attention",
                                "full_attention",
                                "full_attention",
                                "full_attention",
                                "sliding_attention"))))
                .isEqualTo(Arrays.asList(5, none, none, none, none, 5));
    }

    @Test
    void qwensHaveNoTokensOfTheirOwnToBeginOrEndWith() {
        for (String type : List.of("qwen2", "qwen3")) {
            assertThat(configure(type).bosId()).isNull();
            assertThat(configure(type).eosIds()).isEmpty();
            assertThat(configure(type).defaultPrependBos()).isFalse();
        }
        assertThat(configure("qwen2").biases()).containsExactlyInAnyOrder("b_Q", "b_K", "b_V");
        assertThat(configure("qwen3").biases()).isEmpty();
        assertThat(configure("qwen3", "attention_bias", true).biases()).contains("b_O");
        assertThat(configure("qwen3").dHead()).isEqualTo(128);
        assertThat(configure("qwen3").block(0).queryKeyNorms()).isTrue();
    }

    @Test
    void gemma2SlidesInEvenLayersAndCapsUnlessItIsToldNotTo() {
        TransformerConfig plain = configure("gemma2");
        assertThat(windows(plain)).isEqualTo(Arrays.asList(4096, null, 4096, null, 4096, null));
        assertThat(plain.block(1).scoreSoftCap()).isEqualTo(50);
        assertThat(plain.logitSoftCap()).isEqualTo(30);
        assertThat(plain.attnScale()).isEqualTo(16);
        assertThat(plain.embeddingScale()).isEqualTo(Math.sqrt(32));
        assertThat(plain.activation()).isEqualTo("gelu_pytorch_tanh");
        TransformerConfig without =
                configure("gemma2", "attn_logit_softcapping", null, "final_logit_softcapping", null);
        assertThat(without.block(0).scoreSoftCap()).isNull();
        assertThat(without.logitSoftCap()).isNull();
    }

    @Test
    void gemma3IsFullInEverySixthLayerWhichTurnsByAnotherBase() {
        TransformerConfig config = configure(
                "gemma3_text", "sliding_window", 7, "rope_scaling", Map.of("rope_type", "linear", "factor", 8));
        assertThat(windows(config)).isEqualTo(Arrays.asList(7, 7, 7, 7, 7, null));
        assertThat(theta(config.block(0).rotary())).isCloseTo(10_000, org.assertj.core.data.Offset.offset(1e-6));
        Rotary full = config.block(5).rotary();
        assertThat(full).isNotNull();
        assertThat(full.inverseFrequencies()[0]).isEqualTo(1.0 / 8);
        assertThat(windows(configure("gemma3_text", "sliding_window", 7, "sliding_window_pattern", 2)))
                .isEqualTo(Arrays.asList(7, null, 7, null, 7, null));
    }

    @Test
    void gemma3ReadsEitherSpellingOfRotarySettings() {
        TransformerConfig old = configure("gemma3_text", "rope_theta", 500_000.0, "rope_local_base_freq", 2_000.0);
        TransformerConfig newer = configure(
                "gemma3_text",
                "rope_parameters",
                Map.of(
                        "full_attention", Map.of("rope_type", "default", "rope_theta", 500_000.0),
                        "sliding_attention", Map.of("rope_type", "default", "rope_theta", 2_000.0)));
        TransformerConfig mixed = configure(
                "gemma3_text",
                "rope_theta",
                500_000.0,
                "rope_local_base_freq",
                2_000.0,
                "rope_parameters",
                Map.of(
                        "full_attention", Map.of("rope_type", "default"),
                        "sliding_attention", Map.of("rope_type", "default")));
        for (int layer = 0; layer < 6; layer++) {
            assertThat(newer.block(layer).rotary()).isEqualTo(old.block(layer).rotary());
            assertThat(mixed.block(layer).rotary()).isEqualTo(old.block(layer).rotary());
        }
        assertThat(theta(old.block(0).rotary())).isCloseTo(2_000, org.assertj.core.data.Offset.offset(1e-6));
    }

    @Test
    void theTextPartOfAMultimodalConfigIsRead() {
        TransformerConfig config = read(Map.of(
                "model_type",
                "gemma3",
                "architectures",
                List.of("Gemma3ForConditionalGeneration"),
                "eos_token_id",
                List.of(1, 106),
                "vision_config",
                Map.of("hidden_size", 1152),
                "text_config",
                Map.of(
                        "model_type",
                        "gemma3_text",
                        "hidden_size",
                        64,
                        "num_hidden_layers",
                        12,
                        "sliding_window",
                        1024)));
        assertThat(config.dModel()).isEqualTo(64);
        assertThat(config.nHeads()).isEqualTo(8);
        assertThat(config.nKeyValueHeads()).isEqualTo(4);
        assertThat(config.dHead()).isEqualTo(256);
        assertThat(config.dVocab()).isEqualTo(262_208);
        assertThat(config.eosIds()).containsExactlyInAnyOrder(1L, 106L);
        assertThat(IntStream.range(0, 12)
                        .filter(layer -> config.block(layer).window() == null)
                        .toArray())
                .containsExactly(5, 11);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama", "mistral", "gpt_neox", "qwen2", "qwen3", "gemma2", "gemma3_text"})
    void encodersBuiltOfDecodersAreRefusedInWords(String type) {
        Map<String, Object> sizes = Map.of("n_embd", 32, "n_head", 4, "n_layer", 2);
        for (Map.Entry<String, Boolean> way :
                Map.of("use_bidirectional_attention", true, "is_causal", false).entrySet()) {
            Map<String, Object> values = new HashMap<>(sizes);
            values.put(way.getKey(), way.getValue());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> configure(type, flat(values)))
                    .withMessageContaining("config.json: '" + way.getKey() + "' is " + way.getValue());
            values.put(way.getKey(), !way.getValue());
            assertThat(configure(type, flat(values)).dModel()).isEqualTo(32);
        }
    }

    private static Object[] flat(Map<String, Object> values) {
        return values.entrySet().stream()
                .flatMap(entry -> Stream.of(entry.getKey(), entry.getValue()))
                .toArray();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gemma2", "gemma3_text"})
    void gemmaAppliesWhatItsOwnKeyNamesAndNotTheHiddenActBesideIt(String type) {
        assertThat(configure(type, "hidden_act", "silu").activation()).isEqualTo("gelu_pytorch_tanh");
        assertThat(configure(type, "hidden_act", "gelu", "hidden_activation", null)
                        .activation())
                .isEqualTo("gelu_pytorch_tanh");
        assertThat(configure(type, "hidden_act", "gelu", "hidden_activation", "relu")
                        .activation())
                .isEqualTo("relu");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> configure(type, "hidden_activation", "gleu"))
                .withMessageContaining("'hidden_activation' asks for the activation function 'gleu'");
    }

    @Test
    void pythiasCheckpointsAreNamedByNumberAndByStep() {
        PretrainedModel pythia = Architectures.byId("gpt-neox").pretrained().stream()
                .filter(model -> model.alias().equals("pythia-70m"))
                .findFirst()
                .orElseThrow();
        assertThat(pythia.trainingSteps()).hasSize(154);
        assertThat(pythia.revision(new LoadOptions.Training(true, 0))).isEqualTo("step0");
        assertThat(pythia.revision(new LoadOptions.Training(true, 11))).isEqualTo("step1000");
        assertThat(pythia.revision(new LoadOptions.Training(true, -1))).isEqualTo("step143000");
        assertThat(pythia.revision(new LoadOptions.Training(false, 512))).isEqualTo("step512");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pythia.revision(new LoadOptions.Training(false, 1400)))
                .withMessageContaining("1400")
                .withMessageContaining("step 1000");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pythia.revision(new LoadOptions.Training(true, 154)))
                .withMessageContaining("0 to 153");
    }
}
