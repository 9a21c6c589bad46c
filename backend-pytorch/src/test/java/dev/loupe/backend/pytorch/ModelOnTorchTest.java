package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole models: spread over devices, run from many threads at once, in other types, many times. */
class ModelOnTorchTest {

    private static final String PROMPT = "When Mary and John went to the store, John gave a drink to";

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void aModelSpreadOverDevicesGivesWhatOneDeviceGives(int devices) {
        try (Backend one = Torches.open();
                Backend several = Torches.openSplit(devices);
                HookedTransformer whole = HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults(), one);
                HookedTransformer spread =
                        HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults(), several)) {
            Tokens tokens = whole.toTokens(PROMPT);
            try (CachedRun expected = whole.runWithCache(tokens, HookFilter.everything());
                    CachedRun actual = spread.runWithCache(tokens, HookFilter.everything())) {
                assertThat(actual.logits().toFloatArray())
                        .containsExactly(expected.logits().toFloatArray());
                for (String name : expected.cache().keys()) {
                    assertThat(actual.cache().get(name).toFloatArray())
                            .as(name)
                            .containsExactly(expected.cache().get(name).toFloatArray());
                }
                assertThat(actual.cache().get("resid_pre", 0).device()).isEqualTo("cpu/0");
                assertThat(actual.cache().get("resid_post", 3).device()).isEqualTo("cpu/" + (devices - 1));
                assertThat(actual.logits().device()).isEqualTo("cpu/" + (devices - 1));
                // Activations of different devices meet.
                try (Tensor both =
                        actual.cache().get("resid_pre", 0).add(actual.cache().get("resid_post", 3))) {
                    assertThat(both.device()).isEqualTo("cpu/0");
                }
            }
            assertThat(spread.generate("The capital of France is", GenerateOptions.greedy(3)))
                    .isEqualTo(whole.generate("The capital of France is", GenerateOptions.greedy(3)));
        }
    }

    @Test
    void hooksWorkAcrossDevices() {
        try (Backend several = Torches.openSplit(2);
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), several);
                CachedRun clean = model.runWithCache(PROMPT)) {
            Tensor early = clean.cache().get("resid_pre", 0);
            Tensor late = clean.cache().get("resid_post", 3);
            try (Tensor patched = model.runWithHooks(
                    PROMPT, Hook.at("resid_pre", 0, (act, point) -> early), Hook.at("resid_post", 3, (a, p) -> late))) {
                assertThat(patched.maxAbsDifference(clean.logits())).isLessThan(1e-4);
            }
            // A hook may return what lies on another device.
            try (Tensor moved = model.runWithHooks(PROMPT, Hook.at("resid_post", 3, (act, point) -> early))) {
                assertThat(moved.shape()).isEqualTo(clean.logits().shape());
            }
        }
    }

    @Test
    void eightThreadsWithDifferentHooksGiveWhatOneGives() throws Exception {
        try (Backend backend = Torches.open();
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            List<Callable<float[]>> jobs = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                int job = i;
                jobs.add(() -> {
                    float[] last = new float[0];
                    for (int round = 0; round < 10; round++) {
                        try (Tensor logits = model.runWithHooks(
                                tokens,
                                Hook.at("resid_post", job % 4, (act, point) -> act.mul(0.5 + job)),
                                Hook.at("pattern", job / 2, (act, point) -> act.softmax(-1)))) {
                            last = logits.toFloatArray();
                        }
                    }
                    return last;
                });
            }
            List<float[]> alone = new ArrayList<>();
            for (Callable<float[]> job : jobs) {
                alone.add(job.call());
            }
            ExecutorService pool = Executors.newFixedThreadPool(8);
            try {
                List<Future<float[]>> together = pool.invokeAll(jobs);
                for (int i = 0; i < 8; i++) {
                    assertThat(together.get(i).get()).as("job " + i).containsExactly(alone.get(i));
                }
            } finally {
                pool.shutdown();
            }
        }
    }

    @Test
    void aModelIsSpreadOverDevicesByItsLoadOptions() {
        LoadOptions one = LoadOptions.defaults().withBackend("pytorch").withThreads(1);
        LoadOptions two = one.withDevices(2).withBackendSetting("logical-devices", "2");
        try (HookedTransformer whole = HookedTransformer.fromPretrained("toy-gpt2", one);
                HookedTransformer spread = HookedTransformer.fromPretrained("toy-gpt2", two);
                CachedRun expected = whole.runWithCache(whole.toTokens(PROMPT));
                CachedRun actual = spread.runWithCache(spread.toTokens(PROMPT))) {
            assertThat(actual.cache().get("resid_post", 0).device()).isEqualTo("cpu/0");
            assertThat(actual.cache().get("resid_post", 3).device()).isEqualTo("cpu/1");
            assertThat(actual.logits().maxAbsDifference(expected.logits())).isZero();
            assertThat(spread.generate(PROMPT, GenerateOptions.greedy(5)))
                    .isEqualTo(whole.generate(PROMPT, GenerateOptions.greedy(5)));
        }
    }

    @Test
    void settingsThatABackendDoesNotKnowAreRefused() {
        LoadOptions options = LoadOptions.defaults().withBackend("pytorch").withBackendSetting("logical-device", "2");
        assertThatThrownBy(() -> HookedTransformer.fromPretrained("toy-gpt2", options))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("pytorch", "'logical-device'", "[logical-devices]");
    }

    @Test
    void float16RunsOnACpuCloseToFloat32() {
        try (Backend backend = Torches.open();
                HookedTransformer wide = HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend);
                HookedTransformer narrow = HookedTransformer.fromPretrained(
                        "toy-gpt2", LoadOptions.defaults().withDType(DType.FLOAT16), backend);
                Tensor expected = wide.forward(PROMPT);
                Tensor actual = narrow.forward(PROMPT)) {
            assertThat(actual.dtype()).isEqualTo(backend.capabilities().computes(DType.FLOAT16));
            try (Tensor widened = actual.to(DType.FLOAT32)) {
                // Logits reach 20; a float16 of that size has steps of 0.016.
                assertThat(widened.maxAbsDifference(expected)).isLessThan(0.2);
            }
        }
    }

    @Test
    void float64IsCloserThanFloat32() {
        try (Backend backend = Torches.open();
                HookedTransformer wide = HookedTransformer.fromPretrained(
                        "toy-llama", LoadOptions.defaults().withDType(DType.FLOAT64), backend);
                HookedTransformer narrow =
                        HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults(), backend);
                Tensor expected = wide.forward(PROMPT);
                Tensor actual = narrow.forward(PROMPT).to(DType.FLOAT64)) {
            assertThat(actual.maxAbsDifference(expected)).isBetween(1e-9, 1e-4);
        }
    }

    @Test
    void runsThatAreClosedLeaveNothingBehind() {
        try (Backend backend = Torches.open();
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            for (int i = 0; i < 3; i++) {
                model.runWithCache(tokens).close();
            }
            int before = arrays(model);
            for (int i = 0; i < 50; i++) {
                model.runWithCache(tokens).close();
            }
            assertThat(arrays(model)).isEqualTo(before);
        }
    }

    private static int arrays(HookedTransformer model) {
        try (Tensor probe = model.tensors().of(new float[] {1}, 1)) {
            return ((PyTorchHandle) probe.handle())
                    .on()
                    .manager()
                    .getManagedArrays()
                    .size();
        }
    }
}
