package dev.loupe.analysis.patching;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AblationTest {

    private static final double ROUNDING = 2e-5;
    private static final LogitMetric METRIC = LogitMetric.logitDifference(5, 9);

    private Golden golden;
    private ActivationCache other;

    @BeforeAll
    void load() {
        golden = new Golden(Fixtures.GPT2);
        other = golden.model()
                .runWithCache(golden.tokens("proc.patch.corrupted_tokens"))
                .cache();
    }

    @AfterAll
    void close() {
        golden.close();
    }

    private double withHook(String point, dev.loupe.hook.HookFunction function) {
        return METRIC.of(golden.model().runWithHooks(golden.tokens(), Hook.at(point, function)));
    }

    @Test
    void zeroAblationOfAHeadIsARunWithItsOutputAtZero() {
        PatchingResult result = Ablation.zero().heads(golden.model(), golden.tokens(), METRIC);
        assertThat(result.values().shape().toArray()).containsExactly(3, 3);
        for (int layer = 0; layer < 3; layer++) {
            for (int head = 0; head < 3; head++) {
                int chosen = head;
                double expected = withHook("z" + layer, (z, point) -> z.with(at(all(), all(), chosen), 0));
                assertThat(result.values().item(layer, head)).isCloseTo(expected, Offset.offset(ROUNDING));
            }
        }
    }

    @Test
    void meanAblationPutsTheMeanOverSequencesAndPositions() {
        Tensor mean = other.get("mlp_out", 1).mean(0, 1);
        double expected = withHook("mlp_out1", (out, point) -> out.mul(0).add(mean));
        PatchingResult result = Ablation.mean(other).layers(golden.model(), golden.tokens(), METRIC);
        assertThat(result.kinds()).containsExactly("attn_out", "mlp_out");
        assertThat(result.values().item(1, 1)).isCloseTo(expected, Offset.offset(ROUNDING));
    }

    @Test
    void meanByPositionPutsTheMeanOverSequencesAtEachPosition() {
        Tensor mean = other.get("z", 2).mean(0).unsqueeze(0);
        double expected = withHook(
                "z2",
                (z, point) -> z.with(
                        at(all(), all(), 1), mean.expand(z.shape().toArray()).get(all(), all(), 1)));
        Tensor logits = golden.model()
                .runWithHooks(
                        golden.tokens(),
                        Ablation.meanByPosition(other)
                                .interventions(golden.model(), golden.tokens(), Component.head(2, 1)));
        assertThat(METRIC.of(logits)).isCloseTo(expected, Offset.offset(ROUNDING));
    }

    @Test
    void resamplingPutsWhatThePartDidOnSequencesThatAreDrawn() {
        // With one reference sequence there is but one to draw.
        ActivationCache one = other.batchRow(1);
        double expected = withHook(
                "attn_out0",
                (out, point) -> one.get("attn_out", 0).expand(out.shape().toArray()));
        Ablation resample = Ablation.resample(one, 3);
        Tensor logits = golden.model()
                .runWithHooks(
                        golden.tokens(),
                        resample.interventions(golden.model(), golden.tokens(), Component.attention(0)));
        assertThat(METRIC.of(logits)).isCloseTo(expected, Offset.offset(ROUNDING));
        // With two, both are drawn sooner or later, and the same seed draws the same.
        boolean[] drawn = new boolean[2];
        for (long seed = 0; seed < 20; seed++) {
            double first = resampled(seed);
            assertThat(resampled(seed)).isEqualTo(first);
            drawn[Math.abs(first - resampled(0)) < 1e-9 ? 0 : 1] = true;
        }
        assertThat(drawn).containsExactly(true, true);
    }

    private double resampled(long seed) {
        return METRIC.of(golden.model()
                .runWithHooks(
                        golden.tokens(),
                        Ablation.resample(other, seed)
                                .interventions(golden.model(), golden.tokens(), Component.attention(0))));
    }

    @Test
    void severalPartsCanBeAblatedAtOnceAndAtChosenPositions() {
        Intervention[] hooks = Ablation.zero()
                .interventions(
                        golden.model(),
                        golden.tokens(),
                        Component.head(0, 1),
                        Component.mlp(2).at(-1, 3));
        Tensor found = golden.model().runWithHooks(golden.tokens(), hooks);
        Tensor expected = golden.model()
                .runWithHooks(
                        golden.tokens(),
                        Hook.at("z0", (z, point) -> z.with(at(all(), all(), 1), 0)),
                        Hook.at(
                                "mlp_out2",
                                (out, point) -> out.with(at(all(), 12), 0).with(at(all(), 3), 0)));
        assertThat(found.maxAbsDifference(expected)).isLessThan(ROUNDING);
    }

    @Test
    void aHeadsPatternCanBeAblated() {
        Component pattern = Component.of("pattern", 1, 2);
        double found = METRIC.of(golden.model()
                .runWithHooks(
                        golden.tokens(),
                        Ablation.meanByPosition(other).interventions(golden.model(), golden.tokens(), pattern)));
        Tensor mean = other.get("pattern", 1).mean(0).unsqueeze(0);
        double expected = withHook(
                "pattern1",
                (p, point) ->
                        p.with(at(all(), 2), mean.expand(p.shape().toArray()).get(all(), 2)));
        assertThat(found).isCloseTo(expected, Offset.offset(ROUNDING));
        assertThatThrownBy(() -> golden.model()
                        .runWithHooks(
                                golden.tokens(),
                                Ablation.mean(other).interventions(golden.model(), golden.tokens(), pattern)))
                .hasMessageContaining("meanByPosition");
    }

    @Test
    void referencesOfAnotherLengthServeForTheMeanOnly() {
        Tokens longer = Tokens.of(Arrays.copyOf(golden.tokens().row(0), 16));
        ActivationCache reference = golden.model().runWithCache(longer).cache();
        assertThat(Ablation.mean(reference)
                        .heads(golden.model(), golden.tokens(), METRIC)
                        .values()
                        .elements())
                .isEqualTo(9);
        assertThatThrownBy(() -> Ablation.resample(reference, 1).heads(golden.model(), golden.tokens(), METRIC))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("same number of tokens");
    }

    @Test
    void aReferenceWithoutThePointIsRefused() {
        ActivationCache little = golden.model()
                .runWithCache(golden.tokens(), HookFilter.names("z0"))
                .cache();
        assertThatThrownBy(() ->
                        Ablation.mean(little).interventions(golden.model(), golden.tokens(), Component.head(1, 0)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("blocks.1.attn.hook_z");
    }

    @Test
    void aMemoryBudgetThatFitsOneRunAtATimeChangesNoResult() {
        Ablation ablation = Ablation.resample(other, 5);
        List<Long> updates = new ArrayList<>();
        PatchingResult one = ablation.memoryBudget(1)
                .heads(golden.model(), golden.tokens(), METRIC, (done, total) -> updates.add(done));
        PatchingResult many = ablation.heads(golden.model(), golden.tokens(), METRIC);
        assertThat(one.values().maxAbsDifference(many.values())).isLessThan(ROUNDING);
        // Each of the nine heads was a batch of its own.
        assertThat(updates).contains(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L);
        assertThatThrownBy(() -> ablation.memoryBudget(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("positive, got 0");
    }

    @Test
    void headsThatScoreAboveAThresholdComeTheHighestFirst() {
        Tensor scores = golden.model().tensors().of(new float[] {0.2f, 0.9f, 0.5f, 0.6f}, 2, 2);
        assertThat(Component.headsAbove(0.5, scores)).containsExactly(Component.head(0, 1), Component.head(1, 1));
        assertThatThrownBy(() -> Component.headsAbove(0.5, scores.select(0, 0)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[layer, head]");
        List<Component> both = Component.headsAbove(0.5, scores);
        assertThat(Ablation.zero().interventions(golden.model(), golden.tokens(), both))
                .hasSize(2);
    }

    @Test
    void operatorsByNameDoWhatTheArithmeticDoes() {
        Tensor a = golden.model().tensors().of(new float[] {1, 2}, 2);
        Tensor b = golden.model().tensors().of(new float[] {4, 8}, 2);
        assertThat(a.plus(b).plus(1).toFloatArray()).containsExactly(6, 11);
        assertThat(a.minus(b).minus(1).toFloatArray()).containsExactly(-4, -7);
        assertThat(a.times(b).times(2).toFloatArray()).containsExactly(8, 32);
        assertThat(a.unaryMinus().toFloatArray()).containsExactly(-1, -2);
    }

    @Test
    void layersAreDrawnAsLayersByParts() {
        String page = Ablation.zero()
                .layers(golden.model(), golden.tokens(), METRIC)
                .view(List.of())
                .toHtml();
        assertThat(page).contains("\"rows\":[\"0\",\"1\",\"2\"]").contains("\"columns\":[\"attn_out\",\"mlp_out\"]");
    }

    @Test
    void wherePartsHaveNoHeadsNoneCanBeChosen() {
        assertThatThrownBy(() -> golden.model()
                        .runWithHooks(
                                golden.tokens(),
                                Ablation.zero()
                                        .interventions(golden.model(), golden.tokens(), Component.of("mlp_out", 0, 1))))
                .hasMessageContaining("no heads");
    }
}
