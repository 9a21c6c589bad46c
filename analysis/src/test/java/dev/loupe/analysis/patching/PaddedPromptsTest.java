package dev.loupe.analysis.patching;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.support.Models;
import dev.loupe.array.Index;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Metrics that mean the last token mean each prompt's last real one. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PaddedPromptsTest {

    private static final Offset<Double> CLOSE = Offset.offset(1e-4);

    private HookedTransformer model;
    private LogitMetric metric;
    private Tokens right;
    private Tokens left;

    @BeforeAll
    void load() {
        model = Models.load("toy-gpt2");
        metric = LogitMetric.logitDifference(model, " Mary", " John");
        List<String> prompts = List.of("The", "When Mary and John went to the store, John gave a drink to");
        right = model.toTokens(prompts);
        left = Tokens.pad(List.of(right.realTokens(0), right.realTokens(1)), right.id(0, right.positions() - 1), true);
    }

    @AfterAll
    void close() {
        model.close();
    }

    @Test
    void aMetricReadsTheLastRealTokenOnWhicheverSidePaddingIs() {
        assertThat(right.isReal(0, right.positions() - 1)).isFalse();
        assertThat(metric.ofRun(model, right)).isCloseTo(9.193, Offset.offset(1e-3));
        assertThat(metric.ofRun(model, left)).isCloseTo(metric.ofRun(model, right), CLOSE);
        assertThat(metric.normalized(1, 3).ofRun(model, right)).isCloseTo((metric.ofRun(model, right) - 1) / 2, CLOSE);
    }

    @Test
    void everySweepOfPaddedPromptsAgreesWithRunsOfItsOwnForEachPrompt() {
        ActivationCache clean = model.runWithCache(right).cache();
        // An ablation, so that clean and base run differ.
        Tensor found = ActivationPatching.of(model, right, doubled(clean), metric)
                .run(Sweep.MLP_OUT)
                .values();
        for (int layer : new int[] {0, 3}) {
            int chosen = layer;
            double expected = 0;
            for (int row = 0; row < 2; row++) {
                Tokens one = Tokens.of(right.realTokens(row));
                // Position 1 is real in both rows.
                Tensor logits = model.runWithHooks(one, Hook.at("mlp_out", chosen, (activation, point) -> {
                    Index.Selection place = Index.at(Index.all(), 1);
                    return activation.with(place, activation.get(place).mul(2));
                }));
                expected += LogitMetric.logitDifference(model, " Mary", " John").of(logits) / 2;
            }
            assertThat(found.item(layer, 1)).isCloseTo(expected, CLOSE);
        }
    }

    private ActivationCache doubled(ActivationCache cache) {
        Hook[] hooks = {
            Hook.at(
                    HookFilter.glob("*hook_mlp_out"),
                    (activation, point) -> cache.get(point.name()).mul(2))
        };
        try (var handle = model.hooks(hooks)) {
            return model.runWithCache(right, HookFilter.glob("*hook_mlp_out")).cache();
        }
    }

    @Test
    void pathPatchingAndAblationReadTheLastRealTokenToo() {
        ActivationCache source = model.runWithCache(left).cache();
        PathPatching ofLeft = PathPatching.of(model, left, source, metric, Component.residPost(-1));
        PathPatching ofRight =
                PathPatching.of(model, right, model.runWithCache(right).cache(), metric, Component.residPost(-1));
        assertThat(ofRight.run(Component.head(1, 0))).isCloseTo(ofLeft.run(Component.head(1, 0)), CLOSE);
        assertThat(ofRight.run(Component.head(1, 0))).isCloseTo(metric.ofRun(model, left), CLOSE);
        Tensor onLeft = Ablation.zero()
                .layers(model, left, metric, dev.loupe.analysis.Progress.NONE)
                .values();
        Tensor onRight = Ablation.zero()
                .layers(model, right, metric, dev.loupe.analysis.Progress.NONE)
                .values();
        assertThat(onRight.maxAbsDifference(onLeft)).isLessThan(1e-4);
    }
}
