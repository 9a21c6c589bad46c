package dev.loupe.architectures.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.graph.Value;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DecoderGraphTest {

    private static final GraphOptions PLAIN = GraphOptions.plain(DType.FLOAT32);

    private static TransformerConfig.Builder gpt2() {
        return TransformerConfig.builder()
                .nLayers(2)
                .dModel(12)
                .nHeads(3)
                .dVocab(17)
                .nCtx(9);
    }

    private static TransformerConfig.Builder llama() {
        return TransformerConfig.builder()
                .nLayers(2)
                .dModel(12)
                .nHeads(4)
                .nKeyValueHeads(2)
                .dHead(6)
                .dMlp(10)
                .dVocab(17)
                .nCtx(9)
                .normalization(TransformerConfig.Normalization.RMS)
                .activation("silu")
                .gatedMlp(true)
                .rotary(new TransformerConfig.Rotary(6, new double[] {1, 0.1, 0.01}, 1))
                .biases(Set.of());
    }

    private static List<String> names(Graph graph, boolean optional) {
        return graph.hookPoints().stream()
                .filter(point -> point.optional() == optional)
                .map(HookPoint::name)
                .toList();
    }

    private static List<String> blockZero(Graph graph) {
        return graph.hooks().keySet().stream()
                .filter(name -> name.startsWith("blocks.0."))
                .map(name -> name.substring("blocks.0.".length()))
                .toList();
    }

    @Test
    void theHookPointsOfAGpt2BlockFireInTheOrderOfTheSpecification() {
        assertThat(blockZero(DecoderGraph.build(gpt2().build(), PLAIN)))
                .containsExactly(
                        "hook_resid_pre",
                        "hook_attn_in",
                        "hook_q_input",
                        "hook_k_input",
                        "hook_v_input",
                        "ln1.hook_scale",
                        "ln1.hook_normalized",
                        "attn.hook_q",
                        "attn.hook_k",
                        "attn.hook_v",
                        "attn.hook_attn_scores",
                        "attn.hook_pattern",
                        "attn.hook_z",
                        "attn.hook_result",
                        "hook_attn_out",
                        "hook_resid_mid",
                        "hook_mlp_in",
                        "ln2.hook_scale",
                        "ln2.hook_normalized",
                        "mlp.hook_in",
                        "mlp.hook_pre",
                        "mlp.hook_post",
                        "hook_mlp_out",
                        "hook_resid_post");
    }

    @Test
    void aRotaryModelRotatesAfterTheValuesAndAGatedMlpHasALinearPartToo() {
        assertThat(blockZero(DecoderGraph.build(llama().build(), PLAIN)))
                .containsSubsequence(
                        "attn.hook_q",
                        "attn.hook_k",
                        "attn.hook_v",
                        "attn.hook_rot_q",
                        "attn.hook_rot_k",
                        "attn.hook_attn_scores",
                        "mlp.hook_pre",
                        "mlp.hook_pre_linear",
                        "mlp.hook_post");
    }

    @Test
    void embeddingPointsComeFirstAndTheUnembeddingsLast() {
        List<String> names =
                List.copyOf(DecoderGraph.build(gpt2().build(), PLAIN).hooks().keySet());
        assertThat(names).startsWith("hook_embed", "hook_pos_embed", "blocks.0.hook_resid_pre");
        assertThat(names)
                .endsWith("ln_final.hook_scale", "ln_final.hook_normalized", "unembed.hook_in", "unembed.hook_out");
    }

    @Test
    void theInputsOfTheHeadsTheirResultsAndTheMlpsInputsAreOptional() {
        assertThat(names(DecoderGraph.build(gpt2().nLayers(1).build(), PLAIN), true))
                .containsExactlyInAnyOrder(
                        "blocks.0.hook_attn_in",
                        "blocks.0.hook_q_input",
                        "blocks.0.hook_k_input",
                        "blocks.0.hook_v_input",
                        "blocks.0.attn.hook_result",
                        "blocks.0.hook_mlp_in",
                        "blocks.0.mlp.hook_in");
    }

    @Test
    void everyHookedValueHasTheShapeOfTheSpecification() {
        Graph graph = DecoderGraph.build(llama().build(), PLAIN);
        Map<String, String> shapes = graph.hooks().entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, entry -> entry.getValue().type().toString()));
        assertThat(shapes)
                .containsEntry("hook_embed", "float32 [batch, pos, 12]")
                .containsEntry("blocks.1.hook_resid_pre", "float32 [batch, pos, 12]")
                .containsEntry("blocks.1.hook_attn_in", "float32 [batch, pos, 4, 12]")
                .containsEntry("blocks.1.hook_q_input", "float32 [batch, pos, 4, 12]")
                .containsEntry("blocks.1.hook_k_input", "float32 [batch, pos, 2, 12]")
                .containsEntry("blocks.1.hook_v_input", "float32 [batch, pos, 2, 12]")
                .containsEntry("blocks.1.ln1.hook_scale", "float32 [batch, pos, 1]")
                .containsEntry("blocks.1.ln1.hook_normalized", "float32 [batch, pos, 12]")
                .containsEntry("blocks.1.attn.hook_q", "float32 [batch, pos, 4, 6]")
                .containsEntry("blocks.1.attn.hook_rot_k", "float32 [batch, pos, 2, 6]")
                .containsEntry("blocks.1.attn.hook_attn_scores", "float32 [batch, 4, pos, pos]")
                .containsEntry("blocks.1.attn.hook_pattern", "float32 [batch, 4, pos, pos]")
                .containsEntry("blocks.1.attn.hook_z", "float32 [batch, pos, 4, 6]")
                .containsEntry("blocks.1.attn.hook_result", "float32 [batch, pos, 4, 12]")
                .containsEntry("blocks.1.mlp.hook_pre_linear", "float32 [batch, pos, 10]")
                .containsEntry("unembed.hook_out", "float32 [batch, pos, 17]");
    }

    @Test
    void aKeyValueCacheExtendsKeysAndValuesBehindTheirHooksAndRotatesAllOfThem() {
        Graph graph = DecoderGraph.build(llama().build(), new GraphOptions(DType.FLOAT32, true, false));
        assertThat(type(hook(graph, "blocks.0.attn.hook_k"))).isEqualTo("float32 [batch, pos, 2, 6]");
        assertThat(type(hook(graph, "blocks.0.attn.hook_rot_k"))).isEqualTo("float32 [batch, past+pos, 2, 6]");
        assertThat(type(hook(graph, "blocks.0.attn.hook_pattern"))).isEqualTo("float32 [batch, 4, pos, past+pos]");
        assertThat(type(output(graph, StandardNames.keys(1)))).isEqualTo("float32 [batch, past+pos, 2, 6]");
        assertThat(type(output(graph, StandardNames.values(1)))).isEqualTo("float32 [batch, past+pos, 2, 6]");
        assertThat(graph.inputs().keySet())
                .containsExactlyInAnyOrder(
                        "tokens",
                        "attention_mask",
                        "positions",
                        "key_positions",
                        "query_index",
                        "key_index",
                        "past_keys.0",
                        "past_values.0",
                        "past_keys.1",
                        "past_values.1");
    }

    private static Value hook(Graph graph, String name) {
        return Objects.requireNonNull(graph.hooks().get(name), name);
    }

    private static Value output(Graph graph, String name) {
        return Objects.requireNonNull(graph.outputs().get(name), name);
    }

    private static String type(Value value) {
        return value.type().toString();
    }

    @Test
    void aGraphAsksForNoInputThatItDoesNotUse() {
        assertThat(DecoderGraph.build(llama().build(), PLAIN).inputs().keySet())
                .containsExactlyInAnyOrder("tokens", "token_mask", "attention_mask", "positions", "query_index");
        TransformerConfig noPositions =
                gpt2().positions(TransformerConfig.Positions.NONE).build();
        assertThat(DecoderGraph.build(noPositions, PLAIN).inputs().keySet())
                .containsExactlyInAnyOrder("tokens", "token_mask", "attention_mask", "query_index");
    }

    @Test
    void selectedPositionsAreUnembeddedAloneAndHaveNoLoss() {
        Graph graph = DecoderGraph.build(gpt2().build(), new GraphOptions(DType.FLOAT32, false, true));
        assertThat(type(hook(graph, "ln_final.hook_normalized"))).isEqualTo("float32 [batch, pos, 12]");
        assertThat(type(hook(graph, "unembed.hook_in"))).isEqualTo("float32 [batch, selected, 12]");
        assertThat(type(output(graph, StandardNames.LOGITS))).isEqualTo("float32 [batch, selected, 17]");
        assertThat(graph.outputs()).doesNotContainKey(StandardNames.LOSS_PER_TOKEN);
    }

    @Test
    void theLossIsComputedInFloat32EvenIfTheModelIsNarrower() {
        Graph graph = DecoderGraph.build(gpt2().build(), GraphOptions.plain(DType.BFLOAT16));
        assertThat(type(output(graph, StandardNames.LOSS_PER_TOKEN))).isEqualTo("float32 [batch, pos-1]");
        assertThat(type(output(graph, StandardNames.LOGITS))).isEqualTo("bfloat16 [batch, pos, 17]");
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT16", "BFLOAT16"})
    void normsComputeTheirStatisticsInFloat32EvenIfTheModelIsNarrower(DType dtype) {
        for (TransformerConfig config : List.of(gpt2().build(), llama().build())) {
            Graph graph = DecoderGraph.build(config, GraphOptions.plain(dtype));
            assertThat(hook(graph, "blocks.0.ln1.hook_scale").type().dtype()).isEqualTo(dtype);
            assertThat(hook(graph, "blocks.0.ln1.hook_normalized").type().dtype())
                    .isEqualTo(dtype);
            assertThat(graph.values())
                    .filteredOn(value -> value.source() instanceof Value.Result made
                            && (made.op() instanceof Op.LayerNorm
                                    || made.op() instanceof Op.RmsNorm
                                    || made.op().equals(new Op.Unary(Op.UnaryKind.SQRT))))
                    .isNotEmpty()
                    .allMatch(value -> value.type().dtype() == DType.FLOAT32);
        }
    }

    @Test
    void theResidualStreamCanBeFedAndTakenBeforeEveryLayer() {
        Graph graph = DecoderGraph.build(gpt2().build(), PLAIN);
        for (int layer = 0; layer <= 2; layer++) {
            Value residual = output(graph, StandardNames.residualEntering(layer));
            assertThat(type(residual)).isEqualTo("float32 [batch, pos, 12]");
        }
    }

    @ParameterizedTest
    @EnumSource(TransformerConfig.Normalization.class)
    void theWeightsOfTheGraphAreThoseThatAreListed(TransformerConfig.Normalization normalization) {
        TransformerConfig config = gpt2().normalization(normalization)
                .biases(Set.of("b_Q", "b_in", "b_U"))
                .build();
        Graph graph = DecoderGraph.build(config, PLAIN);
        Map<String, TensorType> listed = DecoderWeights.shapes(config).entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, e -> TensorType.of(DType.FLOAT32, e.getValue())));
        Map<String, TensorType> used = graph.weights().entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, e -> e.getValue().type()));
        assertThat(used).isEqualTo(listed);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT32", "FLOAT64", "FLOAT16", "BFLOAT16"})
    void rotaryFrequenciesAreAConstantOfAtLeast32Bits(DType dtype) {
        Graph graph = DecoderGraph.build(llama().build(), GraphOptions.plain(dtype));
        assertThat(graph.constants()).containsOnlyKeys("rotary.inverse_frequencies");
        HostTensor frequencies = graph.constants().get("rotary.inverse_frequencies");
        assertThat(frequencies).isNotNull();
        assertThat(frequencies.dtype()).isEqualTo(dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32);
        assertThat(frequencies.toFloatArray()).containsExactly(1, 0.1f, 0.01f);
    }

    @Test
    void shortcutsPassByTheHookPointsThatTheySave() {
        Graph graph = DecoderGraph.build(llama().nLayers(1).build(), PLAIN);
        Map<String, Set<String>> bypassed = new HashMap<>();
        graph.hooks().forEach((name, hooked) -> {
            Value target = ((Value.Hooked) hooked.source()).input();
            graph.shortcuts().stream()
                    .filter(shortcut -> shortcut.target() == target)
                    .forEach(shortcut -> bypassed.put(name, shortcut.bypassed()));
        });
        assertThat(bypassed)
                .containsEntry("blocks.0.ln1.hook_normalized", Set.of("blocks.0.ln1.hook_scale"))
                .containsEntry("blocks.0.attn.hook_q", Set.of("blocks.0.hook_attn_in", "blocks.0.hook_q_input"))
                .containsEntry("blocks.0.attn.hook_k", Set.of("blocks.0.hook_attn_in", "blocks.0.hook_k_input"))
                .containsEntry("blocks.0.attn.hook_v", Set.of("blocks.0.hook_attn_in", "blocks.0.hook_v_input"))
                .containsEntry(
                        "blocks.0.attn.hook_z", Set.of("blocks.0.attn.hook_attn_scores", "blocks.0.attn.hook_pattern"))
                .containsEntry("blocks.0.hook_attn_out", Set.of("blocks.0.attn.hook_result"))
                .containsEntry("ln_final.hook_normalized", Set.of("ln_final.hook_scale"));
    }

    @Test
    void attentionAndMlpSideBySideReadTheSameResidual() {
        Graph graph = DecoderGraph.build(gpt2().parallelAttnMlp(true).build(), PLAIN);
        assertThat(graph.hooks()).doesNotContainKey("blocks.0.hook_resid_mid");
        Value mlpInput = ((Value.Hooked) hook(graph, "blocks.0.hook_mlp_in").source()).input();
        assertThat(mlpInput).isSameAs(hook(graph, "blocks.0.hook_resid_pre"));
    }

    @Test
    void aModelWithoutMlpIsAttentionAlone() {
        Graph graph = DecoderGraph.build(gpt2().dMlp(0).build(), PLAIN);
        assertThat(graph.hooks().keySet()).noneMatch(name -> name.contains("mlp") || name.contains("ln2"));
        assertThat(graph.weights().keySet()).noneMatch(name -> name.contains("mlp") || name.contains("ln2"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gelu_old", "", "SILU"})
    void anUnknownActivationFunctionIsNamedTogetherWithTheKnownOnes(String name) {
        TransformerConfig config = gpt2().activation(name).build();
        assertThatThrownBy(() -> DecoderGraph.build(config, PLAIN))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'" + name + "'")
                .hasMessageContaining("gelu_new, ")
                .hasMessageContaining("silu");
    }
}
