package dev.loupe.backend.onnx.execution;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.onnx.OnnxBackendProvider;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GradientRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Matrices that are in memory once, in the form in which their products read them. */
class OneCopyTest {

    private static final Tokens TOKENS = Tokens.of(new long[] {0, 17, 4, 211, 90});

    private static Backend open() {
        return new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    private static boolean isFactor(String name) {
        return name.matches(".*\\.W_(Q|K|V|O|in|gate|out|U)");
    }

    private static OnnxHandle handle(HookedTransformer model, String name) {
        return (OnnxHandle) model.weight(name).handle();
    }

    private static Map<String, float[]> weights(HookedTransformer model) {
        Map<String, float[]> weights = new HashMap<>();
        model.weightNames().forEach(name -> weights.put(name, model.weight(name).toFloatArray()));
        return weights;
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama"})
    void aFactorComesBackFromItsProductToTheLastBit(String name) {
        try (Backend backend = open();
                HookedTransformer model = HookedTransformer.fromPretrained(name, LoadOptions.defaults(), backend)) {
            Map<String, float[]> before = weights(model);
            model.forward(TOKENS).close();
            for (int look = 0; look < 2; look++) {
                weights(model)
                        .forEach((weight, numbers) -> assertThat(numbers)
                                .as(weight)
                                .usingElementComparator(Float::compare)
                                .isEqualTo(withoutNegativeZeros(before, weight)));
            }
            model.weightNames()
                    .forEach(weight -> assertThat(handle(model, weight).isHere())
                            .as("looking doesn't bring %s here for good", weight)
                            .isEqualTo(!isFactor(weight)));
        }
    }

    private static float[] withoutNegativeZeros(Map<String, float[]> weights, String name) {
        float[] numbers = weights.getOrDefault(name, new float[0]).clone();
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = isFactor(name) && numbers[i] == 0 ? 0 : numbers[i];
        }
        return numbers;
    }

    @Test
    void runsThatNeedAFactorOutsideOfItsProductGiveTheSameBeforeAndAfterwards() {
        try (Backend backend = open();
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-llama", LoadOptions.defaults(), backend)) {
            HookFilter full = HookFilter.names("blocks.1.attn.hook_result");
            Metric metric = Metric.logitDifference(5, 9);
            float[] result;
            float[] gradient;
            try (CachedRun first = model.runWithCache(TOKENS, full)) {
                result = first.cache().get("blocks.1.attn.hook_result").toFloatArray();
            }
            try (GradientRun first = model.runWithCacheAndGradients(TOKENS, metric)) {
                gradient = first.gradients().get("resid_pre", 0).toFloatArray();
            }
            model.forward(TOKENS).close();
            try (CachedRun again = model.runWithCache(TOKENS, full);
                    GradientRun derivatives = model.runWithCacheAndGradients(TOKENS, metric)) {
                assertThat(again.cache().get("blocks.1.attn.hook_result").toFloatArray())
                        .isEqualTo(result);
                assertThat(derivatives.gradients().get("resid_pre", 0).toFloatArray())
                        .isEqualTo(gradient);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void aMatrixThatIsNotFiniteIsKept(DType dtype) {
        try (Backend backend = open();
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.noProcessing(), backend)) {
            Map<String, HostTensor> weights = new HashMap<>();
            model.weightNames()
                    .forEach(name ->
                            weights.put(name, model.weight(name).toHost().to(DType.FLOAT64)));
            String broken = "blocks.2.mlp.W_in";
            HostTensor copy =
                    HostTensor.allocate(DType.FLOAT64, weights.get(broken).shape());
            copy.data().put(0, weights.get(broken).data(), 0, copy.data().capacity());
            copy.setDouble(7, Double.POSITIVE_INFINITY);
            weights.put(broken, copy);
            try (HookedTransformer infinite = HookedTransformer.fromWeights(
                            Architectures.byId("gpt2"),
                            model.config(),
                            weights,
                            LoadOptions.noProcessing().withDType(dtype),
                            backend);
                    Tensor logits = infinite.forward(TOKENS)) {
                assertThat(logits.size(1)).isEqualTo(5);
                assertThat(infinite.weight(broken).item(0, 7)).isInfinite();
                assertThat(handle(infinite, broken).isHere()).isTrue();
                assertThat(handle(infinite, "blocks.1.mlp.W_in").isHere()).isFalse();
            }
        }
    }

    @Test
    void manyThreadsMayBeginAtOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (Backend backend = open();
                HookedTransformer model =
                        HookedTransformer.fromPretrained("toy-gpt2", LoadOptions.defaults(), backend)) {
            List<Future<float[]>> runs = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                boolean looks = i % 2 == 1;
                runs.add(threads.submit(() -> {
                    if (looks) {
                        weights(model);
                    }
                    try (Tensor logits = model.forward(TOKENS)) {
                        return logits.toFloatArray();
                    }
                }));
            }
            float[] first = runs.get(0).get();
            for (Future<float[]> run : runs) {
                assertThat(Arrays.equals(run.get(), first)).isTrue();
            }
        } finally {
            threads.shutdownNow();
        }
    }
}
