package dev.loupe.architectures.processing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Normalization;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architectures.decoder.DecoderWeights;
import dev.loupe.architectures.gpt2.Gpt2Architecture;
import dev.loupe.architectures.support.MapWeights;
import dev.loupe.architectures.support.Models;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.graph.Graph;
import dev.loupe.model.HookedTransformer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** In double precision, so that a step that changed anything could not hide behind rounding. */
class StandardProcessingTest {

    private static final long SEED = 20264;
    private static final LoadOptions OFF = LoadOptions.noProcessing().withDType(DType.FLOAT64);
    private static Backend backend;

    @BeforeAll
    static void openBackend() {
        backend = Backends.open("reference", new BackendOptions("cpu", 0, 1, Map.of()));
    }

    @AfterAll
    static void closeBackend() {
        backend.close();
    }

    private static TransformerConfig.Builder gpt2() {
        return TransformerConfig.builder()
                .nLayers(2)
                .dModel(12)
                .nHeads(3)
                .dMlp(20)
                .dVocab(19)
                .nCtx(12)
                .bosId(0L);
    }

    private static TransformerConfig.Builder llama() {
        return gpt2().nHeads(4)
                .nKeyValueHeads(2)
                .dHead(6)
                .normalization(Normalization.RMS)
                .activation("silu")
                .gatedMlp(true)
                .rotary(new TransformerConfig.Rotary(6, new double[] {1, 0.1, 0.01}, 1))
                .biases(Set.of());
    }

    private static Map<String, TransformerConfig> models() {
        Map<String, TransformerConfig> models = new LinkedHashMap<>();
        models.put("gpt2", gpt2().build());
        models.put("llama", llama().build());
        models.put("mistral", llama().slidingWindow(3).nKeyValueHeads(1).build());
        models.put(
                "llama with every bias",
                llama().biases(Set.of("b_Q", "b_K", "b_V", "b_O", "b_gate", "b_in", "b_out", "b_U"))
                        .build());
        models.put("llama with value bias only", llama().biases(Set.of("b_V")).build());
        models.put("gpt2 without biases", gpt2().biases(Set.of()).build());
        models.put(
                "gpt2 with query bias only", gpt2().biases(Set.of("b_Q", "b_U")).build());
        models.put(
                "layer norm, grouped heads, gated MLP",
                gpt2().nHeads(6).nKeyValueHeads(2).dHead(3).gatedMlp(true).build());
        models.put(
                "attention and MLP side by side", gpt2().parallelAttnMlp(true).build());
        models.put("attention alone", gpt2().dMlp(0).build());
        models.put("heads wider than the model", gpt2().dHead(16).nHeads(2).build());
        models.put(
                "layer norm without parameters",
                gpt2().normalization(Normalization.LN_PRE).build());
        for (BlockSpec.Norms norms : List.of(BlockSpec.Norms.AFTER, BlockSpec.Norms.BEFORE_AND_AFTER)) {
            models.put(
                    "layer norms " + norms,
                    gpt2().blocks((block, layer) -> block.withNorms(norms)).build());
            models.put(
                    "RMS norms " + norms + " and of queries and keys",
                    llama().biases(Set.of("b_V"))
                            .blocks((block, layer) -> block.withNorms(norms).withQueryKeyNorms(true))
                            .build());
        }
        models.put(
                "layer norms after in one layer, before in the other",
                gpt2().blocks((block, layer) -> layer == 0 ? block.withNorms(BlockSpec.Norms.AFTER) : block)
                        .build());
        models.put("soft cap", gpt2().logitSoftCap(2.0).build());
        return models;
    }

    private static Map<String, LoadOptions> steps() {
        Map<String, LoadOptions> steps = new LinkedHashMap<>();
        steps.put("fold_ln", OFF.withFoldLn(true));
        steps.put("center_writing_weights", OFF.withCenterWritingWeights(true));
        steps.put("center_unembed", OFF.withCenterUnembed(true));
        steps.put("fold_value_biases", OFF.withFoldValueBiases(true));
        steps.put("refactor_factored_attn_matrices", OFF.withRefactorFactoredAttnMatrices(true));
        steps.put(
                "the default",
                OFF.withFoldLn(true)
                        .withCenterWritingWeights(true)
                        .withCenterUnembed(true)
                        .withFoldValueBiases(true));
        steps.put(
                "everything",
                OFF.withFoldLn(true)
                        .withCenterWritingWeights(true)
                        .withCenterUnembed(true)
                        .withFoldValueBiases(true)
                        .withRefactorFactoredAttnMatrices(true));
        return steps;
    }

