package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architectures.support.Models;
import dev.loupe.architectures.support.PlainTransformer;
import dev.loupe.architectures.support.RandomCheckpoint;
import dev.loupe.array.DType;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Checkpoints whose settings are drawn: whatever meets, the numbers are those of plain arithmetic. */
class AnySettingsTest {

    private static final int CHECKPOINTS = 16;
    private static final LoadOptions EXACT = LoadOptions.noProcessing().withDType(DType.FLOAT64);

    private static final Map<String, DoubleUnaryOperator> ACTIVATIONS = Map.of(
            "silu", x -> x / (1 + Math.exp(-x)),
            "relu", x -> Math.max(x, 0),
            "gelu_pytorch_tanh",
                    x -> 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * Math.pow(x, 3)))),
            "quick_gelu", x -> x / (1 + Math.exp(-1.702 * x)),
            "tanh", Math::tanh);

    @TempDir
    private Path directory;

    private static LongStream seeds() {
        return LongStream.range(0, CHECKPOINTS);
    }

    private static <T> T draw(Random random, List<T> values) {
        return values.get(random.nextInt(values.size()));
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void anyGpt2(long seed) {
        Random random = new Random(seed);
        String activation = draw(random, List.of("relu", "gelu_pytorch_tanh", "quick_gelu", "tanh", "silu"));
        int heads = draw(random, List.of(1, 2, 5));
        int headWidth = draw(random, List.of(1, 3, 8));
        boolean scaled = random.nextBoolean();
        boolean byLayer = random.nextBoolean();
        Map<String, Object> config = new HashMap<>(Map.of(
                "n_embd",
                heads * headWidth,
                "n_head",
                heads,
                "n_layer",
                draw(random, List.of(1, 3)),
                "activation_function",
                activation,
                "scale_attn_weights",
                scaled,
                "scale_attn_by_inverse_layer_idx",
                byLayer,
                "layer_norm_epsilon",
                draw(random, List.of(1e-5, 1e-2)),
                "tie_word_embeddings",
                random.nextBoolean()));
        if (random.nextBoolean()) {
            config.put("n_inner", draw(random, List.of(1, 7, 30)));
        }
        RandomCheckpoint checkpoint = RandomCheckpoint.gpt2(config, seed);
        long[] ids = Models.ids(10, 31, seed);
        double[][] expected = PlainTransformer.gpt2(
                checkpoint,
                ids,
                ACTIVATIONS.get(activation),
                layer -> (scaled ? Math.sqrt(headWidth) : 1) * (byLayer ? layer + 1 : 1));
        assertEverythingAgrees(checkpoint, ids, expected, seed);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void anyLlamaOrMistral(long seed) {
        Random random = new Random(seed);
        boolean mistral = random.nextBoolean();
        String activation = draw(random, List.of("silu", "relu", "gelu_pytorch_tanh"));
        int keyValueHeads = draw(random, List.of(1, 2, 3));
        int headWidth = draw(random, List.of(2, 4, 10));
        int window = draw(random, List.of(1, 4, 9, 50));
        double theta = draw(random, List.of(100.0, 10000.0));
        double factor = draw(random, List.of(1.0, 3.0));
        Map<String, Object> config = new HashMap<>(Map.of(
                "model_type",
                mistral ? "mistral" : "llama",
                "hidden_size",
                draw(random, List.of(3, 16)),
                "num_attention_heads",
                keyValueHeads * draw(random, List.of(1, 2, 4)),
                "num_key_value_heads",
                keyValueHeads,
                "head_dim",
                headWidth,
                "num_hidden_layers",
                draw(random, List.of(1, 3)),
                "hidden_act",
                activation,
                "rms_norm_eps",
                draw(random, List.of(1e-6, 1e-2)),
                "tie_word_embeddings",
                random.nextBoolean()));
        if (mistral) {
            config.put("sliding_window", window);
        } else {
            config.put("attention_bias", random.nextBoolean());
            config.put("mlp_bias", random.nextBoolean());
        }
        if (random.nextBoolean()) {
            config.put("rope_theta", theta);
            config.put("rope_scaling", Map.of("type", "linear", "factor", factor));
        } else {
            config.put("rope_parameters", Map.of("rope_type", "linear", "rope_theta", theta, "factor", factor));
        }
        double[] frequencies = IntStream.range(0, headWidth / 2)
                .mapToDouble(i -> 1 / Math.pow(theta, 2.0 * i / headWidth) / factor)
                .toArray();
        RandomCheckpoint checkpoint = RandomCheckpoint.llama(config, seed);
        long[] ids = Models.ids(10, 31, seed);
        double[][] expected = PlainTransformer.llama(
                checkpoint, ids, ACTIVATIONS.get(activation), mistral ? window : 50, frequencies, 1);
        assertEverythingAgrees(checkpoint, ids, expected, seed);
    }

    private void assertEverythingAgrees(RandomCheckpoint checkpoint, long[] ids, double[][] expected, long seed) {
        checkpoint.writeTo(directory);
        Tokens tokens = Tokens.of(ids);
        GenerateOptions greedy = GenerateOptions.greedy(6).withStopAtEos(false);
        try (HookedTransformer model = Models.load(directory, EXACT);
                HookedTransformer processed = Models.load(
                        directory,
                        EXACT.withFoldLn(true)
                                .withCenterWritingWeights(true)
                                .withCenterUnembed(true)
                                .withFoldValueBiases(true)
                                .withRefactorFactoredAttnMatrices(true))) {
            double[][] found = Models.logits(model, ids);
            for (int position = 0; position < ids.length; position++) {
                assertThat(found[position])
                        .as("seed %d, %s, position %d", seed, checkpoint.config(), position)
                        .containsExactly(expected[position], within(1e-8));
            }
            assertThat(processed.lossPerToken(tokens).toHost().toDoubleArray())
                    .as("loss of processed weights, seed %d, %s", seed, checkpoint.config())
                    .containsExactly(model.lossPerToken(tokens).toHost().toDoubleArray(), within(1e-8));
            assertThat(paddedLogits(model, ids))
                    .as("left-padded, seed %d, %s", seed, checkpoint.config())
                    .containsExactly(expected[ids.length - 1], within(1e-8));
            assertThat(model.generate(tokens, greedy.withKeyValueCache(true)).get(0))
                    .as("generated, seed %d, %s", seed, checkpoint.config())
                    .isEqualTo(model.generate(tokens, greedy.withKeyValueCache(false))
                            .get(0));
        }
    }

    /** The last logits of the sequence with padding on its left, beside one that is longer. */
    private static double[] paddedLogits(HookedTransformer model, long[] ids) {
        long[] longer = new long[ids.length + 3];
        Arrays.fill(longer, 2);
        Tokens batch = Tokens.pad(List.of(ids, longer), 0, true);
        double[] all = model.forward(batch).toHost().toDoubleArray();
        int vocabulary = model.config().dVocab();
        int end = longer.length * vocabulary;
        return Arrays.copyOfRange(all, end - vocabulary, end);
    }
}
