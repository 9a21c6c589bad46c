package dev.loupe.analysis.patching;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Patched runs start at the patched point, wherever that lies in a family's wiring: beside an MLP that runs in parallel,
 * behind norms of queries and keys, before norms behind attention.
 */
class PatchingInFamiliesTest {

    private static final LogitMetric METRIC = LogitMetric.logitDifference(5, 9);
    private static final int POSITION = 2;

    /** Float64: two ways through one model differ by rounding only. */
    private static final Offset<Double> ROUNDING = Offset.offset(1e-9);

    @ParameterizedTest
    @ValueSource(
            strings = {Fixtures.GPT2, Fixtures.LLAMA, Fixtures.NEOX, Fixtures.QWEN3, Fixtures.GEMMA2, Fixtures.GEMMA3})
    void aPatchAtAnyPointOfABlockIsWhatAFullRunGives(String fixture) {
        try (HookedTransformer model = HookedTransformer.fromPretrained(
                Fixtures.directory(fixture).toString(),
                LoadOptions.defaults().withBackend("reference").withDType(DType.FLOAT64))) {
            Tokens tokens = Tokens.of(new long[][] {{3, 1, 4, 11, 5, 9}, {2, 6, 5, 3, 5, 8}});
            Tokens clean = Tokens.of(new long[][] {{3, 7, 4, 1, 5, 9}, {2, 12, 5, 3, 5, 8}});
            for (HookPoint point : model.hookNames().points()) {
                if (point.layer() == 1 || point.layer() < 0) {
                    check(model, tokens, clean, point);
                }
            }
        }
    }

    private static void check(HookedTransformer model, Tokens tokens, Tokens clean, HookPoint point) {
        String name = point.name();
        try (ActivationCache cache =
                model.runWithCache(clean, HookFilter.names(name)).cache()) {
            PatchSetter setter = (before, index, after) -> point.isAttention()
                    ? before.with(at(all(), all(), index[0]), after.get(all(), all(), index[0]))
                    : before.with(at(all(), index[0]), after.get(all(), index[0]));
            double[] found = ActivationPatching.of(model, tokens, cache, METRIC)
                    .genericActivationPatch(name, List.of(SweepAxis.POS), new int[][] {{POSITION}}, setter);
            Tensor logits = model.runWithHooks(
                    tokens,
                    Hook.at(name, (before, where) -> setter.apply(before, new int[] {POSITION}, cache.get(name))));
            assertThat(found[0]).as(name).isCloseTo(METRIC.of(logits), ROUNDING);
        }
    }
}
