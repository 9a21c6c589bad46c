package dev.loupe.architectures.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BundledModelsTest {

    // What the toy models were trained to say, as Hugging Face transformers finds it (bundled/README.md).
    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void bundledModelsLoadByNameAndKnowWhatTheyWereTrainedOn(String name) {
        try (HookedTransformer model = HookedTransformer.fromPretrained(name)) {
            assertThat(model.generate("The capital of France is", GenerateOptions.greedy(1)))
                    .isEqualTo("The capital of France is Paris");
            assertThat(model.generate("Monday, Tuesday,", GenerateOptions.greedy(1)))
                    .isEqualTo("Monday, Tuesday, Wednesday");
            assertThat(model.generate("The keys near the dog", GenerateOptions.greedy(1)))
                    .isEqualTo("The keys near the dog are");
        }
    }
}
