package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Positions that come one by one after others, whose keys and values go on growing where they are. */
class GrowingCacheTest {

    private static final int PAST = 7;
    private static final int LENGTH = 40;

    private static double[] end(double[] whole) {
        return Arrays.copyOfRange(whole, whole.length - Family.VOCABULARY, whole.length);
    }

    private static double[] logits(HookedTransformer model, RunRequest.Builder request) {
        try (RunResult result = model.run(request.build())) {
            return end(result.logits().toHost().toDoubleArray());
        }
    }

    private static Tokens tokens(long... ids) {
        return Tokens.of(ids);
    }

    private static void assertAgree(double[] found, double[] expected, String what) {
        assertThat(found).as(what).hasSameSizeAs(expected);
        for (int i = 0; i < found.length; i++) {
            assertThat(found[i]).as(what).isCloseTo(expected[i], within(Sweeps.TOLERANCE));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPositionAtATimeGivesWhatTheReferenceGivesForTheWhole(Family family) {
        long[] ids = Family.ids(LENGTH);
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                HookedTransformer truth = family.model("reference", DType.FLOAT64);
                KeyValueCache cache = model.newKeyValueCache(1)) {
            logits(model, RunRequest.of(tokens(Arrays.copyOf(ids, PAST))).keyValueCache(cache));
            for (int position = PAST; position < LENGTH; position++) {
                double[] expected = logits(truth, RunRequest.of(tokens(Arrays.copyOf(ids, position + 1))));
                HookFilter observed =
                        position % 3 == 0 ? HookFilter.glob("*hook_pattern,*hook_attn_scores") : HookFilter.none();
                RunRequest.Builder request = RunRequest.of(tokens(ids[position]))
                        .keyValueCache(cache)
                        .observe(observed);
                assertAgree(logits(model, request), expected, "position " + position);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theInsideOfAStepIsWhatTheWholeHasThere(Family family) {
        long[] ids = Family.ids(LENGTH);
        HookFilter inside = HookFilter.glob("*hook_pattern,*hook_z");
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                HookedTransformer truth = family.model("reference", DType.FLOAT64);
                CachedRun whole = truth.runWithCache(tokens(ids), inside);
                KeyValueCache cache = model.newKeyValueCache(1)) {
            logits(model, RunRequest.of(tokens(Arrays.copyOf(ids, LENGTH - 1))).keyValueCache(cache));
            RunRequest step = RunRequest.of(tokens(ids[LENGTH - 1]))
                    .keyValueCache(cache)
                    .observe(inside)
                    .build();
            try (RunResult result = model.run(step)) {
                for (int layer = 0; layer < 2; layer++) {
                    String attention = "blocks." + layer + ".attn.";
                    assertAgree(
                            result.cache().get(attention + "hook_z").toDoubleArray(),
                            whole.cache()
                                    .get(attention + "hook_z")
                                    .slice(1, LENGTH - 1, LENGTH)
                                    .toDoubleArray(),
                            "z of layer " + layer);
                    assertAgree(
                            result.cache().get(attention + "hook_pattern").toDoubleArray(),
                            whole.cache()
                                    .get(attention + "hook_pattern")
                                    .slice(2, LENGTH - 1, LENGTH)
                                    .toDoubleArray(),
                            "pattern of layer " + layer);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void continuationsOfOnePrefixDontSeeEachOther(Family family) throws Exception {
        long[] prefix = Family.ids(PAST);
        boolean[][] mask = new boolean[1][PAST];
        Arrays.fill(mask[0], true);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                CachedRun run = model.runWithCache(tokens(prefix), HookFilter.glob("*hook_k,*hook_v"))) {
            Map<Integer, Tensor> keys = new HashMap<>();
            Map<Integer, Tensor> values = new HashMap<>();
            for (int layer = 0; layer < 2; layer++) {
                keys.put(layer, run.cache().get("blocks." + layer + ".attn.hook_k"));
                values.put(layer, run.cache().get("blocks." + layer + ".attn.hook_v"));
            }
            KeyValueCache cache = KeyValueCache.frozen(mask, keys, values);
            List<Callable<double[]>> runs = new ArrayList<>();
            for (int i = 0; i < Family.VOCABULARY; i++) {
                long next = i;
                runs.add(() -> logits(model, RunRequest.of(tokens(next)).keyValueCache(cache)));
            }
            List<Future<double[]>> results = threads.invokeAll(runs);
            for (int i = 0; i < Family.VOCABULARY; i++) {
                long[] whole = Arrays.copyOf(prefix, PAST + 1);
                whole[PAST] = i;
                assertAgree(results.get(i).get(), logits(model, RunRequest.of(tokens(whole))), "token " + i);
            }
        } finally {
            threads.shutdown();
        }
    }

    @ParameterizedTest
    @EnumSource
    void severalSequencesGrowToo(Family family) {
        long[] ids = Family.ids(LENGTH);
        long[] others = Family.ids(LENGTH + 3);
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                KeyValueCache cache = model.newKeyValueCache(2)) {
            for (int position = 0; position < PAST; position++) {
                Tokens two = Tokens.of(new long[][] {{ids[position]}, {others[position + 3]}});
                double[] found = logits(model, RunRequest.of(two).keyValueCache(cache));
                long[] row = Arrays.copyOfRange(others, 3, position + 4);
                assertAgree(found, logits(model, RunRequest.of(tokens(row))), "position " + position);
            }
        }
    }
}
