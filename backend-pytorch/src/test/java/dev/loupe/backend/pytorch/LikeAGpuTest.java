package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.pytorch.TorchDevice.Kind;
import dev.loupe.graph.Op;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.PaddingSide;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is done on GPUs and not on CPUs, done on a CPU. */
class LikeAGpuTest {

    private static final String PROMPT = "When Mary and John went to the store, John gave a drink to";

    private TorchDevice device;
    private Backend backend;
    private TensorFactory tensors;

    @BeforeEach
    void open() {
        Torches.open().close();
        device = TorchEngine.load().cpuAs("like-a-gpu", Kind.GPU, 0);
        backend = new PyTorchBackend(device);
        tensors = new TensorFactory(backend);
    }

    @AfterEach
    void close() {
        backend.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void aRunNeverAsksTheDeviceForNumbers(String name) {
        try (Backend cpu = Torches.open();
                HookedTransformer model = HookedTransformer.fromPretrained(name, LoadOptions.defaults(), backend);
                HookedTransformer there = HookedTransformer.fromPretrained(name, LoadOptions.defaults(), cpu)) {
            Tokens tokens = model.toTokens(PROMPT);
            Hook half = Hook.at("resid_post", 1, (act, point) -> act.mul(0.5));
            long before = device.downloads();
            try (CachedRun run = model.runWithCache(tokens, HookFilter.everything());
                    Tensor plain = model.forward(tokens);
                    Tensor edited = model.runWithHooks(tokens, half)) {
                assertThat(device.downloads() - before).isZero();
                try (Tensor expected = there.runWithHooks(tokens, half);
                        Tensor found = edited.to(cpu)) {
                    assertThat(found.maxAbsDifference(expected)).isLessThan(1e-4);
                }
                assertThat(plain.maxAbsDifference(run.logits())).isLessThan(1e-4);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void whatIsObservedAndEditedTakesNoMoreThanItsOwnNumbers(String name) {
        try (HookedTransformer model = HookedTransformer.fromPretrained(name, LoadOptions.defaults(), backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            int width = model.config().dModel();
            try (CachedRun source =
                            model.runWithCache(tokens, HookFilter.matching(point -> point.endsWith("resid_pre")));
                    Tensor direction = tensors.randn(3, width)) {
                List<Intervention> edits = new ArrayList<>();
                for (int layer = 0; layer < model.config().nLayers(); layer++) {
                    edits.add(Intervention.scale("pattern", layer, 0.5));
                    edits.add(Intervention.scale("mlp_out", layer, 0.5));
                    edits.add(Intervention.add("resid_post", layer, direction));
                }
                Intervention[] all = edits.toArray(new Intervention[0]);
                long plain = uploads(() -> model.forward(tokens).close());
                assertThat(uploads(() -> model.runWithCache(tokens, HookFilter.everything())
                                .close()))
                        .isEqualTo(plain);
                // Numbers are part of the graph; each of the added tensors enters once.
                assertThat(uploads(() -> model.runWith(tokens, all).close()))
                        .isEqualTo(plain + model.config().nLayers());
                // A sweep.
                for (int layer = 0; layer < model.config().nLayers(); layer++) {
                    Intervention patch = Intervention.patch("resid_pre", layer, source.cache());
                    assertThat(uploads(() -> model.runWith(tokens, patch).close()))
                            .isLessThanOrEqualTo(plain);
                }
            }
        }
    }

    /** Uploads meanwhile; there are no downloads, and no collections are asked for. */
    private long uploads(Runnable work) {
        long uploads = device.uploads();
        long downloads = device.downloads();
        long collections = Tensor.collectionsAskedFor();
        work.run();
        assertThat(device.downloads() - downloads).isZero();
        assertThat(Tensor.collectionsAskedFor() - collections).isZero();
        return device.uploads() - uploads;
    }

    @Test
    void aSteeredGenerationReadsOneThingAToken() {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend);
                Tensor direction = tensors.randn(3, model.config().dModel())) {
            Tokens tokens = model.toTokens(PROMPT);
            Intervention steering = Intervention.add("resid_post", 1, direction);
            long downloads = device.downloads();
            long uploads = device.uploads();
            model.generate(tokens, GenerateOptions.greedy(2));
            long plainDownloads = device.downloads() - downloads;
            long plainUploads = device.uploads() - uploads;
            assertThat(plainDownloads).isEqualTo(2);
            try (HookHandle steered = model.hooks(steering)) {
                model.generate(tokens, GenerateOptions.greedy(2));
            }
            assertThat(device.downloads() - downloads).isEqualTo(2 * plainDownloads);
            // The direction with each step.
            assertThat(device.uploads() - uploads).isEqualTo(2 * plainUploads + 2);
        }
    }

    @Test
    void aLargeDeviceMayHoldMoreBeforeACollectionIsAskedFor() {
        TorchDevice large = TorchEngine.load().cpuAs("like-a-gpu", Kind.GPU, 8L << 30);
        try (Backend ofEight = new PyTorchBackend(large)) {
            TensorFactory factory = new TensorFactory(ofEight);
            long before = Tensor.collectionsAskedFor();
            for (int i = 0; i < 80; i++) {
                factory.full(DType.FLOAT32, 1, 2 << 20); // 640 MiB that nobody closes, beyond the limit of a CPU
            }
            assertThat(Tensor.collectionsAskedFor() - before).isZero();
        }
        UnreachableTensors.free();
    }

    @Test
    void oneElementMovesAlone() {
        try (Tensor large = tensors.randn(5, 64, 1024)) {
            float[] all = large.toFloatArray();
            long before = device.downloadedBytes();
            assertThat(large.item(63, 1023)).isEqualTo(all[all.length - 1]);
            assertThat(device.downloadedBytes() - before).isEqualTo(Float.BYTES);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "toy-gpt2, FLOAT32",
        "toy-llama, FLOAT32",
        "toy-mistral, FLOAT32",
        "toy-gpt2, BFLOAT16",
        "toy-mistral, BFLOAT16"
    })
    void normsAndPatternsThatAreObservedAreDoneAtOnceAndAreTheSame(String name, DType dtype) {
        LoadOptions options = LoadOptions.defaults().withDType(dtype);
        try (Backend cpu = Torches.open();
                HookedTransformer model = HookedTransformer.fromPretrained(name, options, backend);
                HookedTransformer there = HookedTransformer.fromPretrained(name, options, cpu)) {
            // Rows of different lengths: padding on the left sees nothing.
            Tokens tokens = model.toTokens(List.of(PROMPT, "John gave"), PaddingSide.LEFT);
            long before = device.works();
            model.forward(tokens).close();
            long plain = device.works() - before;
            try (CachedRun run = model.runWithCache(tokens, HookFilter.standard());
                    CachedRun expected = there.runWithCache(tokens, HookFilter.standard())) {
                assertThat(device.works() - before - plain)
                        .as("operations, of a plain run " + plain)
                        .isLessThan(plain * 3 / 2);
                assertThat(run.cache().items().keySet())
                        .isEqualTo(expected.cache().items().keySet());
                run.cache().items().forEach((point, tensor) -> {
                    Tensor wanted = expected.cache().get(point);
                    assertThat(tensor.shape()).as(point).isEqualTo(wanted.shape());
                    float[] found = tensor.toFloatArray();
                    float[] numbers = wanted.toFloatArray();
                    double largest = 1;
                    for (float number : numbers) {
                        // -inf where attention is masked.
                        largest = Float.isInfinite(number) ? largest : Math.max(largest, Math.abs(number));
                    }
                    double allowed = largest * (dtype == DType.FLOAT32 ? 1e-5 : 0.05);
                    for (int i = 0; i < found.length; i++) {
                        if (Float.isInfinite(numbers[i])) {
                            assertThat(found[i]).as(point).isEqualTo(numbers[i]);
                        } else {
                            assertThat((double) found[i]).as(point).isCloseTo(numbers[i], within(allowed));
                        }
                    }
                });
            }
        }
    }

    @Test
    void indicesThatTheDeviceComputedAreLookedAtOnceAndThoseThatEnteredNever() {
        try (Tensor table = tensors.randn(1, 5, 3);
                Tensor entered = tensors.of(new long[] {4, 0}, 2);
                Tensor computed = table.argmax(-1)) {
            long before = device.downloads();
            table.gather(0, entered).close();
            table.gather(0, entered.reshape(2, 1)).close();
            assertThat(device.downloads() - before).isZero();
            table.gather(0, computed).close();
            table.gather(0, computed).close();
            assertThat(device.downloads() - before).isEqualTo(1);
        }
    }

    @Test
    void anIndexOutOfRangeIsNamedBeforeItGetsToTheDevice() {
        try (Tensor table = tensors.randn(1, 5, 3)) {
            for (long wrong : new long[] {-1, 5}) {
                try (Tensor indices = tensors.of(new long[] {0, wrong}, 2)) {
                    assertThatThrownBy(() -> table.gather(0, indices))
                            .isInstanceOf(IndexOutOfBoundsException.class)
                            .hasMessageContainingAll("index " + wrong, "place 1", "[0, 5)");
                }
            }
        }
    }

    @Test
    void theLastUpdateOfAPlaceCounts() {
        try (Tensor data = tensors.full(DType.FLOAT32, 0, 2, 4);
                Tensor indices = tensors.of(new long[] {1, 3, 1, 0, 0, 0}, 2, 3);
                Tensor updates = tensors.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
                Tensor found = Tensor.wrap(
                        backend,
                        backend.execute(
                                        new Op.ScatterElements(1),
                                        List.of(data.handle(), indices.handle(), updates.handle()))
                                .get(0))) {
            assertThat(found.toFloatArray()).containsExactly(0, 3, 0, 2, 6, 0, 0, 0);
        }
    }

    @Test
    void whatIsObservedMovesToAnotherDeviceAsTheRunGoes() {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            long before = device.downloads();
            List<Long> moved = new ArrayList<>();
            Hook counting = Hook.at("resid_post", 3, (activation, point) -> {
                moved.add(device.downloads() - before);
                return null;
            });
            try (HookHandle scope = model.hooks(counting);
                    CachedRun run = model.runWithCache(tokens, HookFilter.standard(), "cpu");
                    CachedRun there = model.runWithCache(tokens)) {
                assertThat(run.logits().device()).isEqualTo("like-a-gpu");
                assertThat(moved.get(0))
                        .as("activations that had moved when the last layer's hook ran")
                        .isGreaterThan(run.cache().size() / 2);
                there.cache().items().forEach((name, tensor) -> {
                    Tensor on = run.cache().get(name);
                    assertThat(on.device()).as(name).isEqualTo("cpu");
                    assertThat(on.maxAbsDifference(tensor)).as(name).isZero();
                });
                ActivationCache all = there.cache().to("cpu");
                Tensor both = all.get("resid_post", 1).sub(run.cache().get("resid_post", 1));
                assertThat(both.abs().max().item()).isZero();
            }
        }
    }
}
