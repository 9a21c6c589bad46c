package dev.loupe.analysis.tasks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.Progress;
import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.PatchSetter;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.analysis.support.Models;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TasksTest {

    private HookedTransformer model;

    @BeforeAll
    void load() {
        model = Models.load("toy-gpt2");
    }

    @AfterAll
    void close() {
        model.close();
    }

    @Test
    void generatedPromptsHaveTwoNamesAndSwapTheirRoles() {
        IoiDataset data = IoiDataset.generate(model, 20, 5);
        assertThat(data.prompts()).hasSize(20);
        for (IoiPrompt prompt : data.prompts()) {
            assertThat(prompt.answer()).isNotEqualTo(prompt.wrong());
            assertThat(prompt.clean().split(prompt.wrong(), -1)).hasSize(3);
            assertThat(prompt.clean().split(prompt.answer(), -1)).hasSize(2);
            assertThat(prompt.corrupt().split(prompt.answer(), -1)).hasSize(3);
            assertThat(model.toTokens(prompt.clean()).positions())
                    .isEqualTo(model.toTokens(prompt.corrupt()).positions());
        }
        assertThat(IoiDataset.generate(model, 20, 5)).isEqualTo(data);
        assertThat(IoiDataset.generate(model, 20, 6).prompts()).isNotEqualTo(data.prompts());
    }

    @Test
    void toyGpt2FindsTheIndirectObject() {
        IoiDataset data = IoiDataset.generate(model, 40, 1);
        assertThat(data.accuracy()).isGreaterThan(0.9);
        double clean = data.logitDifference().ofRun(model, data.clean());
        double corrupt = data.logitDifference().ofRun(model, data.corrupt());
        assertThat(clean).isGreaterThan(5);
        assertThat(corrupt).isLessThan(-5);
    }

    @Test
    void namesThatArentSingleTokensAreLeftOut() {
        assertThatThrownBy(() -> IoiDataset.generate(
                        model,
                        List.of("[A] and [B], [S] to"),
                        List.of("Mary", "Xqzwv"),
                        List.of("x"),
                        List.of("y"),
                        1,
                        1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[Mary]");
    }

    @Test
    void theIoiSweepOfToyGpt2AgreesWithPatchingOneAtATime() {
        Tokens clean = model.toTokens("When Mary and John went to the store, John gave a drink to");
        Tokens corrupt = model.toTokens("When Mary and John went to the store, Mary gave a drink to");
        ActivationCache cache = model.runWithCache(clean).cache();
        LogitMetric metric = LogitMetric.logitDifference(model, " Mary", " John");
        for (Sweep sweep : List.of(Sweep.RESID_PRE, Sweep.ATTN_HEAD_OUT_ALL_POS)) {
            Tensor found = ActivationPatching.of(model, corrupt, cache, metric)
                    .run(sweep)
                    .values();
            boolean heads = sweep == Sweep.ATTN_HEAD_OUT_ALL_POS;
            PatchSetter setter = heads ? PatchSetter.layerHeadVector() : PatchSetter.layerPos();
            for (int layer = 0; layer < found.size(0); layer++) {
                for (int i = 0; i < found.size(1); i++) {
                    int[] index = {layer, i};
                    Tensor logits = model.runWithHooks(
                            corrupt,
                            Hook.at(
                                    heads ? "z" : "resid_pre",
                                    layer,
                                    (before, point) -> setter.apply(before, index, cache.get(point.name()))));
                    assertThat(found.item(layer, i)).isCloseTo(metric.of(logits), Offset.offset(1e-4));
                }
            }
        }
        // Before any layer the two runs differ in one token; patching it is the clean run.
        Tensor residual = ActivationPatching.of(model, corrupt, cache, metric)
                .run(Sweep.RESID_PRE)
                .values();
        assertThat(residual.select(0, 0).max().item()).isCloseTo(metric.ofRun(model, clean), Offset.offset(1e-4));
    }

    @Test
    void aPromptIsTestedTokenByToken() {
        TestPrompt result = TestPrompt.run(model, "The capital of France is", "Paris", 3);
        assertThat(result.prompt()).containsExactly("<|endoftext|>", "The", " capital", " of", " France", " is");
        assertThat(result.steps()).hasSize(1);
        TestPrompt.Step step = result.steps().get(0);
        assertThat(step.rank()).isZero();
        assertThat(step.answer().token()).isEqualTo(" Paris");
        assertThat(step.top()).hasSize(3);
        assertThat(step.top().get(0)).isEqualTo(step.answer());
        Tensor last = model.forward("The capital of France is").get(0, -1);
        long paris = model.toSingleToken(" Paris");
        assertThat(step.answer().logit()).isCloseTo(last.item(paris), Offset.offset(1e-4));
        assertThat(step.answer().probability()).isCloseTo(last.softmax(0).item(paris), Offset.offset(1e-5));
        assertThat(result.report()).contains("Answer token | Paris|: rank 0").contains("top 2");
    }

    @Test
    void longAnswersAreTestedAfterTheirOwnBeginning() {
        TestPrompt result = TestPrompt.run(model, "Monday,", " Tuesday, Wednesday", 2);
        assertThat(result.steps()).hasSizeGreaterThan(2);
        Tokens all = model.toTokens("Monday, Tuesday, Wednesday");
        Tensor logits = model.forward(all);
        int steps = result.steps().size();
        for (int i = 0; i < steps; i++) {
            int position = all.positions() - steps + i;
            double expected = logits.item(0, position - 1, all.id(0, position));
            assertThat(result.steps().get(i).answer().logit()).isCloseTo(expected, Offset.offset(1e-4));
        }
        assertThat(TestPrompt.run(model, "Monday,", "Tuesday", 1, false)
                        .steps()
                        .get(0)
                        .answer()
                        .token())
                .doesNotStartWith(" ");
    }

    @Test
    void theLossOnTextsIsTheMeanOverAllTheirTokens() {
        List<String> texts = List.of("The capital of France is Paris.", "Monday, Tuesday, Wednesday, Thursday");
        List<Long> told = new ArrayList<>();
        TextLoss both = TextLoss.of(model, texts, 64, 8, (done, total) -> told.add(done));
        double sum = 0;
        long count = 0;
        for (String text : texts) {
            int tokens = model.toTokens(text).positions() - 1;
            sum += model.loss(text) * tokens;
            count += tokens;
        }
        assertThat(both.tokens()).isEqualTo(count);
        assertThat(both.loss()).isCloseTo(sum / count, Offset.offset(1e-5));
        assertThat(both.perplexity()).isCloseTo(Math.exp(sum / count), Offset.offset(1e-3));
        assertThat(told).containsExactly(2L);
        assertThat(TextLoss.of(model, texts, 64, 1, Progress.NONE).loss()).isCloseTo(both.loss(), Offset.offset(1e-5));
    }

    @Test
    void longTextsAreCutIntoPiecesOfTheContext() {
        String text = String.join(" ", Collections.nCopies(40, "Monday, Tuesday,"));
        int tokens = model.toTokens(text, false).positions();
        TextLoss loss = TextLoss.of(model, List.of(text), 33, 4, Progress.NONE);
        // 32 tokens after BOS in each piece, and all of them are predicted.
        assertThat(tokens).isGreaterThan(64);
        assertThat(loss.tokens()).isEqualTo(tokens);
        assertThatThrownBy(() -> TextLoss.of(model, List.of(""), 64, 4, Progress.NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("nothing to predict");
    }

    @Test
    void aTokenizerThatPutsASpaceInFrontItselfHasNamesAndAnswersOfOneToken() {
        // The ids are those of transformers 5.18 on the fixture; 289 is a space by itself.
        try (HookedTransformer spaces =
                Models.load(Fixtures.directory(Fixtures.LLAMA_SPACES).toString())) {
            IoiDataset data = IoiDataset.generate(spaces, 8, 3);
            assertThat(data.prompts()).hasSize(8);
            assertThat(data.answers()).doesNotContain(289).hasSize(8);
            assertThat(data.clean().batch()).isEqualTo(8);
            TestPrompt tried = TestPrompt.run(spaces, "Once upon a", "time", 1);
            assertThat(tried.steps()).hasSize(1);
            assertThat(tried.steps().get(0).answer().token()).isEqualTo(" time");
            assertThat(TestPrompt.run(spaces, "Once upon a", " time", 1).steps())
                    .isEqualTo(tried.steps());
            assertThat(TestPrompt.run(spaces, "Once upon a", "off", 1, false).steps())
                    .as("as it is, without a space")
                    .extracting(step -> step.answer().token())
                    .containsExactly("o", "f", "f");
            assertThatThrownBy(() -> TestPrompt.run(spaces, "Once", "", 1, false))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("answer is empty");
        }
    }

    @Test
    void severalAnswersAreComparedByTheirFirstTokens() {
        String prompt = "When Mary and John went to the store, John gave a drink to";
        TestPrompt both = TestPrompt.run(model, prompt, List.of("John", "Mary"), 2);
        assertThat(both.steps()).extracting(step -> step.answer().token()).containsExactly(" John", " Mary");
        TestPrompt mary = TestPrompt.run(model, prompt, "Mary", 2);
        assertThat(both.steps().get(1)).isEqualTo(mary.steps().get(0));
        assertThat(both.steps().get(1).rank()).isZero();
        assertThat(both.steps().get(0).rank()).isPositive();
        assertThat(both.prompt()).isEqualTo(mary.prompt());
        assertThatThrownBy(() -> TestPrompt.run(model, prompt, List.of("Mary", " Mary"), 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("can't tell them apart");
        assertThatThrownBy(() -> TestPrompt.run(model, prompt, List.of(), 2)).hasMessageContaining("no answers");
    }
}
