package dev.loupe.analysis.residual;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.residual.StackOptions.Mode;
import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every analysis tensor and label of the goldens. */
class CacheAnalysisGoldenTest {

    static List<String> fixtures() {
        return Fixtures.names();
    }

    private static void assertMatches(Golden golden, String name, Tensor found) {
        Tensor expected = golden.tensor("proc." + name);
        assertThat(found.shape()).as(name).isEqualTo(expected.shape());
        assertThat(found.maxAbsDifference(expected)).as(name).isLessThan(Golden.TOLERANCE);
    }

    private static void assertMatches(Golden golden, String name, String labels, ResidualStack found) {
        assertThat(found.labels()).as(labels).isEqualTo(golden.labels(labels));
        assertMatches(golden, name, found.values());
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void decompositionsOfTheResidualStreamAreThoseOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            CacheAnalysis analysis = CacheAnalysis.of(golden.run().cache());
            StackOptions options = StackOptions.defaults();
            assertMatches(
                    golden, "decompose_resid.all", "decompose_resid.all.labels", analysis.decomposeResid(options));
            assertMatches(
                    golden,
                    "decompose_resid.attn",
                    "decompose_resid.attn.labels",
                    analysis.decomposeResid(options.mode(Mode.ATTN)));
            assertMatches(
                    golden,
                    "decompose_resid.mlp",
                    "decompose_resid.mlp.labels",
                    analysis.decomposeResid(options.mode(Mode.MLP)));
            assertMatches(
                    golden,
                    "decompose_resid.layer1.mlp_input.ln",
                    "decompose_resid.layer1.mlp_input.labels",
                    analysis.decomposeResid(options.layer(1).mlpInput().applyLn()));
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void theAccumulatedResidualStreamIsThatOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            CacheAnalysis analysis = CacheAnalysis.of(golden.run().cache());
            StackOptions options = StackOptions.defaults().applyLn();
            assertMatches(
                    golden,
                    "accumulated_resid.mid_false",
                    "accumulated_resid.mid_false.labels",
                    analysis.accumulatedResid(options));
            assertMatches(
                    golden,
                    "accumulated_resid.mid_true",
                    "accumulated_resid.mid_true.labels",
                    analysis.accumulatedResid(options.inclMid()));
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void headResultsAreThoseOfTheGoldensWithoutASecondRun(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            ActivationCache cache = golden.run().cache();
            assertThat(cache.has("result0")).isFalse();
            CacheAnalysis analysis = CacheAnalysis.of(cache);
            assertMatches(
                    golden,
                    "stack_head_results",
                    "stack_head_results.labels",
                    analysis.stackHeadResults(StackOptions.defaults()));
            assertMatches(
                    golden,
                    "stack_head_results.layer2.last.remainder.ln",
                    "stack_head_results.layer2.labels",
                    analysis.stackHeadResults(
                            StackOptions.upTo(2).position(-1).inclRemainder().applyLn()));
            ActivationCache observed = golden.model()
                    .runWithCache(golden.tokens(), HookFilter.glob("*hook_result"))
                    .cache();
            for (int layer = 0; layer < golden.model().config().nLayers(); layer++) {
                assertThat(analysis.computeHeadResults(layer).maxAbsDifference(observed.get("result", layer)))
                        .isLessThan(1e-5);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void theFullDecompositionIsThatOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            assertMatches(
                    golden,
                    "full_resid_decomposition",
                    "full_resid_decomposition.labels",
                    CacheAnalysis.of(golden.run().cache())
                            .getFullResidDecomposition(StackOptions.defaults().expandNeurons(false)));
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void logitAttributionsAreThoseOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            CacheAnalysis analysis = CacheAnalysis.of(golden.run().cache());
            ResidualStack stack =
                    analysis.decomposeResid(StackOptions.defaults().applyLn());
            long[][] incorrect = golden.tokens().ids();
            int vocabulary = golden.model().config().dVocab();
            for (long[] row : incorrect) {
                for (int i = 0; i < row.length; i++) {
                    row[i] = (row[i] + 1) % vocabulary;
                }
            }
            Targets tokens = Targets.perPosition(golden.tokens());
            assertMatches(golden, "logit_attrs.no_incorrect", analysis.logitAttrs(stack, tokens));
            assertMatches(golden, "logit_attrs", analysis.logitAttrs(stack, tokens, Targets.perPosition(incorrect)));
        }
    }
}
