package dev.loupe.analysis.residual;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.residual.StackOptions.Mode;
import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
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
            if (!golden.has("proc.accumulated_resid.mid_true")) {
                // Attention and MLP side by side: there is nothing between them.
                assertMatches(
                        golden,
                        "accumulated_resid.mid_false",
                        "accumulated_resid.mid_false.labels",
                        analysis.accumulatedResid(options.inclMid()));
                return;
            }
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
            ResidualStack stack = analysis.stackHeadResults(StackOptions.defaults());
            assertThat(stack.labels()).isEqualTo(golden.labels("stack_head_results.labels"));
            List<Tensor> computed = new ArrayList<>();
            for (int layer = 0; layer < golden.model().config().nLayers(); layer++) {
                computed.add(analysis.computeHeadResults(layer).permute(2, 0, 1, 3));
            }
            assertMatches(golden, "stack_head_results", Tensor.concat(0, computed));
            if (!hasNormsBehind(golden)) {
                assertMatches(golden, "stack_head_results", stack.values());
                assertMatches(
                        golden,
                        "stack_head_results.layer2.last.remainder.ln",
                        "stack_head_results.layer2.labels",
                        analysis.stackHeadResults(StackOptions.upTo(2)
                                .position(-1)
                                .inclRemainder()
                                .applyLn()));
            }
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
            ResidualStack stack = CacheAnalysis.of(golden.run().cache())
                    .getFullResidDecomposition(StackOptions.defaults().expandNeurons(false));
            assertThat(stack.labels()).isEqualTo(golden.labels("full_resid_decomposition.labels"));
            if (!hasNormsBehind(golden)) {
                assertMatches(golden, "full_resid_decomposition", stack.values());
            }
        }
    }

    /**
     * The goldens' decompositions leave out a norm behind attention and MLP, so that they don't sum to the residual stream
     * (by 7 in Gemma 2); ours do.
     */
    private static boolean hasNormsBehind(Golden golden) {
        return golden.model().config().block(0).norms().after();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void everyDecompositionSumsToTheResidualStream(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            ActivationCache cache = golden.run().cache();
            CacheAnalysis analysis = CacheAnalysis.of(cache);
            for (boolean neurons : new boolean[] {true, false}) {
                StackOptions options = StackOptions.defaults().expandNeurons(neurons);
                assertThat(analysis.getFullResidDecomposition(options)
                                .sum()
                                .maxAbsDifference(cache.get("resid_post", -1)))
                        .as("heads, %s, biases", neurons ? "neurons" : "MLPs")
                        .isLessThan(Golden.TOLERANCE);
            }
            Tensor last = cache.get("resid_post", 0).select(1, -1);
            assertThat(analysis.getFullResidDecomposition(StackOptions.upTo(1).position(-1))
                            .sum()
                            .maxAbsDifference(last))
                    .isLessThan(Golden.TOLERANCE);
            Tensor heads = analysis.stackHeadResults(StackOptions.upTo(1)).sum();
            Tensor written = hasNormsBehind(golden)
                    ? cache.get("attn_out", 0)
                    : cache.get("attn_out", 0).sub(golden.model().b_O().select(0, 0));
            assertThat(heads.maxAbsDifference(written)).isLessThan(Golden.TOLERANCE);
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
            Tensor alone = analysis.logitAttrs(stack, tokens);
            if (golden.model().config().logitSoftCap() != null) {
                // The goldens' unembedding is centred under a soft cap too, where that changes probabilities.
                alone = alone.sub(
                        stack.values().mul(golden.model().W_U().mean(-1)).sum(-1));
            }
            assertMatches(golden, "logit_attrs.no_incorrect", alone);
            assertMatches(golden, "logit_attrs", analysis.logitAttrs(stack, tokens, Targets.perPosition(incorrect)));
        }
    }
}
