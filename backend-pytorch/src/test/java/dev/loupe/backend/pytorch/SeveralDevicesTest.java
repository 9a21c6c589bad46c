package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.pytorch.TorchDevice.Kind;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models spread over several devices that are treated as GPUs are. */
class SeveralDevicesTest {

    private static final String PROMPT = "When Mary and John went";

    @BeforeAll
    static void load() {
        Torches.open().close();
    }

    private static List<TorchDevice> devices(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> TorchEngine.load().cpuAs("gpu-like:" + i, Kind.GPU, 0))
                .toList();
    }

    private static Backend pipeline(List<TorchDevice> devices) {
        return new PipelinedBackend(devices.stream().map(PyTorchBackend::new).toList());
    }

    private static long copies(List<TorchDevice> devices) {
        return devices.stream().mapToLong(TorchDevice::copies).sum();
    }

    private static long downloads(List<TorchDevice> devices) {
        return devices.stream().mapToLong(TorchDevice::downloads).sum();
    }

    @ParameterizedTest
    @CsvSource({
        "toy-gpt2, FLOAT32, 2",
        "toy-llama, FLOAT16, 2",
        "toy-gpt2, BFLOAT16, 3",
        "toy-mistral, BFLOAT16, 2",
        "toy-llama, FLOAT32, 4"
    })
    void givesWhatOneDeviceGivesAndCopiesNoWeights(String name, DType dtype, int count) {
        LoadOptions options = LoadOptions.defaults().withDType(dtype);
        List<TorchDevice> devices = devices(count);
        try (Backend one = new PyTorchBackend(TorchEngine.load().cpuAs("one", Kind.GPU, 0));
                Backend several = pipeline(devices);
                HookedTransformer whole = HookedTransformer.fromPretrained(name, options, one);
                HookedTransformer spread = HookedTransformer.fromPretrained(name, options, several)) {
            Tokens tokens = whole.toTokens(PROMPT);
            assertThat(copies(devices)).as("copies while loading").isZero();
            long downloads = downloads(devices);
            spread.forward(tokens).close();
            assertThat(downloads(devices) - downloads).as("downloads").isZero();
            long first = copies(devices);
            spread.forward(tokens).close();
            // What is prepared once is the first run's; the weights would be copied there.
            assertThat(copies(devices) - first).as("copies in a second run").isEqualTo(first);
            // The residual stream once to each device; mask, cosines and sines to each layer there.
            assertThat(first)
                    .as("activations that go from device to device")
                    .isBetween(count - 1L, count - 1L + 3L * whole.config().nLayers());

            try (CachedRun expected = whole.runWithCache(tokens, HookFilter.standard());
                    CachedRun actual = spread.runWithCache(tokens, HookFilter.standard());
                    Tensor edited = spread.runWith(tokens, Intervention.scale("pattern", 1, 0.5));
                    Tensor wanted = whole.runWith(tokens, Intervention.scale("pattern", 1, 0.5))) {
                long before = copies(devices);
                spread.runWith(tokens, Intervention.scale("pattern", 2, 0.5)).close();
                long prepared = copies(devices);
                spread.runWith(tokens, Intervention.scale("pattern", 2, 0.5)).close();
                assertThat(copies(devices) - prepared)
                        .as("copies of an edited run that is prepared")
                        .isEqualTo(prepared - before);
                assertThat(actual.logits().dtype()).isEqualTo(dtype);
                assertThat(edited.toFloatArray()).containsExactly(wanted.toFloatArray());
                expected.cache()
                        .items()
                        .forEach((point, tensor) -> assertThat(
                                        actual.cache().get(point).toFloatArray())
                                .as(point)
                                .containsExactly(tensor.toFloatArray()));
                assertThat(actual.cache().get("resid_pre", 0).device()).isEqualTo("gpu-like:0");
                assertThat(actual.logits().device()).isEqualTo("gpu-like:" + (count - 1));
                ActivationCache onCpu = actual.cache().to("cpu");
                onCpu.items()
                        .forEach((point, tensor) ->
                                assertThat(tensor.device()).as(point).isEqualTo("cpu"));
                // What lay on several devices lies on one, and can be computed with together.
                try (Tensor both = onCpu.get("resid_pre", 0).add(onCpu.get("resid_post", 3))) {
                    assertThat(both.dtype()).isEqualTo(dtype);
                }
            }
            assertThat(spread.generate(tokens, GenerateOptions.greedy(2)).get(0))
                    .containsExactly(
                            whole.generate(tokens, GenerateOptions.greedy(2)).get(0));
        }
    }

    @Test
    void tensorsOfTwoDevicesAreBothNamed() {
        try (Backend one = new PyTorchBackend(TorchEngine.load().cpuAs("gpu-like:0", Kind.GPU, 0));
                Backend other = new PyTorchBackend(TorchEngine.load().cpuAs("gpu-like:1", Kind.GPU, 0));
                Tensor a = new TensorFactory(one).randn(1, 3);
                Tensor b = new TensorFactory(other).randn(1, 3)) {
            assertThatThrownBy(() -> a.add(b))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("gpu-like:0", "gpu-like:1", "to(");
        }
    }
}
