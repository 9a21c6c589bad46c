package dev.loupe.analysis.residual;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.residual.StackOptions.Mode;
import dev.loupe.analysis.support.Golden;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.Index;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.function.Function;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CacheAnalysisTest {

    /** Sums of tens of float32 numbers of size 10 differ by about this much. */
    private static final double ROUNDING = 5e-5;

    private Golden gpt2;
    private Golden llama;

    @BeforeAll
    void load() {
        gpt2 = new Golden(Fixtures.GPT2);
        llama = new Golden(Fixtures.LLAMA);
    }

    @AfterAll
    void close() {
        gpt2.close();
        llama.close();
    }

    private static void assertClose(Tensor found, Tensor expected) {
        assertThat(found.shape()).isEqualTo(expected.shape());
        assertThat(found.maxAbsDifference(expected)).isLessThan(ROUNDING);
    }

    @Test
    void decompositionsSumToTheResidualStream() {
        for (Golden golden : List.of(gpt2, llama)) {
            ActivationCache cache = golden.run().cache();
            CacheAnalysis analysis = CacheAnalysis.of(cache);
            int layers = golden.model().config().nLayers();
            Tensor end = cache.get("resid_post", -1);
            assertClose(analysis.decomposeResid(StackOptions.defaults()).sum(), end);
            assertClose(
                    analysis.getFullResidDecomposition(StackOptions.defaults()).sum(), end);
            assertClose(
                    analysis.getFullResidDecomposition(StackOptions.defaults().expandNeurons(false))
                            .sum(),
                    end);
            assertClose(
                    analysis.stackNeuronResults(StackOptions.defaults().inclRemainder())
                            .sum(),
                    end);
            for (int layer = 0; layer < layers; layer++) {
                StackOptions upTo = StackOptions.upTo(layer);
                Tensor before = cache.get("resid_pre", layer);
                Tensor middle = cache.get("resid_mid", layer);
                assertClose(analysis.decomposeResid(upTo).sum(), before);
                assertClose(analysis.decomposeResid(upTo.mlpInput()).sum(), middle);
                assertClose(analysis.stackHeadResults(upTo.inclRemainder()).sum(), before);
                assertClose(analysis.getFullResidDecomposition(upTo).sum(), before);
                assertClose(analysis.getFullResidDecomposition(upTo.mlpInput()).sum(), middle);
            }
        }
    }

    @Test
    void sumsOfComponentsStaySumsUnderTheNormAndAreWhatTheNormGave() {
        for (Golden golden : List.of(gpt2, llama)) {
            ActivationCache cache = golden.run().cache();
            CacheAnalysis analysis = CacheAnalysis.of(cache);
            assertClose(
                    analysis.decomposeResid(StackOptions.defaults().applyLn()).sum(),
                    cache.get("ln_final.hook_normalized"));
            assertClose(
                    analysis.getFullResidDecomposition(
                                    StackOptions.upTo(1).mlpInput().applyLn())
                            .sum(),
                    cache.get("normalized", 1, "ln2"));
            assertClose(
                    analysis.stackHeadResults(
                                    StackOptions.upTo(2).inclRemainder().applyLn())
                            .sum(),
                    cache.get("normalized", 2, "ln1"));
        }
    }

    @Test
    void neuronsAreActivationsTimesTheirOutputWeights() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        ResidualStack neurons = analysis.stackNeuronResults(StackOptions.upTo(2).neurons(Index.pick(7, 3)));
        assertThat(neurons.labels()).containsExactly("L0N7", "L0N3", "L1N7", "L1N3");
        Tensor activation = gpt2.run().cache().get("post", 1).get(Index.ellipsis(), 3);
        Tensor expected = activation.unsqueeze(-1).mul(gpt2.model().W_out().get(1, 3));
        assertClose(neurons.get("L1N3"), expected);
    }

    @Test
    void positionsAreCutBeforeAnythingIsComputed() {
        CacheAnalysis analysis = CacheAnalysis.of(llama.run().cache());
        Index positions = Index.range(2, 5);
        ResidualStack some = analysis.stackHeadResults(
                StackOptions.defaults().positions(positions).applyLn());
        ResidualStack all = analysis.stackHeadResults(StackOptions.defaults().applyLn());
        assertClose(some.values(), all.values().slice(2, 2, 5));
        ResidualStack last = analysis.decomposeResid(StackOptions.defaults().position(-1));
        assertThat(last.values().rank()).isEqualTo(3);
    }

    @Test
    void aCacheWithoutABatchGivesStacksWithoutABatch() {
        ActivationCache one = gpt2.run().cache().batchRow(1).removeBatchDim();
        CacheAnalysis analysis = CacheAnalysis.of(one);
        CacheAnalysis whole = CacheAnalysis.of(gpt2.run().cache());
        StackOptions options = StackOptions.defaults().applyLn();
        assertClose(
                analysis.decomposeResid(options).values(),
                whole.decomposeResid(options).values().select(1, 1));
        assertClose(
                analysis.stackHeadResults(options).values(),
                whole.stackHeadResults(options).values().select(1, 1));
        assertClose(
                analysis.accumulatedResid(options).values(),
                whole.accumulatedResid(options).values().select(1, 1));
        assertClose(
                analysis.logitAttrs(analysis.decomposeResid(options), Targets.perRow(7)),
                whole.logitAttrs(whole.decomposeResid(options), Targets.id(7)).select(1, 1));
        LensReading lens = LogitLens.of(one).topK(2).read();
        // As a shell shows it.
        assertThat(lens.toString()).startsWith("LensReading of 1 sequences").contains("final_post");
        assertThat(CacheAnalysis.of(one).toString()).startsWith("CacheAnalysis of " + one.size() + " activations");
        assertThat(lens.topTokens().shape().toArray()).containsExactly(4, 1, 13, 2);
    }

    @Test
    void targetsMayBeOneForAllOneForEachSequenceOrOneForEachPosition() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        ResidualStack stack = analysis.decomposeResid(StackOptions.defaults().applyLn());
        long[][] each = new long[2][13];
        for (long[] row : each) {
            java.util.Arrays.fill(row, 7);
        }
        Tensor expected = analysis.logitAttrs(stack, Targets.id(7));
        assertThat(expected.shape().toArray()).containsExactly(8, 2, 13);
        assertClose(analysis.logitAttrs(stack, Targets.perRow(7, 7)), expected);
        assertClose(analysis.logitAttrs(stack, Targets.perPosition(each)), expected);
        Tensor rows = analysis.logitAttrs(stack, Targets.perRow(7, 8));
        assertClose(rows.select(1, 0), expected.select(1, 0));
        assertClose(rows.select(1, 1), analysis.logitAttrs(stack, Targets.id(8)).select(1, 1));
        ResidualStack last =
                analysis.decomposeResid(StackOptions.defaults().applyLn().position(-1));
        assertClose(analysis.logitAttrs(last, Targets.perRow(7, 7)), expected.select(2, -1));
        assertClose(analysis.logitAttrs(last, Targets.perPosition(each)), expected.select(2, -1));
    }

    @Test
    void attributionsAndTheBiasAddUpToTheLogit() {
        for (Golden golden : List.of(gpt2, llama)) {
            CacheAnalysis analysis = CacheAnalysis.of(golden.run().cache());
            ResidualStack stack =
                    analysis.decomposeResid(StackOptions.defaults().applyLn());
            Tensor sum = analysis.logitAttrs(stack, Targets.id(7))
                    .sum(0)
                    .add(golden.model().b_U().item(7));
            assertClose(sum, golden.run().logits().select(2, 7));
        }
    }

    @Test
    void directLogitAttributionIsTheMeanOverTheBatch() {
        DirectLogitAttribution direct = DirectLogitAttribution.of(gpt2.run().cache(), Targets.id(7), Targets.id(8));
        Tensor heads = direct.heads(-1);
        assertThat(heads.shape().toArray()).containsExactly(3, 3);
        assertThat(direct.headsByPosition().shape().toArray()).containsExactly(3, 3, 13);
        assertClose(direct.headsByPosition().select(2, -1), heads);
        DirectLogitAttribution.Attributions layers = direct.layers(-1);
        Tensor logits = gpt2.run().logits().select(1, -1);
        Tensor bias = gpt2.model().b_U();
        double expected = logits.select(1, 7).sub(logits.select(1, 8)).mean().item() - bias.item(7) + bias.item(8);
        assertThat(layers.values().sum().item()).isCloseTo(expected, Offset.offset(ROUNDING));
        assertThat(layers.labels()).startsWith("embed", "pos_embed", "0_attn_out");
        DirectLogitAttribution.Attributions grown = direct.accumulated(-1);
        assertThat(grown.labels()).endsWith("final_post");
        assertThat(grown.values().item(grown.labels().size() - 1)).isCloseTo(expected, Offset.offset(ROUNDING));
        assertThat(direct.layersByPosition().values().shape().toArray()).containsExactly(8, 13);
    }

    @Test
    void activationsOfAllLayersCanBeStacked() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        Tensor patterns = analysis.stackActivation("pattern");
        assertThat(patterns.shape().toArray()).containsExactly(3, 2, 3, 13, 13);
        assertClose(patterns.get(2), gpt2.run().cache().get("pattern", 2));
        assertThat(analysis.stackActivation("resid_post", 2).size(0)).isEqualTo(2);
    }

    @Test
    void stacksOfAModelWithUnfoldedNormsGoThroughTheFinalNormWithItsParameters() {
        HookedTransformer model = HookedTransformer.fromPretrained(
                Fixtures.directory(Fixtures.GPT2).toString(),
                LoadOptions.noProcessing().withBackend("reference"));
        try (model) {
            ActivationCache cache = model.runWithCache(gpt2.tokens()).cache();
            ResidualStack stack = CacheAnalysis.of(cache)
                    .accumulatedResid(StackOptions.defaults().applyLn());
            assertClose(stack.get("final_post"), cache.get("unembed.hook_in"));
        }
    }

    @Test
    void aCacheThatLacksActivationsNamesThemAndHowToRecordThem() {
        ActivationCache little = gpt2.model()
                .runWithCache(gpt2.tokens(), HookFilter.names("embed", "pos_embed", "attn_out0", "mlp_out0"))
                .cache();
        CacheAnalysis analysis = CacheAnalysis.of(little);
        assertThat(analysis.decomposeResid(StackOptions.upTo(1)).size()).isEqualTo(4);
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.defaults()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("decomposeResid")
                .hasMessageContaining("blocks.1.hook_attn_out, blocks.1.hook_mlp_out")
                .hasMessageContaining("HookFilter.glob(\"blocks.*.hook_attn_out,blocks.*.hook_mlp_out\")");
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.upTo(1).applyLn()))
                .hasMessageContaining("blocks.1.ln1.hook_scale");
        assertThatThrownBy(() -> analysis.computeHeadResults(1)).hasMessageContaining("blocks.1.attn.hook_z");
        assertThatThrownBy(() -> LogitLens.of(little).read()).hasMessageContaining("hook_resid_pre");
        // What the message says to record is enough.
        ActivationCache recorded = gpt2.model()
                .runWithCache(
                        gpt2.tokens(),
                        HookFilter.glob("hook_embed,hook_pos_embed,blocks.*.hook_attn_out,blocks.*.hook_mlp_out"))
                .cache();
        assertThat(CacheAnalysis.of(recorded)
                        .decomposeResid(StackOptions.defaults())
                        .size())
                .isEqualTo(8);
    }

    @Test
    void optionsThatAMethodDoesntHaveAreRefused() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.defaults().inclMid()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("decomposeResid has no option inclMid; it has layer, mlpInput, mode, applyLn, positions,"
                        + " inclEmbeds, projectOutput");
        assertThatThrownBy(
                        () -> analysis.stackHeadResults(StackOptions.defaults().mode(Mode.ATTN)))
                .hasMessageContaining("mode");
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.upTo(4)))
                .hasMessageContaining("layer 4")
                .hasMessageContaining("3");
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.defaults().mlpInput()))
                .hasMessageContaining("mlpInput needs a layer");
    }

    @Test
    void targetsThatDontFitAreRefused() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        ResidualStack stack = analysis.decomposeResid(StackOptions.defaults());
        assertThatThrownBy(() -> analysis.logitAttrs(stack, Targets.perRow(1, 2, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[2, 13, 24]");
        assertThatThrownBy(() -> analysis.logitAttrs(stack, Targets.id(113))).hasMessageContaining("0 to 112");
        assertThatThrownBy(() -> analysis.logitAttrs(stack, Targets.id(1), Targets.perRow(1, 2)))
                .hasMessageContaining("one shape");
        assertThatThrownBy(() -> stack.get("7_attn_out")).hasMessageContaining("2_mlp_out");
    }

    @Test
    void theLastSliceOfTheLensIsTheModelsAnswer() {
        for (Golden golden : List.of(gpt2, llama)) {
            LensReading lens = LogitLens.of(golden.run().cache())
                    .inclMid()
                    .topK(3)
                    .watch(7, 8)
                    .read();
            assertThat(lens.labels()).isEqualTo(golden.labels("accumulated_resid.mid_true.labels"));
            int last = lens.labels().size() - 1;
            Tensor logits = golden.run().logits();
            Tensor probabilities = logits.softmax(-1);
            Tensor.TopK top = logits.topk(3, -1);
            assertThat(lens.topTokens().get(last).toLongArray())
                    .isEqualTo(top.indices().toLongArray());
            assertClose(
                    lens.topProbabilities().get(last), probabilities.topk(3, -1).values());
            assertClose(lens.logits().get(last), logits.pick(-1, 7, 8));
            assertClose(lens.probabilities().get(last), probabilities.pick(-1, 7, 8));
            double[] row = logits.get(1, 12).toDoubleArray();
            long higher =
                    java.util.Arrays.stream(row).filter(logit -> logit > row[8]).count();
            assertThat(lens.ranks().item(last, 1, 12, 1)).isEqualTo(higher);
        }
    }

    @Test
    void theLensAtALayerIsTheResidualStreamThereThroughNormAndUnembedding() {
        HookedTransformer model = gpt2.model();
        Tensor residual = gpt2.run().cache().get("resid_pre", 1);
        Tensor centred = residual.sub(residual.mean(-1).unsqueeze(-1));
        Tensor scale =
                centred.square().mean(-1).add(model.config().eps()).sqrt().unsqueeze(-1);
        Tensor logits = centred.div(scale).matmul(model.W_U()).add(model.b_U());
        LensReading lens = LogitLens.of(gpt2.run().cache()).watch(3).read();
        assertClose(lens.logits().get(1), logits.pick(-1, 3));
    }

    @Test
    void hooksOnTheModelDontTouchTheLens() {
        Tensor before = LogitLens.of(gpt2.run().cache()).watch(3).read().logits();
        try (var hook = gpt2.model().addHook(dev.loupe.hook.Hook.at("resid_post", -1, (a, point) -> a.mul(0)))) {
            assertThat(hook).isNotNull();
            assertClose(LogitLens.of(gpt2.run().cache()).watch(3).read().logits(), before);
        }
    }

    @Test
    void wordsAreTargetsIfTheyAreOneToken() {
        try (HookedTransformer toy = dev.loupe.analysis.support.Models.load("toy-gpt2")) {
            Tokens tokens = toy.toTokens("The capital of France is");
            CacheAnalysis analysis = CacheAnalysis.of(toy.runWithCache(tokens).cache());
            ResidualStack stack =
                    analysis.decomposeResid(StackOptions.defaults().applyLn());
            Tensor byText = analysis.logitAttrs(stack, Targets.text(toy, " Paris"));
            assertClose(byText, analysis.logitAttrs(stack, Targets.id(toy.toSingleToken(" Paris"))));
            assertThat(toy.toTokens(" capital", false).positions()).isEqualTo(1);
            assertThatThrownBy(() -> Targets.text(toy, "capital"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("\" capital\"");
            LensReading lens = LogitLens.of(analysis.cache()).topK(2).read();
            assertThat(lens.topStrTokens(4, 0, tokens.positions() - 1)).startsWith(" Paris");
            String html =
                    lens.view(0, toy.toStrTokens("The capital of France is")).toHtml();
            assertThat(html)
                    .contains("Paris")
                    .contains(lens.labels().get(0), lens.labels().get(4));
            assertThat(lens.labels()).startsWith("0_pre").doesNotHaveDuplicates();
        }
    }

    @Test
    void theLastPositionIsTheLastRealTokenInBatchesThatArePaddedAtTheRight() {
        HookedTransformer model = gpt2.model();
        List<long[]> rows = List.of(new long[] {5, 3}, new long[] {7, 2, 9, 4, 1});
        Tokens right = Tokens.pad(rows, 0, false);
        CacheAnalysis padded = CacheAnalysis.of(model.runWithCache(right).cache());
        StackOptions last = StackOptions.defaults().position(-1).applyLn();
        for (int row = 0; row < 2; row++) {
            CacheAnalysis alone = CacheAnalysis.of(
                    model.runWithCache(Tokens.of(rows.get(row))).cache());
            List<Function<CacheAnalysis, ResidualStack>> stacks = List.of(
                    analysis -> analysis.decomposeResid(last),
                    analysis -> analysis.accumulatedResid(last),
                    analysis -> analysis.stackHeadResults(last.inclRemainder()),
                    analysis -> analysis.stackNeuronResults(last.neurons(Index.pick(1, 5))),
                    analysis -> analysis.getFullResidDecomposition(last));
            for (Function<CacheAnalysis, ResidualStack> stack : stacks) {
                Tensor found = stack.apply(padded).values().slice(1, row, row + 1);
                assertClose(found, stack.apply(alone).values());
            }
            Tensor attribution = padded.logitAttrs(padded.decomposeResid(last), Targets.id(3))
                    .slice(1, row, row + 1);
            assertClose(attribution, alone.logitAttrs(alone.decomposeResid(last), Targets.id(3)));
        }
    }

    @Test
    void projectedComponentsAreTheComponentsTimesTheDirections() {
        for (Golden golden : List.of(gpt2, llama)) {
            HookedTransformer model = golden.model();
            CacheAnalysis analysis = CacheAnalysis.of(golden.run().cache());
            Tensor several = model.tensors().randn(3, model.config().dModel(), 2);
            for (StackOptions options : List.of(
                    StackOptions.defaults(),
                    StackOptions.defaults().applyLn(),
                    StackOptions.upTo(1).position(2))) {
                List<Function<StackOptions, ResidualStack>> stacks = List.of(
                        analysis::decomposeResid,
                        analysis::accumulatedResid,
                        chosen -> analysis.stackHeadResults(chosen.inclRemainder()),
                        chosen -> analysis.stackNeuronResults(chosen.inclRemainder()),
                        chosen -> analysis.stackNeuronResults(chosen.layer(0)),
                        analysis::getFullResidDecomposition,
                        chosen -> analysis.getFullResidDecomposition(chosen.expandNeurons(false)));
                for (Function<StackOptions, ResidualStack> stack : stacks) {
                    Tensor whole = stack.apply(options).values().matmul(several);
                    assertClose(stack.apply(options.projectOutput(several)).values(), whole);
                    Tensor one = several.select(1, 1);
                    assertClose(stack.apply(options.projectOutput(one)).values(), whole.select(-1, 1));
                }
            }
        }
    }

    @Test
    void projectionsThatDontFitAreRefused() {
        CacheAnalysis analysis = CacheAnalysis.of(gpt2.run().cache());
        Tensor wrong = gpt2.model().tensors().randn(3, 7);
        assertThatThrownBy(() -> analysis.decomposeResid(StackOptions.defaults().projectOutput(wrong)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("[d_model]", "[7]");
        Tensor direction = gpt2.model().W_U().select(1, 3);
        ResidualStack projected =
                analysis.decomposeResid(StackOptions.defaults().projectOutput(direction));
        assertThatThrownBy(() -> analysis.applyLnToStack(projected, -1, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("before they are projected");
        assertThatThrownBy(() -> analysis.logitAttrs(projected, Targets.id(3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("before they are projected");
    }
}
