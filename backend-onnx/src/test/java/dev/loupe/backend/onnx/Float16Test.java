package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole models whose weights and activations are float16. */
class Float16Test {

    private static final String PROMPT = "The capital of France is";

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void aModelInFloat16IsCloseToOneInFloat32(String name) {
        LoadOptions options = LoadOptions.defaults();
        try (Backend backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
                HookedTransformer wide = HookedTransformer.fromPretrained(name, options, backend);
                HookedTransformer narrow =
                        HookedTransformer.fromPretrained(name, options.withDType(DType.FLOAT16), backend);
                Tensor expected = wide.forward(PROMPT);
                Tensor found = narrow.forward(PROMPT);
                Tensor widened = found.to(DType.FLOAT32)) {
            assertThat(found.dtype()).isEqualTo(DType.FLOAT16);
            // Logits reach 20; a float16 of that size has steps of 0.016.
            assertThat(widened.maxAbsDifference(expected)).isBetween(1e-4, 0.2);
            assertThat(narrow.generate(PROMPT, GenerateOptions.greedy(3)))
                    .isEqualTo(wide.generate(PROMPT, GenerateOptions.greedy(3)));
        }
    }
}