    private static Stream<Arguments> modelsAndSteps() {
        List<Arguments> all = new ArrayList<>();
        models().forEach((name, config) ->
                steps().forEach((step, options) -> all.add(Arguments.of(step, name, config, options))));
        return all.stream();
    }

    private static WeightProcessing processing(TransformerConfig config, LoadOptions options) {
        return StandardProcessing.of(new Gpt2Architecture(), config, options);
    }

    private static double[][] logProbabilities(TransformerConfig config, Map<String, HostTensor> weights) {
        try (HookedTransformer model =
                HookedTransformer.fromWeights(new Gpt2Architecture(), config, weights, OFF, backend)) {
            double[][] rows = Models.logits(model, Models.ids(9, 19, SEED));
            for (double[] row : rows) {
                double sum = 0;
                for (double logit : row) {
                    sum += Math.exp(logit);
                }
                for (int i = 0; i < row.length; i++) {
                    row[i] -= Math.log(sum);
                }
            }
            return rows;
        }
    }

    @ParameterizedTest(name = "{0} of {1}")
    @MethodSource("modelsAndSteps")
    void noStepChangesLogProbabilities(String step, String model, TransformerConfig config, LoadOptions options) {
        MapWeights weights = MapWeights.random(config, SEED);
        WeightProcessing processing = processing(config, options);
        double[][] before = logProbabilities(config, weights.weights());
        double[][] after = logProbabilities(
                processing.config(), weights.processed(processing).weights());
        for (int position = 0; position < before.length; position++) {
            assertThat(after[position])
                    .as("%s of %s, position %d, seed %d", step, model, position, SEED)
                    .containsExactly(before[position], within(1e-9));
        }
    }

    @ParameterizedTest(name = "{0} of {1}")
    @MethodSource("modelsAndSteps")
    void theProcessedModelHasTheWeightsThatItsConfigCallsFor(
            String step, String model, TransformerConfig config, LoadOptions options) {
        WeightProcessing processing = processing(config, options);
        MapWeights processed = MapWeights.random(config, SEED).processed(processing);
        assertThat(new TreeSet<>(processed.names()))
                .as("%s of %s", step, model)
                .isEqualTo(
                        new TreeSet<>(DecoderWeights.shapes(processing.config()).keySet()));
    }

    @Test
    void withoutStepsEveryWeightIsPassedOnAsItIs() {
        TransformerConfig config = gpt2().build();
        WeightProcessing processing = processing(config, OFF);
        assertThat(processing.changesNothing()).isTrue();
        assertThat(processing.config()).isEqualTo(config);
        MapWeights weights = MapWeights.random(config, SEED);
        weights.processed(processing)
                .weights()
                .forEach((name, weight) -> assertThat(weight.toDoubleArray())
                        .isEqualTo(weights.read(name).toDoubleArray()));
    }

    @Test
    void stepsThatMeanNothingForAModelChangeNothing() {
        LoadOptions options = OFF.withCenterWritingWeights(true).withFoldValueBiases(true);
        assertThat(processing(llama().build(), options).changesNothing()).isTrue();
        assertThat(processing(gpt2().build(), options).changesNothing()).isFalse();
    }

