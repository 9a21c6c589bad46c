package dev.loupe.backend.onnx.execution;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.onnx.OnnxBackendProvider;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole models whose weights are kept in 16 bits, and widened as they are used. */
class StoredSixteenBitsTest {

    private static final String PROMPT = "The capital of France is";

    static Stream<Arguments> models() {
        return Stream.of("toy-gpt2", "toy-llama", "toy-mistral")
                .flatMap(name ->
                        Stream.of(Arguments.of(name, DType.FLOAT16, 0.02), Arguments.of(name, DType.BFLOAT16, 0.5)));
    }

    @ParameterizedTest
    @MethodSource("models")
    void aModelStoredInSixteenBitsComputesInFloat32(String name, DType dtype, double error) {
        LoadOptions options = LoadOptions.defaults();
        try (Backend backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
                HookedTransformer wide = HookedTransformer.fromPretrained(name, options, backend);
                HookedTransformer narrow = HookedTransformer.fromPretrained(name, options.withDType(dtype), backend);
                Tensor expected = wide.forward(PROMPT);
                Tensor found = narrow.forward(PROMPT)) {
            assertThat(narrow.dtype()).isEqualTo(DType.FLOAT32);
            assertThat(found.dtype()).isEqualTo(DType.FLOAT32);
            // The weights' own rounding, and nothing else: logits reach 20, and a weight has 11 bits, or 8.
            assertThat(found.maxAbsDifference(expected)).isBetween(1e-4, error);
            assertThat(narrow.generate(PROMPT, GenerateOptions.greedy(3)))
                    .isEqualTo(wide.generate(PROMPT, GenerateOptions.greedy(3)));
            assertThat(narrow.W_U().dtype()).isEqualTo(DType.FLOAT32);
        }
    }

    /** An unembedding of 25 MB in float32, and a width that no number of blocks divides. */
    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama"})
    void aLargeMatrixIsWidenedByBlocks(String family) {
        TransformerConfig config;
        try (HookedTransformer toy = HookedTransformer.fromPretrained(family, LoadOptions.defaults())) {
            config = toy.config().toBuilder().nLayers(1).dVocab(50001).build();
        }
        LoadOptions options = LoadOptions.defaults().withBackend("onnx").withThreads(1);
        Tokens tokens = Tokens.of(new long[] {3, 50000, 17, 4}, new long[] {0, 1, 2, 3});
        try (HookedTransformer wide = HookedTransformer.fromConfig(config, 7, options);
                HookedTransformer narrow = HookedTransformer.fromConfig(config, 7, options.withDType(DType.BFLOAT16));
                Tensor expected = wide.forward(tokens);
                Tensor found = narrow.forward(tokens)) {
            double largest = expected.abs().max().item();
            assertThat(found.maxAbsDifference(expected)).isBetween(1e-6 * largest, 0.03 * largest);
        }
    }

    /** 130 rows of an unembedding whose results are computed 65 at a time. */
    @Test
    void manyRowsOfALargeResultAreComputedInBands() {
        TransformerConfig config;
        try (HookedTransformer toy = HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults())) {
            config = toy.config().toBuilder().nLayers(1).dVocab(50001).build();
        }
        assertThat(StoredProduct.bands(Shape.of(130, config.dVocab()))).isEqualTo(2);
        LoadOptions options =
                LoadOptions.defaults().withBackend("onnx").withThreads(1).withDType(DType.BFLOAT16);
        long[][] rows = new Random(3)
                .longs(130, 0, 50001)
                .mapToObj(id -> new long[] {id})
                .toArray(long[][]::new);
        try (HookedTransformer model = HookedTransformer.fromConfig(config, 7, options);
                Tensor together = model.forward(Tokens.of(rows));
                Tensor first = model.forward(Tokens.of(Arrays.copyOfRange(rows, 0, 100)));
                Tensor last = model.forward(Tokens.of(Arrays.copyOfRange(rows, 100, 130)))) {
            assertThat(together.slice(0, 0, 100).maxAbsDifference(first)).isLessThan(1e-6);
            assertThat(together.slice(0, 100, 130).maxAbsDifference(last)).isLessThan(1e-6);
        }
    }

    @Test
    void productsOfEqualShapesShareASessionThatHoldsNoWeight() {
        try (OnnxBackend backend = (OnnxBackend) new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
                HookedTransformer stored = HookedTransformer.fromPretrained(
                        "toy-llama", LoadOptions.defaults().withDType(DType.BFLOAT16), backend)) {
            stored.forward(PROMPT).close();
            int few = backend.sessions().size();
            try (HookedTransformer wide =
                    HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults(), backend)) {
                wide.forward(PROMPT).close();
                // In float32 each of the seven products of the four layers, and the unembedding, has its own, and rows
                // of
                // the embedding are read without widening them.
                assertThat(backend.sessions().size() - few).isEqualTo(4 * 7 + 1 + 1);
            }
        }
    }
}
