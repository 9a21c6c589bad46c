package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.Op;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Models and tensors in 16 bits, computed by libtorch's own functions for them where it has good ones. */
class SixteenBitsTest {

    /**
     * The error of Hugging Face's own bfloat16 (transformers 5.18, eager attention) against its float32: root mean
     * square over all logits, as a part of the largest.
     */
    private static final Map<String, Double> HUGGING_FACE = Map.of(
            Fixtures.GPT2, 0.0037,
            Fixtures.LLAMA, 0.0064,
            Fixtures.LLAMA_SHARDED_BF16, 0.0057,
            Fixtures.MISTRAL, 0.0052);

    /** How much worse than Hugging Face's an error may be: it is one of rounding, so it differs by chance. */
    private static final double BY_CHANCE = 1.5;

    /** float16 has three more bits. */
    private static final double OF_FLOAT16 = 1.0 / 8;

    private static final String PROMPT = "When Mary and John went to the store, John gave a drink to";

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = Torches.open();
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    static Stream<Arguments> fixturesInSixteenBits() {
        return HUGGING_FACE.keySet().stream()
                .sorted()
                .flatMap(name -> Stream.of(Arguments.of(name, DType.BFLOAT16), Arguments.of(name, DType.FLOAT16)));
    }

    @ParameterizedTest
    @MethodSource("fixturesInSixteenBits")
    void logitsLieWithinTheErrorOfHuggingFacesOwnBfloat16(String fixture, DType dtype) {
        for (LoadOptions how : new LoadOptions[] {LoadOptions.noProcessing(), LoadOptions.defaults()}) {
            try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(fixture));
                    HookedTransformer model = HookedTransformer.fromPretrained(
                            Fixtures.directory(fixture).toString(), how.withDType(dtype), backend);
                    Tensor logits = model.forward(Fixtures.tokens(golden.read("tokens")))
                            .to(DType.FLOAT32)) {
                float[] expected = golden.read(how.equals(LoadOptions.noProcessing()) ? "hf.logits" : "proc.logits")
                        .toFloatArray();
                float[] found = logits.toFloatArray();
                double largest = 0;
                double squares = 0;
                for (int i = 0; i < found.length; i++) {
                    largest = Math.max(largest, Math.abs(expected[i]));
                    squares += (found[i] - expected[i]) * (found[i] - expected[i]);
                }
                double allowed = BY_CHANCE
                        * (dtype == DType.FLOAT16 ? OF_FLOAT16 : 1)
                        * Objects.requireNonNull(HUGGING_FACE.get(fixture));
                assertThat(Math.sqrt(squares / found.length) / largest)
                        .as(fixture + " in " + dtype)
                        .isLessThan(allowed);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void aModelInBfloat16HooksCachesAndGenerates(String name) {
        LoadOptions brain = LoadOptions.defaults().withDType(DType.BFLOAT16);
        try (HookedTransformer model = HookedTransformer.fromPretrained(name, brain, backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            try (CachedRun run = model.runWithCache(tokens, HookFilter.everything());
                    Tensor plain = model.forward(tokens);
                    Tensor edited =
                            model.runWithHooks(tokens, Hook.at("resid_post", 1, (act, point) -> act.mul(0.5)))) {
                assertThat(run.logits().dtype()).isEqualTo(DType.BFLOAT16);
                assertThat(run.cache().get("pattern", 1).dtype()).isEqualTo(DType.BFLOAT16);
                assertThat(edited.maxAbsDifference(plain)).isGreaterThan(0.1);
            }
            assertThat(model.generate(PROMPT, GenerateOptions.greedy(4))).hasSizeGreaterThan(PROMPT.length());
            assertThat(model.W_Q().dtype()).isEqualTo(DType.BFLOAT16);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void longSumsAreKeptInFloat32(DType dtype) {
        TensorFactory tensors = new TensorFactory(backend);
        // Beyond 2^8 (bfloat16) and 2^11 (float16), adding 1 changes nothing in 16 bits.
        try (Tensor ones = tensors.full(dtype, 1, 1, 4096);
                Tensor sum = ones.sum(-1);
                Tensor running = ones.cumsum(-1);
                Tensor mean = ones.mean(-1)) {
            assertThat(sum.dtype()).isEqualTo(dtype);
            assertThat(sum.toFloatArray()).containsExactly(4096);
            assertThat(running.toFloatArray()[4095]).isEqualTo(4096);
            assertThat(mean.toFloatArray()).containsExactly(1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void manyUpdatesOfOnePlaceAreAddedUpInFloat32(DType dtype) {
        TensorFactory tensors = new TensorFactory(backend);
        try (Tensor zeros = tensors.full(dtype, 0, 1, 2);
                Tensor indices = tensors.full(DType.INT64, 1, 1, 4096);
                Tensor ones = tensors.full(dtype, 1, 1, 4096);
                Tensor sums = Tensor.execute(backend, new Op.ScatterAdd(1), List.of(zeros, indices, ones))
                        .get(0)) {
            assertThat(sums.dtype()).isEqualTo(dtype);
            assertThat(sums.toFloatArray()).containsExactly(0, 4096);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void aFactorOfOneRowOrOneColumnStaysItselfWhenTheNextIsUploaded(DType dtype) {
        for (Shape shape : new Shape[] {Shape.of(3, 1), Shape.of(1, 3), Shape.of(1, 1)}) {
            int size = (int) shape.elements();
            float[] first = Arrays.copyOf(new float[] {1, 2, 3}, size);
            float[] second = Arrays.copyOf(new float[] {4, 5, 6}, size);
            Placement asFactor = new Placement(0, 1, true);
            try (Tensor a = Tensor.wrap(
                            backend, backend.upload(HostTensor.of(shape, first).to(dtype), asFactor));
                    Tensor b = Tensor.wrap(
                            backend, backend.upload(HostTensor.of(shape, second).to(dtype), asFactor))) {
                assertThat(a.toFloatArray()).containsExactly(first);
                assertThat(b.toFloatArray()).containsExactly(second);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void aFactorIsTheSameMatrixHoweverItLiesInMemory(DType dtype) {
        HostTensor matrix =
                HostTensor.of(Shape.of(2, 3), 1f, 2f, 3f, 4f, 5f, 6f).to(dtype);
        try (Tensor factor = Tensor.wrap(backend, backend.upload(matrix, new Placement(0, 1, true)));
                Tensor other = Tensor.wrap(backend, backend.upload(matrix, Placement.ANYWHERE));
                Tensor x = other.transpose(0, 1)) {
            assertThat(factor.toFloatArray()).containsExactly(1, 2, 3, 4, 5, 6);
            assertThat(factor.shape()).isEqualTo(Shape.of(2, 3));
            assertThat(x.matmul(factor).toFloatArray())
                    .containsExactly(x.matmul(other).toFloatArray());
            assertThat(factor.slice(1, 1, 3).toFloatArray()).containsExactly(2, 3, 5, 6);
        }
    }
}
