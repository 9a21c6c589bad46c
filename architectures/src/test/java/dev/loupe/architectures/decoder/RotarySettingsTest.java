package dev.loupe.architectures.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Rotary;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The numbers are those that the functions of transformers 5.18's modeling_rope_utils give in double precision. */
class RotarySettingsTest {

    private static final double EXACT = 1e-12;

    private static Rotary read(Map<String, ?> config, int headWidth, int positions) {
        return RotarySettings.read(new CheckpointConfig("config.json", config), headWidth, positions);
    }

    private static void assertFrequencies(Rotary rotary, double... expected) {
        assertThat(rotary.inverseFrequencies()).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(rotary.inverseFrequencies()[i] / expected[i]).isEqualTo(1, within(EXACT));
        }
    }

    @Test
    void withoutAnySettingsThetaIsTenThousand() {
        Rotary rotary = read(Map.of(), 8, 64);
        assertThat(rotary.dims()).isEqualTo(8);
        assertThat(rotary.attentionScaling()).isEqualTo(1);
        assertFrequencies(rotary, 1, 0.1, 0.01, 0.001);
    }

    @Test
    void bothSpellingsMeanTheSame() {
        Map<String, Object> scaling = Map.of("factor", 4.0, "rope_type", "linear");
        Map<String, Object> typed = Map.of("factor", 4.0, "type", "linear");
        Map<String, Object> parameters = Map.of("factor", 4.0, "rope_type", "linear", "rope_theta", 500.0);
        Rotary old = read(Map.of("rope_theta", 500.0, "rope_scaling", scaling), 8, 64);
        Rotary older = read(Map.of("rope_theta", 500.0, "rope_scaling", typed), 8, 64);
        Rotary current = read(Map.of("rope_parameters", parameters), 8, 64);
        assertThat(old.inverseFrequencies()).isEqualTo(current.inverseFrequencies());
        assertThat(older.inverseFrequencies()).isEqualTo(current.inverseFrequencies());
        assertThat(current.inverseFrequencies()[1]).isEqualTo(Math.pow(500, -0.25) / 4, within(EXACT));
    }

    @Test
    void linearScalingDividesEveryFrequency() {
        assertFrequencies(
                read(Map.of("rope_scaling", Map.of("rope_type", "linear", "factor", 4)), 16, 64),
                0.25,
                0.07905694150420949,
                0.025,
                0.007905694150420948,
                0.0025,
                0.000790569415042095,
                0.00025,
                7.905694150420948e-05);
    }

    @Test
    void llama3StretchesSlowPairsKeepsFastOnesAndBlendsThoseBetween() {
        Map<String, Object> settings = Map.of(
                "rope_type", "llama3",
                "rope_theta", 500000.0,
                "factor", 8.0,
                "low_freq_factor", 1.0,
                "high_freq_factor", 4.0,
                "original_max_position_embeddings", 8192);
        Rotary rotary = read(Map.of("rope_parameters", settings), 16, 131072);
        assertFrequencies(
                rotary,
                1.0,
                0.19392274474868576,
                0.03760603093086393,
                0.0072926647372171085,
                0.0005248461609929547,
                3.428102195952591e-05,
                6.647869871181236e-06,
                1.2891731721515574e-06);
        assertThat(rotary.attentionScaling()).isEqualTo(1);
    }

    @Test
    void yarnRampsBetweenStretchedAndUnstretchedAndScalesTheAngles() {
        Map<String, Object> settings = Map.of("type", "yarn", "factor", 4.0);
        Rotary rotary = read(Map.of("rope_theta", 10000.0, "rope_scaling", settings), 16, 64);
        assertFrequencies(
                rotary,
                1.0,
                0.23717082451262847,
                0.05,
                0.007905694150420948,
                0.0025,
                0.000790569415042095,
                0.00025,
                7.905694150420948e-05);
        assertThat(rotary.attentionScaling()).isEqualTo(1.138629436111989, within(EXACT));
    }

    @Test
    void yarnTakesEveryOneOfItsSettings() {
        Map<String, Object> settings = Map.of(
                "rope_type",
                "yarn",
                "rope_theta",
                10000.0,
                "factor",
                8.0,
                "original_max_position_embeddings",
                512,
                "beta_fast",
                16,
                "beta_slow",
                2,
                "mscale",
                0.7,
                "mscale_all_dim",
                1.2,
                "truncate",
                false);
        Rotary rotary = read(Map.of("rope_parameters", settings), 32, 4096);
        assertFrequencies(
                rotary,
                1.0,
                0.5623413251903491,
                0.31622776601683794,
                0.1704140318141445,
                0.07160846012284262,
                0.026647144142129923,
                0.007324997326294831,
                0.0022228492625486537,
                0.00125,
                0.0007029266564879364,
                0.0003952847075210475,
                0.00022228492625486537,
                0.000125,
                7.029266564879364e-05,
                3.952847075210474e-05,
                2.2228492625486534e-05);
        assertThat(rotary.attentionScaling()).isEqualTo(0.9167912505456107, within(EXACT));
    }

    @Test
    void yarnsAttentionFactorMayBeGiven() {
        Map<String, Object> settings = Map.of(
                "rope_type", "yarn",
                "rope_theta", 1000.0,
                "factor", 2.5,
                "original_max_position_embeddings", 2048,
                "attention_factor", 1.3);
        Rotary rotary = read(Map.of("rope_parameters", settings), 16, 4096);
        assertFrequencies(
                rotary,
                1.0,
                0.4216965034285823,
                0.1778279410038923,
                0.0659906904212561,
                0.024033310217279683,
                0.008534537165845273,
                0.0029241748909898152,
                0.0009485494822646622);
        assertThat(rotary.attentionScaling()).isEqualTo(1.3);
    }

    private static final Map<String, Object> LONG = Map.of(
            "rope_type",
            "longrope",
            "rope_theta",
            1000.0,
            "short_factor",
            List.of(1, 1.5, 2.25, 4.0),
            "long_factor",
            List.of(1.0, 8.0, 16.0, 64.0));

    private static Map<String, Object> longrope(String key, Object value) {
        Map<String, Object> settings = new HashMap<>(LONG);
        settings.put(key, value);
        return settings;
    }

    @Test
    void longropeStretchesEachPairByItsOwnFactor() {
        double[] expected = {1, 0.11855196066926152, 0.014054567378526131, 0.0014058533129758727};
        Rotary top = read(Map.of("rope_parameters", LONG, "original_max_position_embeddings", 64), 8, 512);
        assertFrequencies(top, expected);
        assertThat(top.attentionScaling()).isEqualTo(Math.sqrt(1.5), within(EXACT));
        Rotary inside = read(Map.of("rope_parameters", longrope("original_max_position_embeddings", 64)), 8, 512);
        assertThat(inside).isEqualTo(top);
        Rotary given = read(Map.of("rope_parameters", longrope("attention_factor", 1.19)), 8, 512);
        assertThat(given.attentionScaling()).isEqualTo(1.19);
        assertThat(read(Map.of("rope_parameters", LONG), 8, 512).attentionScaling())
                .isEqualTo(1);
    }

    @Test
    void longropesContextIsTheTrainedOne() {
        CheckpointConfig config = new CheckpointConfig(
                "config.json", Map.of("rope_parameters", longrope("original_max_position_embeddings", 64)));
        TransformerConfig.Builder builder = TransformerConfig.builder()
                .modelName("long")
                .nLayers(1)
                .dModel(8)
                .nHeads(1)
                .dVocab(5)
                .nCtx(512);
        TransformerConfig read = RotarySettings.apply(builder, config, 8, 512).build();
        assertThat(read.nCtx()).isEqualTo(64);
        RotarySettings.checkReach(read);
        TransformerConfig longer = read.toBuilder().nCtx(65).build();
        assertThatThrownBy(() -> RotarySettings.checkReach(longer))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'long' has rope type 'dynamic' or 'longrope'")
                .hasMessageContaining("at most 64, not 65");
    }

    @Test
    void longropesFactorsAreOneForEachPair() {
        for (Object wrong : List.of(List.of(1.0, 2.0), "1", List.of(1, 1, 1, "4"), List.of(1, 1, 0, 1))) {
            assertThatThrownBy(() -> read(Map.of("rope_parameters", longrope("short_factor", wrong)), 8, 512))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("config.json › rope_parameters: 'short_factor' should");
        }
    }

    @Test
    void aPartOfAHeadCanBeRotated() {
        CheckpointConfig config = new CheckpointConfig("config.json", Map.of("partial_rotary_factor", 0.25));
        TransformerConfig.Builder builder = TransformerConfig.builder()
                .nLayers(1)
                .dModel(16)
                .nHeads(1)
                .dVocab(5)
                .nCtx(64);
        Rotary rotary = Objects.requireNonNull(
                RotarySettings.applyPartial(builder, config, 16, 64).build().rotary());
        assertThat(rotary.dims()).isEqualTo(4);
        assertFrequencies(rotary, 1, 0.01);
    }

    @ParameterizedTest
    @ValueSource(strings = {"su", "ntk", ""})
    void anUnknownTypeIsNamedTogetherWithTheKnownOnes(String type) {
        Map<String, ?> config = Map.of("rope_scaling", Map.of("rope_type", type, "factor", 2.0));
        assertThatThrownBy(() -> read(config, 16, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("config.json")
                .hasMessageContaining("rope type '" + type + "'")
                .hasMessageContaining("default, linear, dynamic, llama3, yarn and longrope");
    }

    @Test
    void aMissingNumberIsNamed() {
        Map<String, ?> config = Map.of("rope_scaling", Map.of("rope_type", "llama3", "factor", 2.0));
        assertThatThrownBy(() -> read(config, 16, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rope_scaling")
                .hasMessageContaining("low_freq_factor");
    }

    @Test
    void settingsThatDifferFromLayerToLayerAreRefused() {
        Map<String, ?> config = Map.of(
                "rope_parameters",
                Map.of("full_attention", Map.of("rope_theta", 1.0), "sliding_attention", Map.of("rope_theta", 2.0)));
        assertThatThrownBy(() -> RotarySettings.requireOneKind(new CheckpointConfig("config.json", config)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'sliding_attention'");
    }

    @Test
    void anOddNumberOfEntriesCanNotBeRotated() {
        assertThatThrownBy(() -> read(Map.of(), 5, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("5 entries of a head");
    }
}
