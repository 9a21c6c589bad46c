package dev.loupe.architectures.gpt2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.support.Models;
import dev.loupe.architectures.support.PlainTransformer;
import dev.loupe.architectures.support.RandomCheckpoint;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class Gpt2ArchitectureTest {

    private static final long SEED = 20261;

    @TempDir
    private Path directory;

    private static double geluNew(double x) {
        return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3))));
    }

    private static double rootOfHeadWidth(int layer) {
        return 2;
    }

    private static TransformerConfig configure(Map<String, ?> config) {
        return new Gpt2Architecture().configure(new CheckpointConfig("config.json", config));
    }

    private static Map<String, Object> sizes() {
        return new HashMap<>(Map.of("n_embd", 12, "n_head", 3, "n_layer", 2, "n_positions", 24, "vocab_size", 31));
    }

    private void assertLogits(
            RandomCheckpoint checkpoint, DoubleUnaryOperator activation, IntToDoubleFunction divisor) {
        long[] ids = Models.ids(11, 31, SEED);
        double[][] expected = PlainTransformer.gpt2(checkpoint, ids, activation, divisor);
        try (HookedTransformer model = Models.exact(checkpoint.writeTo(directory))) {
            double[][] found = Models.logits(model, ids);
            for (int position = 0; position < ids.length; position++) {
                assertThat(found[position])
                        .as("logits at %d of %s, seed %d", position, Arrays.toString(ids), SEED)
                        .containsExactly(expected[position], within(1e-9));
            }
        }
    }

    private static Stream<Arguments> activations() {
        DoubleUnaryOperator relu = x -> Math.max(x, 0);
        DoubleUnaryOperator sigmoid = x -> 1 / (1 + Math.exp(-x));
        List<Arguments> all = new ArrayList<>();
        for (String name : List.of("gelu_new", "gelu_pytorch_tanh", "gelu_fast")) {
            all.add(Arguments.of(name, (DoubleUnaryOperator) Gpt2ArchitectureTest::geluNew));
        }
        all.add(Arguments.of("gelu", (DoubleUnaryOperator) x -> x * normalDistribution(x)));
        all.add(Arguments.of("gelu_10", (DoubleUnaryOperator)
                x -> Math.min(Math.max(x * normalDistribution(x), -10), 10)));
        all.add(Arguments.of("laplace", (DoubleUnaryOperator) x -> normalDistribution((x - 0.707107) / 0.282095)));
        all.add(Arguments.of("relu", relu));
        all.add(Arguments.of("relu2", (DoubleUnaryOperator) x -> Math.pow(Math.max(x, 0), 2)));
        all.add(Arguments.of("relu6", (DoubleUnaryOperator) x -> Math.min(Math.max(x, 0), 6)));
        all.add(Arguments.of("leaky_relu", (DoubleUnaryOperator) x -> x < 0 ? 0.01 * x : x));
        all.add(Arguments.of("silu", (DoubleUnaryOperator) x -> x * sigmoid.applyAsDouble(x)));
        all.add(Arguments.of("swish", (DoubleUnaryOperator) x -> x * sigmoid.applyAsDouble(x)));
        all.add(Arguments.of("quick_gelu", (DoubleUnaryOperator) x -> x * sigmoid.applyAsDouble(1.702 * x)));
        all.add(Arguments.of("sigmoid", sigmoid));
        all.add(Arguments.of("tanh", (DoubleUnaryOperator) Math::tanh));
        all.add(Arguments.of("linear", DoubleUnaryOperator.identity()));
        all.add(Arguments.of("hardswish", (DoubleUnaryOperator) x -> x * Math.min(Math.max(x + 3, 0), 6) / 6));
        all.add(Arguments.of("mish", (DoubleUnaryOperator) x -> x * Math.tanh(Math.log1p(Math.exp(x)))));
        return all.stream();
    }

    // By Simpson's rule from 0, which is exact enough here.
    private static double normalDistribution(double x) {
        int steps = 2000;
        double width = x / steps;
        double sum = 0;
        for (int i = 0; i <= steps; i++) {
            double weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
            sum += weight * Math.exp(-i * width * i * width / 2);
        }
        return 0.5 + sum * width / 3 / Math.sqrt(2 * Math.PI);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("activations")
    void everyActivationFunctionAgreesWithItsFormula(String name, DoubleUnaryOperator formula) {
        assertLogits(
                RandomCheckpoint.gpt2(Map.of("activation_function", name), SEED),
                formula,
                Gpt2ArchitectureTest::rootOfHeadWidth);
    }

    @Test
    void theMlpIsAsWideAsNInnerSays() {
        assertLogits(
                RandomCheckpoint.gpt2(Map.of("n_inner", 7), SEED),
                Gpt2ArchitectureTest::geluNew,
                Gpt2ArchitectureTest::rootOfHeadWidth);
    }

    @Test
    void scoresCanBeDividedByTheLayersNumberAsWell() {
        assertLogits(
                RandomCheckpoint.gpt2(
                        Map.of("scale_attn_by_inverse_layer_idx", true, "reorder_and_upcast_attn", true), SEED),
                Gpt2ArchitectureTest::geluNew,
                layer -> 2.0 * (layer + 1));
    }

    @Test
    void scoresCanBeLeftUnscaled() {
        assertLogits(
                RandomCheckpoint.gpt2(Map.of("scale_attn_weights", false), SEED),
                Gpt2ArchitectureTest::geluNew,
                layer -> 1);
        assertLogits(
                RandomCheckpoint.gpt2(
                        Map.of("scale_attn_weights", false, "scale_attn_by_inverse_layer_idx", true), SEED),
                Gpt2ArchitectureTest::geluNew,
                layer -> layer + 1);
    }

    @Test
    void theNormsEpsilonIsTheConfigs() {
        assertLogits(
                RandomCheckpoint.gpt2(Map.of("layer_norm_epsilon", 0.3), SEED),
                Gpt2ArchitectureTest::geluNew,
                Gpt2ArchitectureTest::rootOfHeadWidth);
    }

    @Test
    void theUnembeddingCanBeATensorOfItsOwn() {
        assertLogits(
                RandomCheckpoint.gpt2(Map.of("tie_word_embeddings", false), SEED),
                Gpt2ArchitectureTest::geluNew,
                Gpt2ArchitectureTest::rootOfHeadWidth);
    }

    @Test
    void anUnembeddingThatIsThereCountsEvenIfTheConfigTiesIt() {
        RandomCheckpoint separate = RandomCheckpoint.gpt2(Map.of("tie_word_embeddings", false), SEED);
        separate.config().put("tie_word_embeddings", true);
        assertLogits(separate, Gpt2ArchitectureTest::geluNew, Gpt2ArchitectureTest::rootOfHeadWidth);
    }

    @Test
    void aCheckpointOfTheBareModelHasNoPrefixAndMayHoldMasks() {
        RandomCheckpoint prefixed = RandomCheckpoint.gpt2(Map.of(), SEED);
        RandomCheckpoint bare = prefixed.renamed(name -> name.substring("transformer.".length()))
                .with("h.0.attn.bias", HostTensor.of(Shape.of(1, 1, 1, 1), 1f))
                .with("h.0.attn.masked_bias", HostTensor.of(Shape.SCALAR, -1e4f));
        long[] ids = Models.ids(7, 31, SEED);
        double[][] expected = PlainTransformer.gpt2(
                prefixed, ids, Gpt2ArchitectureTest::geluNew, Gpt2ArchitectureTest::rootOfHeadWidth);
        try (HookedTransformer model = Models.exact(bare.writeTo(directory))) {
            assertThat(Models.logits(model, ids)[6]).containsExactly(expected[6], within(1e-9));
        }
    }

    @Test
    void anUntiedCheckpointWithoutUnembeddingIsIncomplete() {
        RandomCheckpoint checkpoint = RandomCheckpoint.gpt2(Map.of("tie_word_embeddings", false), SEED)
                .without("lm_head.weight");
        checkpoint.writeTo(directory);
        assertThatThrownBy(() -> Models.exact(directory).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lm_head.weight");
    }

    @Test
    void whatAConfigLeavesOutIsAsInGpt2() {
        TransformerConfig config = configure(sizes());
        assertThat(config.dMlp()).isEqualTo(48);
        assertThat(config.dHead()).isEqualTo(4);
        assertThat(config.eps()).isEqualTo(1e-5);
        assertThat(config.activation()).isEqualTo("gelu_new");
        assertThat(config.attnScale()).isEqualTo(2);
        assertThat(config.scaleAttnByInverseLayerIdx()).isFalse();
        assertThat(config.normalization()).isEqualTo(TransformerConfig.Normalization.LN);
        assertThat(config.positions()).isEqualTo(TransformerConfig.Positions.LEARNED);
        assertThat(config.biases()).containsExactlyInAnyOrder("b_Q", "b_K", "b_V", "b_O", "b_in", "b_out");
        // The ids that the family has by default don't exist in so small a vocabulary.
        assertThat(config.bosId()).isNull();
        assertThat(config.eosIds()).isEmpty();
    }

    @Test
    void specialIdsMayBeOneOrManyOrNone() {
        Map<String, Object> config = sizes();
        config.put("bos_token_id", 5);
        config.put("eos_token_id", List.of(6, 7));
        assertThat(configure(config).bosId()).isEqualTo(5);
        assertThat(configure(config).eosIds()).containsExactlyInAnyOrder(6L, 7L);
        config.put("bos_token_id", null);
        config.put("eos_token_id", null);
        assertThat(configure(config).bosId()).isNull();
        assertThat(configure(config).eosIds()).isEmpty();
        config.put("eos_token_id", "end");
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'eos_token_id'")
                .hasMessageContaining("end");
    }

    @Test
    void aMissingSizeIsNamed() {
        Map<String, Object> config = sizes();
        config.remove("n_layer");
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("config.json lacks 'n_layer'");
    }

    @Test
    void headsMustDivideTheWidth() {
        Map<String, Object> config = sizes();
        config.put("n_head", 5);
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'n_embd' 12")
                .hasMessageContaining("'n_head' 5");
    }

    @Test
    void anUnknownActivationFunctionIsRefusedWithItsKey() {
        Map<String, Object> config = sizes();
        config.put("activation_function", "gelu_old");
        assertThatThrownBy(() -> configure(config))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("config.json: 'activation_function'")
                .hasMessageContaining("'gelu_old'")
                .hasMessageContaining("gelu_new");
    }

    @Test
    void aCheckpointIsRecognisedByItsType() {
        Gpt2Architecture gpt2 = new Gpt2Architecture();
        assertThat(gpt2.accepts(new CheckpointConfig("c", Map.of("model_type", "gpt2"))))
                .isTrue();
        assertThat(gpt2.accepts(new CheckpointConfig("c", Map.of("architectures", List.of("GPT2LMHeadModel")))))
                .isTrue();
        assertThat(gpt2.accepts(new CheckpointConfig("c", Map.of("model_type", "llama"))))
                .isFalse();
        assertThat(gpt2.accepts(new CheckpointConfig("c", Map.of()))).isFalse();
    }
}
