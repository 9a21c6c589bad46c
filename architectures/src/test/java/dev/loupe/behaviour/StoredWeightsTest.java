package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Models in a type that their backend only stores. */
class StoredWeightsTest {

    private static final Tokens TOKENS = Tokens.of(new long[] {0, 17, 4, 211, 90});

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void weightsAreKeptInSixteenBitsAndTheArithmeticIsFloat32s(DType dtype) {
        try (Backend backend = Backends.open("reference", BackendOptions.DEFAULT);
                HookedTransformer wide =
                        HookedTransformer.fromPretrained("toy-llama", LoadOptions.noProcessing(), backend);
                HookedTransformer stored = HookedTransformer.fromPretrained(
                        "toy-llama", LoadOptions.noProcessing().withDType(dtype), backend);
                Tensor expected = wide.forward(TOKENS);
                Tensor found = stored.forward(TOKENS)) {
            assertThat(stored.options().dtype()).isEqualTo(dtype);
            assertThat(stored.dtype()).isEqualTo(DType.FLOAT32);
            assertThat(found.dtype()).isEqualTo(DType.FLOAT32);
            // The toys are stored in float16, so there every number is the same.
            assertThat(found.maxAbsDifference(expected)).isLessThan(dtype == DType.FLOAT16 ? 1e-9 : 0.5);
            assertThat(stored.weight("blocks.0.mlp.W_in").dtype()).isEqualTo(DType.FLOAT32);
            assertThat(stored.graph().weights().get("blocks.0.mlp.W_in").type().dtype())
                    .isEqualTo(dtype);
            assertThat(stored.W_E().dtype()).isEqualTo(DType.FLOAT32);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void everyMatrixAndEveryTableIsStored(String name) {
        LoadOptions options =
                LoadOptions.noProcessing().withBackend("reference").withDType(DType.BFLOAT16);
        try (HookedTransformer stored = HookedTransformer.fromPretrained(name, options)) {
            assertThat(stored.graph().weights()).allSatisfy((weight, value) -> {
                boolean matrix = value.type().shape().rank() > 1;
                assertThat(value.type().dtype()).as(weight).isEqualTo(matrix ? DType.BFLOAT16 : DType.FLOAT32);
            });
        }
    }

    @Test
    @EnabledOnOs(OS.LINUX) // elsewhere nobody says how much memory there is
    void aModelThatFindsNoRoomIsRefusedBeforeItIsLoaded() {
        TransformerConfig huge = TinyModels.gpt2Config().toBuilder()
                .dModel(1 << 17)
                .dMlp(1 << 19)
                .build();
        assertThatThrownBy(() -> HookedTransformer.fromConfig(
                        huge, 1, LoadOptions.defaults().withBackend("reference")))
                .isInstanceOf(OutOfTensorMemoryException.class)
                .hasMessageContainingAll("GiB for its weights", "'reference' on cpu", "firstNLayers", "-Xmx");
    }

    @Test
    void aTypeThatIsNoFloatingPointTypeIsRefusedWithThoseThatAre() {
        assertThatThrownBy(() -> HookedTransformer.fromPretrained(
                        "toy-llama",
                        LoadOptions.defaults().withBackend("reference").withDType(DType.INT64)))
                .hasMessageContainingAll("int64", "float32", "bfloat16");
    }
}
