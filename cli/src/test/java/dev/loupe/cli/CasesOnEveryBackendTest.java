package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.analysis.factored.FactoredMatrix;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.residual.CacheAnalysis;
import dev.loupe.analysis.residual.StackOptions;
import dev.loupe.analysis.steering.SteeringVector;
import dev.loupe.analysis.tasks.IoiDataset;
import dev.loupe.analysis.tasks.TestPrompt;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What users of this and of other tools reported, with its right value or error, on every backend. It stands here because the
 * command line has all of them on its class path. Values come from transformers 5.18 and NumPy.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CasesOnEveryBackendTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Map<String, Backend> backends = new HashMap<>();

    @AfterAll
    void close() {
        backends.values().forEach(Backend::close);
    }

    private Backend backend(String id) {
        return backends.computeIfAbsent(id, known -> Backends.open(known, BackendOptions.DEFAULT));
    }

    private HookedTransformer load(String name, LoadOptions options, String backend) {
        return HookedTransformer.fromPretrained(name, options, backend(backend));
    }

    private HookedTransformer fixture(String name, String backend) {
        return load(Fixtures.directory(name).toString(), LoadOptions.noProcessing(), backend);
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = Objects.requireNonNull(Fixtures.class.getResourceAsStream(name))) {
            return in.readAllBytes();
        }
    }

    private static double[][] matrix(JsonNode rows) {
        return MAPPER.convertValue(rows, double[][].class);
    }

    private static Tensor tensor(TensorFactory tensors, double[][] rows) {
        double[] flat = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        return tensors.of(flat, rows.length, rows[0].length).to(DType.FLOAT32);
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void zeroAndRankDeficientFactorsHaveSingularValuesAndNorms(String id) throws IOException {
        TensorFactory tensors = new TensorFactory(backend(id));
        JsonNode pairs = MAPPER.readTree(resource("factors.json"));
        assertThat(pairs.size()).isGreaterThanOrEqualTo(6);
        for (JsonNode pair : pairs) {
            String name = pair.get("name").asText();
            FactoredMatrix product =
                    new FactoredMatrix(tensor(tensors, matrix(pair.get("A"))), tensor(tensors, matrix(pair.get("B"))));
            double[] singular = MAPPER.convertValue(pair.get("S"), double[].class);
            double[] found = product.S().toDoubleArray();
            for (int i = 0; i < Math.max(found.length, singular.length); i++) {
                double expected = i < singular.length ? singular[i] : 0;
                assertThat(i < found.length ? found[i] : 0).as(name).isCloseTo(expected, Offset.offset(1e-5));
            }
            assertThat(product.norm().item())
                    .as(name)
                    .isCloseTo(pair.get("norm").asDouble(), Offset.offset(1e-5));
            Tensor whole = product.makeEven().AB();
            assertThat(whole.maxAbsDifference(product.AB())).as(name).isLessThan(1e-5);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void wordsBehindATokenizerThatPutsASpaceInFrontAreSingleTokens(String id) {
        try (HookedTransformer model = fixture(Fixtures.LLAMA_SPACES, id)) {
            assertThat(model.toSingleToken(" Mary")).isEqualTo(293);
            assertThat(IoiDataset.generate(model, 4, 1).prompts()).hasSize(4);
            TestPrompt result = TestPrompt.run(model, "Once upon a", "time", 1);
            assertThat(result.steps()).hasSize(1);
            assertThat(result.steps().get(0).answer().token())
                    .isEqualTo(model.toStrTokens(new long[] {336}).get(0));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void tokensAddedToAVocabularyCount(String id) {
        try (HookedTransformer added = fixture(Fixtures.GPT2_ADDED_TOKENS, id);
                HookedTransformer own = fixture(Fixtures.GPT2_OWN_SPECIALS, id)) {
            assertThat(added.toTokens("<|user|>Hi<PAD>", false).row(0)).containsExactly(262, 256, 261);
            assertThat(added.tokenizer().orElseThrow().padId()).hasValue(261);
            assertThat(added.forward("<|user|>Hi").isNaN().any()).isFalse();
            assertThat(own.toTokens("<s>the</s>", false).row(0)).containsExactly(0, 263, 2);
            assertThat(own.toTokens("the", false).row(0)).containsExactly(263);
            assertThat(own.toString(new long[] {0, 262, 2}, true)).isEqualTo("the");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void batchesGenerateWhereTheEndOfTextIsBeyondTheVocabulary(String id) {
        try (HookedTransformer model = fixture(Fixtures.GPT2_BOS_OUTSIDE, id)) {
            GenerateOptions how = GenerateOptions.greedy(3);
            List<long[]> both = model.generate(Tokens.pad(List.of(new long[] {5, 6, 7}, new long[] {8}), 0, true), how);
            assertThat(both.get(0)).containsExactly(5, 6, 7, 40, 51, 35);
            assertThat(both.get(1)).containsExactly(8, 55, 40, 51);
            assertThat(model.generate(Tokens.of(new long[] {8}), how).get(0)).containsExactly(8, 55, 40, 51);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void llamaTurnsWholeHeadsWhateverItsConfigSays(String id) {
        try (HookedTransformer model = fixture(Fixtures.LLAMA_PARTIAL_ROTARY, id);
                SafetensorsFile file = SafetensorsFile.open(
                        Fixtures.directory(Fixtures.LLAMA_PARTIAL_ROTARY).resolve("expected.safetensors"))) {
            HostTensor logits = file.read("logits");
            Tensor found = model.forward(Tokens.of(file.read("tokens").toLongArray()));
            Tensor expected = model.tensors().of(logits).reshape(found.shape().toArray());
            assertThat(found.maxAbsDifference(expected)).isLessThan(1e-4);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void quantisedWeightsAreNamedAsSuch(String id) {
        assertThatThrownBy(() -> fixture(Fixtures.LLAMA_QUANTIZED, id))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("config.json", "quantised (gptq)", "Load the model it was made from");
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "pytorch", "onnx"})
    void positionsMetricsFiltersAndSteeringMeanWhatTheySay(String id) {
        try (HookedTransformer model = load("toy-gpt2", LoadOptions.noProcessing(), id)) {
            Tokens rows = Tokens.of(new long[] {1, 2, 3}, new long[] {4, 5, 6});
            StackOptions last = StackOptions.defaults().position(-1);
            assertThat(CacheAnalysis.of(model.runWithCache(rows, HookFilter.standard(), new Index.One(-1))
                                    .cache())
                            .decomposeResid(last)
                            .values()
                            .shape())
                    .isEqualTo(Shape.of(10, 2, 128));
            Tokens texts = model.toTokens(List.of("The", "When Mary and John went to the store, John gave a drink to"));
            assertThat(LogitMetric.logitDifference(model, " Mary", " John").ofRun(model, texts))
                    .isCloseTo(9.193, Offset.offset(1e-3));
            assertThat(model.runWithCache(rows, HookFilter.matching(name -> name.endsWith("hook_result")))
                            .cache()
                            .keys())
                    .hasSize(4)
                    .isEqualTo(model.runWithCache(rows, HookFilter.glob("*hook_result"))
                            .cache()
                            .keys());
            assertThatThrownBy(
                            () -> model.runWithCache(rows, HookFilter.matching(name -> name.endsWith("hook_resultt"))))
                    .isInstanceOf(RuntimeException.class);
            Intervention steered =
                    SteeringVector.fromContrast(model, "Love", "Hate", 1).interventionAt(5, 1);
            Tensor plain = model.forward("I think dogs");
            Tensor once = model.runWithHooks("I think dogs", steered);
            assertThat(once.maxAbsDifference(plain)).isGreaterThan(1);
            assertThat(model.runWithHooks("I think dogs", steered).maxAbsDifference(once))
                    .isZero();
        }
    }

    /** Random weights: the reference's logits, which its own tests compare with transformers. */
    @ParameterizedTest
    @ValueSource(strings = {"pytorch", "onnx"})
    void modelsOfEveryKnownConfigGiveTheReferencesLogits(String id) throws IOException {
        List<String> lines = new String(resource("configs.jsonl"), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(lines).hasSizeGreaterThanOrEqualTo(40);
        Tokens tokens = Tokens.of(new long[] {3, 1, 4, 1, 5}, new long[] {9, 2, 6, 5, 3});
        for (String line : lines) {
            JsonNode entry = MAPPER.readTree(line);
            String name = entry.get("name").asText();
            @SuppressWarnings("unchecked")
            Map<String, Object> values = MAPPER.convertValue(entry.get("config"), Map.class);
            CheckpointConfig json = new CheckpointConfig(name, values);
            TransformerConfig config = Architectures.accepting(json).configure(json);
            try (HookedTransformer expected = random(config, "reference");
                    HookedTransformer model = random(config, id)) {
                Tensor logits = expected.forward(tokens);
                Tensor found = model.forward(tokens).to(backend("reference"));
                assertThat(found.maxAbsDifference(logits)).as(name).isLessThan(1e-4);
            }
        }
    }

    private HookedTransformer random(TransformerConfig config, String backend) {
        return HookedTransformer.fromConfig(
                Architectures.byId(config.architecture()), config, 7, LoadOptions.noProcessing(), backend(backend));
    }
}