    @Test
    void anArchitectureThatDoesNotSupportProcessingIsNotProcessed() {
        ArchitectureProvider stubborn = new StubbornArchitecture();
        assertThatThrownBy(() -> StandardProcessing.of(stubborn, gpt2().build(), LoadOptions.defaults()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'stubborn'")
                .hasMessageContaining("LoadOptions.noProcessing()");
        assertThat(StandardProcessing.of(stubborn, gpt2().build(), OFF).changesNothing())
                .isTrue();
    }

    private static final class StubbornArchitecture implements ArchitectureProvider {
        private final ArchitectureProvider gpt2 = new Gpt2Architecture();

        @Override
        public String id() {
            return "stubborn";
        }

        @Override
        public int spiVersion() {
            return gpt2.spiVersion();
        }

        @Override
        public boolean accepts(CheckpointConfig config) {
            return false;
        }

        @Override
        public TransformerConfig configure(CheckpointConfig config) {
            return gpt2.configure(config);
        }

        @Override
        public WeightMapping weights(TransformerConfig config) {
            return gpt2.weights(config);
        }

        @Override
        public Graph build(TransformerConfig config, GraphOptions options) {
            return gpt2.build(config, options);
        }

        @Override
        public boolean supportsProcessing() {
            return false;
        }
    }

    @Test
    void foldingTakesTheNormsParametersAway() {
        LoadOptions fold = OFF.withFoldLn(true);
        TransformerConfig folded =
                processing(gpt2().biases(Set.of()).build(), fold).config();
        assertThat(folded.normalization()).isEqualTo(Normalization.LN_PRE);
        assertThat(folded.biases()).containsExactlyInAnyOrder("b_Q", "b_K", "b_V", "b_in", "b_U");
        TransformerConfig rms = processing(llama().build(), fold).config();
        assertThat(rms.normalization()).isEqualTo(Normalization.RMS_PRE);
        assertThat(rms.biases()).isEmpty();
    }

    @Test
    void foldedReadersOfALayerNormAreCentredOverTheModelAndAGateIsNot() {
        TransformerConfig config = gpt2().gatedMlp(true).build();
        WeightProcessing processing = processing(config, OFF.withFoldLn(true));
        MapWeights processed = MapWeights.random(config, SEED).processed(processing);
        for (String name : List.of("attn.W_Q", "attn.W_K", "attn.W_V", "mlp.W_in")) {
            assertThat(largestColumnMean(processed.read("blocks.1." + name)))
                    .as(name)
                    .isLessThan(1e-12);
        }
        assertThat(largestColumnMean(processed.read("unembed.W_U"))).isLessThan(1e-12);
        assertThat(largestColumnMean(processed.read("blocks.1.mlp.W_gate"))).isGreaterThan(0.01);
    }

    @Test
    void foldedReadersOfAnRmsNormAreScaledAndNotCentred() {
        TransformerConfig config = llama().build();
        MapWeights weights = MapWeights.random(config, SEED);
        WeightProcessing processing = processing(config, OFF.withFoldLn(true));
        MapWeights processed = weights.processed(processing);
        double scale = weights.read("blocks.0.ln1.w").getDouble(5);
        HostTensor before = weights.read("blocks.0.attn.W_K");
        int columns = (int) before.shape().size(1);
        assertThat(processed.read("blocks.0.attn.W_K").getDouble(5 * columns + 3))
                .isEqualTo(scale * before.getDouble(5 * columns + 3), within(1e-15));
    }

    @Test
    void whatIsWrittenToTheResidualStreamHasNoMean() {
        TransformerConfig config = gpt2().build();
        WeightProcessing processing = processing(config, OFF.withCenterWritingWeights(true));
        MapWeights processed = MapWeights.random(config, SEED).processed(processing);
        for (String name : List.of(
                "embed.W_E",
                "pos_embed.W_pos",
                "blocks.0.attn.W_O",
                "blocks.0.attn.b_O",
                "blocks.0.mlp.W_out",
                "blocks.0.mlp.b_out")) {
            assertThat(largestRowMean(processed.read(name))).as(name).isLessThan(1e-12);
        }
    }

    @Test
    void centredLogitsHaveNoMeanButUnderASoftCapTheyStayAsTheyAre() {
        LoadOptions centre = OFF.withFoldLn(true).withCenterUnembed(true);
        TransformerConfig config = gpt2().build();
        MapWeights processed = MapWeights.random(config, SEED).processed(processing(config, centre));
        assertThat(largestRowMean(processed.read("unembed.W_U"))).isLessThan(1e-12);
        assertThat(largestRowMean(processed.read("unembed.b_U"))).isLessThan(1e-12);
        TransformerConfig capped = gpt2().logitSoftCap(2.0).build();
        MapWeights kept = MapWeights.random(capped, SEED).processed(processing(capped, centre));
        assertThat(largestRowMean(kept.read("unembed.W_U"))).isGreaterThan(0.01);
    }

    @Test
    void refactoredHeadsHaveTheSameProductInOrthogonalFactorsOfEqualLengths() {
        TransformerConfig config = gpt2().biases(Set.of("b_Q")).build();
        MapWeights weights = MapWeights.random(config, SEED);
        MapWeights processed = weights.processed(processing(config, OFF.withRefactorFactoredAttnMatrices(true)));
        for (int head = 0; head < 3; head++) {
            double[][] valuesBefore = columns(weights.read("blocks.0.attn.W_V"), head * 4);
            double[][] outputBefore = rows(weights.read("blocks.0.attn.W_O"), head * 4);
            double[][] values = columns(processed.read("blocks.0.attn.W_V"), head * 4);
            double[][] output = rows(processed.read("blocks.0.attn.W_O"), head * 4);
            for (int i = 0; i < 12; i++) {
                for (int j = 0; j < 12; j++) {
                    assertThat(product(values, output, i, j))
                            .isEqualTo(product(valuesBefore, outputBefore, i, j), within(1e-12));
                }
            }
            for (int k = 0; k < 4; k++) {
                assertThat(dot(values[k], values[k])).isEqualTo(dot(output[k], output[k]), within(1e-12));
                for (int other = 0; other < k; other++) {
                    assertThat(dot(values[k], values[other])).isEqualTo(0, within(1e-12));
                    assertThat(dot(output[k], output[other])).isEqualTo(0, within(1e-12));
                }
                assertThat(k == 0 || dot(values[k], values[k]) <= dot(values[k - 1], values[k - 1]))
                        .isTrue();
            }
        }
    }

    @Test
    void aHeadThatDoesNothingCanBeRefactored() {
        TransformerConfig config = gpt2().build();
        MapWeights weights = MapWeights.random(config, SEED);
        for (String name : List.of("W_V", "W_K")) {
            HostTensor matrix = Objects.requireNonNull(weights.weights().get("blocks.0.attn." + name));
            for (int row = 0; row < 12; row++) {
                for (int column = 4; column < 8; column++) {
                    matrix.setDouble(row * 12 + column, 0);
                }
            }
        }
        WeightProcessing processing = processing(
                config,
                OFF.withFoldLn(true)
                        .withCenterWritingWeights(true)
                        .withCenterUnembed(true)
                        .withFoldValueBiases(true)
                        .withRefactorFactoredAttnMatrices(true));
        double[][] before = logProbabilities(config, weights.weights());
        double[][] after = logProbabilities(
                processing.config(), weights.processed(processing).weights());
        assertThat(after[8]).containsExactly(before[8], within(1e-9));
    }

    @Test
    void rotaryQueriesAndKeysAreNotRefactored() {
        TransformerConfig config = llama().build();
        MapWeights weights = MapWeights.random(config, SEED);
        MapWeights processed = weights.processed(processing(config, OFF.withRefactorFactoredAttnMatrices(true)));
        for (String name : List.of("W_Q", "W_K")) {
            assertThat(processed.read("blocks.0.attn." + name).toDoubleArray())
                    .isEqualTo(weights.read("blocks.0.attn." + name).toDoubleArray());
        }
        assertThat(processed.read("blocks.0.attn.W_V").toDoubleArray())
                .isNotEqualTo(weights.read("blocks.0.attn.W_V").toDoubleArray());
    }

    /** Four columns from {@code first} on, each an array. */
    private static double[][] columns(HostTensor matrix, int first) {
        double[][] columns = new double[4][(int) matrix.shape().size(0)];
        for (int k = 0; k < 4; k++) {
            for (int row = 0; row < columns[k].length; row++) {
                columns[k][row] = matrix.getDouble(row * (int) matrix.shape().size(1) + first + k);
            }
        }
        return columns;
    }

    /** Four rows from {@code first} on. */
    private static double[][] rows(HostTensor matrix, int first) {
        double[][] rows = new double[4][(int) matrix.shape().size(1)];
        for (int k = 0; k < 4; k++) {
            for (int column = 0; column < rows[k].length; column++) {
                rows[k][column] = matrix.getDouble((first + k) * rows[k].length + column);
            }
        }
        return rows;
    }

    private static double product(double[][] columns, double[][] rows, int i, int j) {
        double sum = 0;
        for (int k = 0; k < columns.length; k++) {
            sum += columns[k][i] * rows[k][j];
        }
        return sum;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static double largestRowMean(HostTensor tensor) {
        int columns = (int) tensor.shape().size(-1);
        double largest = 0;
        for (int row = 0; row < tensor.shape().elements() / columns; row++) {
            double sum = 0;
            for (int column = 0; column < columns; column++) {
                sum += tensor.getDouble(row * columns + column);
            }
            largest = Math.max(largest, Math.abs(sum / columns));
        }
        return largest;
    }

    private static double largestColumnMean(HostTensor tensor) {
        int columns = (int) tensor.shape().size(1);
        int rows = (int) tensor.shape().size(0);
        double largest = 0;
        for (int column = 0; column < columns; column++) {
            double sum = 0;
            for (int row = 0; row < rows; row++) {
                sum += tensor.getDouble(row * columns + column);
            }
            largest = Math.max(largest, Math.abs(sum / rows));
        }
        return largest;
    }
}
