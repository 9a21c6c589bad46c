package dev.loupe.analysis.patching;

import static dev.loupe.array.Index.all;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ActivationPatchingTest {

    /** Two orders of summation of float32 numbers of size 10 differ by about this much. */
    private static final double ROUNDING = 2e-5;

    private static final LogitMetric METRIC = LogitMetric.logitDifference(5, 9);

    private Golden gpt2;
    private Golden llama;
    private Golden mistral;

    @BeforeAll
    void load() {
        gpt2 = new Golden(Fixtures.GPT2);
        llama = new Golden(Fixtures.LLAMA);
        mistral = new Golden(Fixtures.MISTRAL);
    }

    @AfterAll
    void close() {
        gpt2.close();
        llama.close();
        mistral.close();
    }

    private static Tokens corrupted(Golden golden) {
        return golden.tokens("proc.patch.corrupted_tokens");
    }

    /** One full run from the tokens, with a hook at the point. */
    private static double fullRun(
            Golden golden, Tokens tokens, ActivationCache clean, String point, int[] index, PatchSetter setter) {
        Tensor logits = golden.model()
                .runWithHooks(
                        tokens,
                        Hook.at(point, (activation, where) -> setter.apply(activation, index, clean.get(point))));
        double sum = 0;
        for (int row = 0; row < tokens.batch(); row++) {
            int last = tokens.lastReal(row);
            sum += logits.item(row, last, 5) - logits.item(row, last, 9);
        }
        return sum / tokens.batch();
    }

    private void assertSameAsFullRuns(Golden golden, Tokens tokens, ActivationCache clean, Sweep sweep) {
        Tensor found = ActivationPatching.of(golden.model(), tokens, clean, METRIC)
                .run(sweep)
                .values();
        long[] shape = found.shape().toArray();
        double[] values = found.toDoubleArray();
        // Every entry of small sweeps; of the largest, some all over.
        int step = Math.max(1, values.length / 100);
        for (int flat = 0; flat < values.length; flat += step) {
            int[] index = new int[shape.length];
            int rest = flat;
            for (int axis = shape.length - 1; axis >= 0; axis--) {
                index[axis] = rest % (int) shape[axis];
                rest /= (int) shape[axis];
            }
            String point = golden.model()
                    .hookNames()
                    .resolve(sweep.activation(), index[0])
                    .name();
            double expected = fullRun(golden, tokens, clean, point, index, sweep.setter());
            assertThat(values[flat])
                    .as("%s %s", sweep.id(), Arrays.toString(index))
                    .isCloseTo(expected, org.assertj.core.data.Offset.offset(ROUNDING));
        }
    }

    @Test
    void patchingBetweenTwoPromptsNormalisesTheMetricAndRecordsTheCleanRun() {
        Tokens clean = gpt2.tokens();
        Tokens corrupted = corrupted(gpt2);
        double from = METRIC.ofRun(gpt2.model(), corrupted);
        double to = METRIC.ofRun(gpt2.model(), clean);
        Tensor expected = ActivationPatching.of(
                        gpt2.model(),
                        corrupted,
                        gpt2.model().runWithCache(clean).cache(),
                        METRIC)
                .run(Sweep.ATTN_HEAD_OUT_ALL_POS)
                .values()
                .sub(from)
                .div(to - from);
        Tensor found = ActivationPatching.between(gpt2.model(), clean, corrupted, METRIC)
                .run(Sweep.ATTN_HEAD_OUT_ALL_POS)
                .values();
        assertThat(found.maxAbsDifference(expected)).isLessThan(ROUNDING);
        Tokens shorter = Tokens.of(Arrays.copyOf(clean.row(0), clean.positions() - 1));
        assertThatThrownBy(() -> ActivationPatching.between(gpt2.model(), clean, shorter, METRIC))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(clean.positions() + " tokens")
                .hasMessageContaining((clean.positions() - 1) + ":");
    }

    @ParameterizedTest
    @EnumSource(value = Sweep.class, mode = EnumSource.Mode.MATCH_NONE, names = ".*_EVERY")
    void aSweepIsWhatOneFullRunForEachPatchGives(Sweep sweep) {
        for (Golden golden : List.of(gpt2, llama, mistral)) {
            assertSameAsFullRuns(golden, corrupted(golden), golden.run().cache(), sweep);
        }
    }

    @Test
    void stackedSweepsAreTheirMembersOneUnderTheOther() {
        for (Golden golden : List.of(gpt2, llama)) {
            ActivationPatching patching = ActivationPatching.of(
                    golden.model(), corrupted(golden), golden.run().cache(), METRIC);
            PatchingResult heads = patching.run(Sweep.ATTN_HEAD_ALL_POS_EVERY);
            int layers = golden.model().config().nLayers();
            int count = golden.model().config().nHeads();
            int keyHeads = golden.model().config().nKeyValueHeads();
            int positions = golden.tokens().positions();
            assertThat(heads.axes()).containsExactly(SweepAxis.KIND, SweepAxis.LAYER, SweepAxis.HEAD);
            assertThat(heads.values().shape().toArray()).containsExactly(5, layers, count);
            Tensor values = patching.run(Sweep.ATTN_HEAD_V_ALL_POS).values();
            assertThat(values.size(1)).isEqualTo(keyHeads);
            for (int head = 0; head < count; head++) {
                assertThat(heads.values()
                                .get(3, all(), head)
                                .maxAbsDifference(values.get(all(), head * keyHeads / count)))
                        .isLessThan(ROUNDING);
            }
            PatchingResult byPos = patching.run(Sweep.ATTN_HEAD_BY_POS_EVERY);
            assertThat(byPos.values().shape().toArray()).containsExactly(5, layers, positions, count);
            Tensor pattern = patching.run(Sweep.ATTN_HEAD_PATTERN_BY_POS).values();
            assertThat(byPos.values().get(4).maxAbsDifference(pattern.transpose(1, 2)))
                    .isLessThan(ROUNDING);
            PatchingResult block = patching.run(Sweep.BLOCK_EVERY);
            assertThat(block.values().shape().toArray()).containsExactly(3, layers, positions);
            assertThat(block.kinds()).containsExactly("resid_pre", "attn_out", "mlp_out");
        }
    }

    /** Sweeps that start at each kind of place, over batches with padding on either side. */
    @ParameterizedTest
    @EnumSource(
            value = Sweep.class,
            names = {
                "RESID_PRE",
                "MLP_OUT",
                "ATTN_HEAD_Q_BY_POS",
                "ATTN_HEAD_K_BY_POS",
                "ATTN_HEAD_V_BY_POS",
                "ATTN_HEAD_OUT_ALL_POS",
                "ATTN_HEAD_PATTERN_BY_POS"
            })
    void paddedBatchesArePatchedAsTheyAre(Sweep sweep) {
        for (Golden golden : List.of(gpt2, llama, mistral)) {
            for (boolean left : new boolean[] {false, true}) {
                Tokens corrupt = padded(corrupted(golden), left);
                try (ActivationCache cache = golden.model()
                        .runWithCache(padded(golden.tokens(), left))
                        .cache()) {
                    assertSameAsFullRuns(golden, corrupt, cache, sweep);
                }
            }
        }
    }

    /** A batch of two of which the second is shorter. */
    private static Tokens padded(Tokens tokens, boolean left) {
        return Tokens.pad(List.of(tokens.row(0), Arrays.copyOf(tokens.row(1), 9)), 0, left);
    }

    @Test
    void aMetricMayLookAtSomeEarlierPositions() {
        LogitMetric metric = LogitMetric.at(
                new int[] {-3, 6}, logits -> logits.max(-1).mean().item());
        for (Golden golden : List.of(gpt2, llama)) {
            ActivationCache clean = golden.run().cache();
            ActivationPatching patching = ActivationPatching.of(golden.model(), corrupted(golden), clean, metric);
            for (Sweep sweep : List.of(Sweep.RESID_PRE, Sweep.ATTN_OUT)) {
                Tensor found = patching.run(sweep).values();
                for (int layer = 0; layer < golden.model().config().nLayers(); layer++) {
                    for (int position : new int[] {4, 6, 8, 10, 12}) {
                        int[] index = {layer, position};
                        String point = golden.model()
                                .hookNames()
                                .resolve(sweep.activation(), layer)
                                .name();
                        Tensor logits = golden.model()
                                .runWithHooks(
                                        corrupted(golden),
                                        Hook.at(
                                                point,
                                                (activation, where) ->
                                                        sweep.setter().apply(activation, index, clean.get(point))));
                        assertThat(found.item(layer, position))
                                .as("%s %s", sweep.id(), Arrays.toString(index))
                                .isCloseTo(
                                        metric.of(logits.pick(1, 10, 6)),
                                        org.assertj.core.data.Offset.offset(ROUNDING));
                    }
                }
            }
        }
    }

    @Test
    void patchesThatChangeNothingAreTheBaseRunWhichIsMeasuredOnce() {
        List<Tensor> measured = new ArrayList<>();
        LogitMetric counting = LogitMetric.at(new int[] {-1}, logits -> {
            measured.add(logits);
            return METRIC.of(logits);
        });
        double[] found = ActivationPatching.of(
                        gpt2.model(), corrupted(gpt2), gpt2.run().cache(), counting)
                .genericActivationPatch(
                        "resid_pre",
                        List.of(SweepAxis.LAYER, SweepAxis.POS),
                        new int[][] {{0, 1}, {1, 2}, {2, 3}},
                        (before, index, after) -> before.mul(1));
        assertThat(measured).hasSize(1);
        double expected = METRIC.ofRun(gpt2.model(), corrupted(gpt2));
        assertThat(found).usingComparatorWithPrecision(ROUNDING).containsExactly(expected, expected, expected);
    }

    @Test
    void aSmallerMemoryBudgetPutsFewerRunsTogether() {
        long before = Long.MAX_VALUE;
        for (long budget : new long[] {1L << 30, 400_000, 100_000, 1}) {
            List<Long> told = new ArrayList<>(List.of(0L));
            ActivationPatching.of(llama.model(), corrupted(llama), llama.run().cache(), METRIC)
                    .memoryBudget(budget)
                    .progress((done, total) -> told.add(done))
                    .run(Sweep.ATTN_HEAD_OUT_ALL_POS);
            long largest = 0;
            for (int i = 1; i < told.size(); i++) {
                largest = Math.max(largest, told.get(i) - told.get(i - 1));
            }
            assertThat(largest).as("budget %d", budget).isLessThanOrEqualTo(before);
            before = largest;
        }
        assertThat(before).isEqualTo(1);
    }

    @Test
    void aSmallMemoryBudgetChangesNothingButTheTime() {
        ActivationPatching patching = ActivationPatching.of(
                llama.model(), corrupted(llama), llama.run().cache(), METRIC);
        for (Sweep sweep : List.of(Sweep.RESID_PRE, Sweep.ATTN_HEAD_OUT_ALL_POS)) {
            Tensor roomy = patching.run(sweep).values();
            assertThat(patching.memoryBudget(1).run(sweep).values().maxAbsDifference(roomy))
                    .isLessThan(ROUNDING);
            assertThat(patching.memoryBudget(500_000).run(sweep).values().maxAbsDifference(roomy))
                    .isLessThan(ROUNDING);
        }
    }

    @Test
    void hooksOnTheModelRunInEveryPatchedRun() {
        HookedTransformer model = gpt2.model();
        // The clean run is without the hooks; one of them stands where a patched run would start.
        ActivationCache clean = gpt2.run().cache();
        try (HookHandle hooks = model.hooks(
                Hook.at("blocks.1.hook_resid_pre", (activation, point) -> activation.mul(0.5)),
                Hook.at("blocks.2.hook_mlp_out", (activation, point) -> activation.add(1)))) {
            assertSameAsFullRuns(gpt2, corrupted(gpt2), clean, Sweep.RESID_PRE);
            assertSameAsFullRuns(gpt2, corrupted(gpt2), clean, Sweep.ATTN_HEAD_OUT_ALL_POS);
        }
    }

    @Test
    void patchingAllOfTheFirstResidualStreamBringsTheCleanRunBack() {
        ActivationCache clean = gpt2.run().cache();
        double[] found = ActivationPatching.of(gpt2.model(), corrupted(gpt2), clean, METRIC)
                .genericActivationPatch(
                        "resid_pre", List.of(SweepAxis.LAYER), new int[][] {{0}, {2}}, (before, index, after) -> after);
        double cleanMetric = METRIC.ofRun(gpt2.model(), gpt2.tokens());
        assertThat(found).usingComparatorWithPrecision(ROUNDING).containsExactly(cleanMetric, cleanMetric);
        double corruptedMetric = METRIC.ofRun(gpt2.model(), corrupted(gpt2));
        LogitMetric normalized = METRIC.normalized(corruptedMetric, cleanMetric);
        assertThat(normalized.ofRun(gpt2.model(), gpt2.tokens()))
                .isCloseTo(1, org.assertj.core.data.Offset.offset(1e-9));
        assertThat(normalized.ofRun(gpt2.model(), corrupted(gpt2))).isZero();
    }

    @Test
    void aMetricMayLookAtAllPositions() {
        LogitMetric all = logits -> logits.max(-1).mean().item();
        Tensor found = ActivationPatching.of(
                        gpt2.model(), corrupted(gpt2), gpt2.run().cache(), all)
                .run(Sweep.MLP_OUT)
                .values();
        Tensor logits = gpt2.model()
                .runWithHooks(
                        corrupted(gpt2),
                        Hook.at(
                                "mlp_out",
                                1,
                                (activation, point) -> PatchSetter.layerPos()
                                        .apply(
                                                activation,
                                                new int[] {1, 4},
                                                gpt2.run().cache().get(point.name()))));
        assertThat(found.item(1, 4)).isCloseTo(all.of(logits), org.assertj.core.data.Offset.offset(ROUNDING));
    }

    @Test
    void aMetricOfPaddedRowsLooksAtTheLastRealToken() {
        Tokens tokens = Tokens.pad(
                List.of(gpt2.tokens().row(0), Arrays.copyOf(gpt2.tokens().row(1), 9)), 0, false);
        LogitMetric metric = LogitMetric.logitDifference(tokens, new long[] {5, 6}, new long[] {9, 10});
        Tensor logits = gpt2.model().forward(tokens);
        double expected =
                (logits.item(0, 12, 5) - logits.item(0, 12, 9) + logits.item(1, 8, 6) - logits.item(1, 8, 10)) / 2;
        assertThat(metric.ofRun(gpt2.model(), tokens))
                .isCloseTo(expected, org.assertj.core.data.Offset.offset(ROUNDING));
    }

    @Test
    void progressIsToldUntilAllRunsAreDone() {
        List<Long> told = new ArrayList<>();
        ActivationPatching.of(gpt2.model(), corrupted(gpt2), gpt2.run().cache(), METRIC)
                .memoryBudget(1_000_000)
                .progress((done, total) -> {
                    assertThat(total).isEqualTo(3 * 3 * 13);
                    told.add(done);
                })
                .run(Sweep.BLOCK_EVERY);
        assertThat(told).isSorted().doesNotHaveDuplicates().endsWith(3L * 3 * 13);
    }

    @Test
    void promptsOfDifferentLengthAreRefused() {
        Tokens shorter = Tokens.of(
                Arrays.copyOf(gpt2.tokens().row(0), 7),
                Arrays.copyOf(gpt2.tokens().row(1), 7));
        assertThatThrownBy(() -> ActivationPatching.of(
                                gpt2.model(), shorter, gpt2.run().cache(), METRIC)
                        .run(Sweep.RESID_PRE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[2, 13, 24]")
                .hasMessageContaining("[2, 7]")
                .hasMessageContaining("same number of tokens");
    }

    @Test
    void aCacheThatLacksActivationsNamesThemAndHowToRecordThem() {
        ActivationCache little =
                gpt2.model().runWithCache(gpt2.tokens(), HookFilter.names("z0")).cache();
        assertThatThrownBy(() -> ActivationPatching.of(gpt2.model(), corrupted(gpt2), little, METRIC)
                        .run(Sweep.ATTN_HEAD_OUT_ALL_POS))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("blocks.1.attn.hook_z, blocks.2.attn.hook_z")
                .hasMessageContaining("HookFilter.glob(\"blocks.*.attn.hook_z\")");
    }

    @Test
    void anUnknownSweepListsThoseThatThereAre() {
        assertThat(Sweep.of("attn_head_out_all_pos")).isEqualTo(Sweep.ATTN_HEAD_OUT_ALL_POS);
        assertThatThrownBy(() -> Sweep.of("resid"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'resid'")
                .hasMessageContaining("nearest are resid_mid, resid_pre")
                .hasMessageContaining("block_every");
    }

    @Test
    void pointsWithoutHeadsHaveNoHeadAxis() {
        assertThatThrownBy(() -> ActivationPatching.of(
                                gpt2.model(), corrupted(gpt2), gpt2.run().cache(), METRIC)
                        .genericActivationPatch(
                                "resid_pre", List.of(SweepAxis.LAYER, SweepAxis.HEAD), PatchSetter.layerHeadVector()))
                .hasMessageContaining("no heads")
                .hasMessageContaining("[2, 13, 24]");
    }

    @Test
    void runsThatDontDifferOrOnlyByNoiseCantBeNormalised() {
        assertThatThrownBy(() -> METRIC.normalized(2, 2)).hasMessageContaining("2.0");
        assertThatThrownBy(() -> METRIC.normalized(9.193, 9.193001))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("noise")
                .hasMessageContaining("nothing to bring back");
        assertThatThrownBy(() -> METRIC.normalized(0, Double.POSITIVE_INFINITY)).hasMessageContaining("Infinity");
        assertThat(METRIC.normalized(1e-7, 2e-7, 0).of(gpt2.model().forward(gpt2.tokens())))
                .isFinite();
    }

    @Test
    void everyPatchedRunTellsWhatWasPatched() {
        PatchingResult result = ActivationPatching.of(
                        gpt2.model(), corrupted(gpt2), gpt2.run().cache(), METRIC)
                .run(Sweep.ATTN_HEAD_OUT_ALL_POS);
        assertThat(result.warning()).isEmpty();
        List<PatchingResult.Entry> entries = result.entries();
        assertThat(entries).hasSize((int) result.values().elements());
        int[][] index = result.index();
        for (int i = 0; i < index.length; i++) {
            int layer = index[i][0];
            int head = index[i][1];
            assertThat(entries.get(i).index())
                    .containsExactly(Map.entry(SweepAxis.LAYER, layer), Map.entry(SweepAxis.HEAD, head));
            assertThat(entries.get(i).value()).isEqualTo(result.values().item(layer, head));
        }
    }

    @Test
    void aSweepWhoseTwoRunsHaveOneMetricSaysSo() {
        ActivationCache clean = gpt2.run().cache();
        for (Sweep sweep : List.of(Sweep.RESID_PRE, Sweep.BLOCK_EVERY)) {
            PatchingResult result = ActivationPatching.of(
                            gpt2.model(),
                            corrupted(gpt2),
                            clean,
                            LogitMetric.at(
                                    new int[] {-1},
                                    logits -> logits.mul(0).sum().item() + 7))
                    .run(sweep);
            assertThat(result.warning())
                    .contains("7.0 for the clean and 7.0 for the corrupted run", "nothing to bring back");
        }
        // As run: of the corrupted tokens themselves.
        ActivationCache same = gpt2.model().runWithCache(corrupted(gpt2)).cache();
        assertThat(ActivationPatching.of(gpt2.model(), corrupted(gpt2), same, METRIC)
                        .run(Sweep.RESID_PRE)
                        .warning())
                .contains("nothing to bring back");
    }
}
