package dev.loupe.analysis.patching;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookHandle;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PathPatchingTest {

    private static final double ROUNDING = 2e-5;
    private static final LogitMetric METRIC = LogitMetric.logitDifference(5, 9);

    private Golden golden;
    private HookedTransformer model;
    private Tokens base;
    private ActivationCache baseCache;
    private ActivationCache source;

    @BeforeAll
    void load() {
        golden = new Golden(Fixtures.GPT2);
        model = golden.model();
        base = golden.tokens();
        baseCache = golden.run().cache();
        CachedRun other = model.runWithCache(golden.tokens("proc.patch.corrupted_tokens"));
        source = other.cache();
    }

    @AfterAll
    void close() {
        golden.close();
    }

    /** The definition, step by step, with hooks on full runs. */
    private double byDefinition(List<int[]> senders, boolean freezeMlps, Component receiver) {
        List<Hook> frozen = new ArrayList<>();
        for (int layer = 0; layer < 3; layer++) {
            int here = layer;
            frozen.add(Hook.at("z", layer, (z, point) -> {
                Tensor kept = baseCache.get("z", here);
                for (int[] sender : senders) {
                    kept = sender[0] == here
                            ? kept.with(
                                    at(all(), all(), sender[1]),
                                    source.get("z", here).get(all(), all(), sender[1]))
                            : kept;
                }
                return kept;
            }));
            if (freezeMlps) {
                frozen.add(Hook.at("mlp_out", layer, (out, point) -> baseCache.get("mlp_out", here)));
            }
        }
        HookPoint hook = receiver.point(model.hookNames());
        String point = hook.name();
        Tensor reading = model.run(
                        RunRequest.of(base).hooks(frozen).observe(point).build())
                .cache()
                .get(point);
        return METRIC.of(
                model.runWithHooks(base, Hook.at(point, (before, where) -> receiver.replace(before, reading, hook))));
    }

    @Test
    void pathsToTheLogitsAreWhatTheDefinitionSays() {
        Component end = Component.residPost(-1);
        for (boolean freeze : new boolean[] {false, true}) {
            PathPatching paths = PathPatching.of(model, base, source, METRIC, end);
            PathPatching chosen = freeze ? paths.freezeMlps() : paths;
            Tensor found = chosen.memoryBudget(500_000).sweepHeads().values();
            for (int layer = 0; layer < 3; layer++) {
                for (int head = 0; head < 3; head++) {
                    double expected = byDefinition(List.of(new int[] {layer, head}), freeze, end);
                    assertThat(found.item(layer, head)).isCloseTo(expected, Offset.offset(ROUNDING));
                }
            }
        }
    }

    @Test
    void theDirectPathToTheLogitsIsTheHeadsOwnOutput() {
        // The last residual stream, with what the head writes exchanged, through the end of the model.
        Tensor difference = source.get("z", 1).sub(baseCache.get("z", 1)).select(2, 2);
        Tensor residual =
                baseCache.get("resid_post", 2).add(difference.matmul(model.W_O().get(1, 2)));
        Tensor logits = model.run(
                        RunRequest.builder().feed("resid_post2", residual).build())
                .logits();
        double found = PathPatching.of(model, base, source, METRIC, Component.residPost(2))
                .freezeMlps()
                .run(Component.head(1, 2));
        assertThat(found).isCloseTo(METRIC.of(logits), Offset.offset(ROUNDING));
    }

    @Test
    void pathsToQueriesKeysAndValuesAreWhatTheDefinitionSays() {
        for (Component receiver : List.of(
                Component.queries(2, 1),
                Component.keys(2, 0),
                Component.values(1, 2).at(4, -1))) {
            double found = PathPatching.of(model, base, source, METRIC, receiver)
                    .run(Component.head(0, 1), Component.head(1, 0));
            double expected = byDefinition(List.of(new int[] {0, 1}, new int[] {1, 0}), false, receiver);
            assertThat(found).isCloseTo(expected, Offset.offset(ROUNDING));
        }
    }

    @Test
    void aHeadInTheReceiversLayerOrLaterHasNoPathToIt() {
        Tensor found = PathPatching.of(model, base, source, METRIC, Component.queries(1, 0))
                .sweepHeads()
                .values();
        double plain = METRIC.ofRun(model, base);
        for (int layer = 1; layer < 3; layer++) {
            for (int head = 0; head < 3; head++) {
                assertThat(found.item(layer, head)).isCloseTo(plain, Offset.offset(ROUNDING));
            }
        }
        assertThat(Math.abs(found.item(0, 0) - plain)).isGreaterThan(1e-4);
    }

    @Test
    void severalReceiversReadTogether() {
        double found = PathPatching.of(model, base, source, METRIC, Component.queries(1, 0), Component.values(2, 1))
                .run(Component.head(0, 0));
        // Readings of both by the definition, then one run with both.
        List<Hook> frozen = new ArrayList<>();
        for (int layer = 0; layer < 3; layer++) {
            int here = layer;
            frozen.add(Hook.at(
                    "z",
                    layer,
                    (z, point) -> here == 0
                            ? baseCache
                                    .get("z", 0)
                                    .with(
                                            at(all(), all(), 0),
                                            source.get("z", 0).get(all(), all(), 0))
                            : baseCache.get("z", here)));
        }
        ActivationCache readings = model.run(
                        RunRequest.of(base).hooks(frozen).observe("q1", "v2").build())
                .cache();
        Tensor logits = model.runWithHooks(
                base,
                Hook.at(
                        "q1",
                        (q, point) ->
                                q.with(at(all(), all(), 0), readings.get("q", 1).get(all(), all(), 0))),
                Hook.at(
                        "v2",
                        (v, point) ->
                                v.with(at(all(), all(), 1), readings.get("v", 2).get(all(), all(), 1))));
        assertThat(found).isCloseTo(METRIC.of(logits), Offset.offset(ROUNDING));
    }

    @Test
    void mlpsCanBeSenders() {
        double[] found = PathPatching.of(model, base, source, METRIC, Component.residPost(-1))
                .run(List.of(List.of(Component.mlp(1)), List.of(Component.mlp(1), Component.head(0, 2))));
        List<Hook> frozen = new ArrayList<>();
        for (int layer = 0; layer < 3; layer++) {
            frozen.add(Hook.at("z", layer, (z, point) -> baseCache.get(point.name())));
        }
        frozen.add(Hook.at("mlp_out1", (out, point) -> source.get("mlp_out", 1)));
        Tensor one = model.runWithHooks(base, frozen.toArray(new Hook[0]));
        frozen.add(Hook.at(
                "z0",
                (z, point) -> z.with(at(all(), all(), 2), source.get("z", 0).get(all(), all(), 2))));
        Tensor both = model.runWithHooks(base, frozen.toArray(new Hook[0]));
        assertThat(found).usingComparatorWithPrecision(ROUNDING).containsExactly(METRIC.of(one), METRIC.of(both));
    }

    @Test
    void hooksOnTheModelAreRefused() {
        try (HookHandle hook = model.addHook(Hook.at("z0", (z, point) -> z.mul(2)))) {
            assertThat(hook).isNotNull();
            assertThatThrownBy(() -> PathPatching.of(model, base, source, METRIC, Component.residPost(-1))
                            .sweepHeads())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("blocks.0.attn.hook_z");
        }
    }

    @Test
    void sourcesOfAnotherShapeAndMissingReceiversAreRefused() {
        assertThatThrownBy(() -> PathPatching.of(model, base, source, METRIC, Component.residPost(-1))
                        .memoryBudget(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("positive, got 0");
        assertThatThrownBy(() -> PathPatching.of(model, base, source, METRIC)).hasMessageContaining("residPost");
        ActivationCache one = source.batchRow(0);
        assertThatThrownBy(() -> PathPatching.of(model, base, one, METRIC, Component.residPost(-1))
                        .run(Component.head(0, 0)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[2, 13]");
    }

    @Test
    void aSmallMemoryBudgetChangesNothingButHowManyGoTogether() {
        PathPatching paths = PathPatching.of(model, base, source, METRIC, Component.residPost(-1));
        List<Long> told = new ArrayList<>();
        Tensor one = paths.memoryBudget(1)
                .progress((done, total) -> told.add(done))
                .sweepHeads()
                .values();
        assertThat(told).hasSize((int) one.elements());
        told.clear();
        Tensor all =
                paths.progress((done, total) -> told.add(done)).sweepHeads().values();
        assertThat(told).containsExactly(all.elements());
        assertThat(one.maxAbsDifference(all)).isLessThan(2e-5);
    }
}
