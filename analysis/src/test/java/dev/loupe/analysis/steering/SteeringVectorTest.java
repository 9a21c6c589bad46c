package dev.loupe.analysis.steering;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.steering.SteeringVector.Take;
import dev.loupe.analysis.support.Models;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SteeringVectorTest {

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
    void theVectorIsTheMeanDifferenceOfTheResidualStream() {
        List<String> positive = List.of("The capital of France is", "Paris is in");
        List<String> negative = List.of("The capital of Italy is");
        SteeringVector last = SteeringVector.fromContrast(model, positive, negative, -2, Take.LAST);
        Tensor first =
                model.runWithCache(positive.get(0)).cache().get("resid_post", 2).get(0, -1);
        Tensor second =
                model.runWithCache(positive.get(1)).cache().get("resid_post", 2).get(0, -1);
        Tensor third =
                model.runWithCache(negative.get(0)).cache().get("resid_post", 2).get(0, -1);
        assertThat(last.layer()).isEqualTo(2);
        assertThat(last.direction().maxAbsDifference(first.add(second).mul(0.5).sub(third)))
                .isLessThan(1e-5);
        SteeringVector mean = SteeringVector.fromContrast(model, positive.subList(0, 1), negative, 2, Take.MEAN);
        Tensor expected = model.runWithCache(positive.get(0))
                .cache()
                .get("resid_post", 2)
                .get(0)
                .mean(0)
                .sub(model.runWithCache(negative.get(0))
                        .cache()
                        .get("resid_post", 2)
                        .get(0)
                        .mean(0));
        assertThat(mean.direction().maxAbsDifference(expected)).isLessThan(1e-5);
        assertThat(mean.normalized().direction().norm().item()).isCloseTo(1, Offset.offset(1e-6));
    }

    @Test
    void theInterventionAddsTheVectorAtEveryPositionOfItsLayers() {
        SteeringVector vector = SteeringVector.fromContrast(model, "Mary", "John", 1);
        String prompt = "When Mary and John went";
        Tensor found = model.runWithHooks(prompt, vector.interventions(3, 1, 2));
        Tensor push = vector.direction().mul(3);
        Tensor expected = model.runWithHooks(
                prompt,
                Hook.at("resid_post1", (residual, point) -> residual.add(push)),
                Hook.at("resid_post2", (residual, point) -> residual.add(push)));
        assertThat(found.maxAbsDifference(expected)).isZero();
    }

    @Test
    void steeringTowardsAnotherCapitalChangesTheAnswerAndTheContinuation() {
        String prompt = "The capital of France is";
        SteeringVector italy = SteeringVector.fromContrast(
                model, List.of("The capital of Italy is"), List.of("The capital of France is"), 1, Take.LAST);
        assertThat(model.generate(prompt, GenerateOptions.greedy(1))).endsWith(" Paris");
        assertThat(model.generate(prompt, GenerateOptions.greedy(1).withHooks(italy.interventionAt(1, -1))))
                .endsWith(" Rome");
        assertThat(model.generate(prompt, GenerateOptions.greedy(1).withHooks(italy.intervention(1))))
                .endsWith(" Rome");
    }

    @Test
    void chosenPositionsOfThePromptAreSteeredAlikeWithAndWithoutAKeyValueCache() {
        SteeringVector vector = SteeringVector.fromContrast(model, "Mary", "John", 0);
        String prompt = "Monday, Tuesday,";
        GenerateOptions options = GenerateOptions.greedy(6);
        for (long[] positions : new long[][] {{-1}, {0, 2}, {1}}) {
            String with = model.generate(prompt, options.withHooks(vector.interventionAt(8, positions)));
            String without = model.generate(
                    prompt, options.withKeyValueCache(false).withHooks(vector.interventionAt(8, positions)));
            assertThat(with).isEqualTo(without);
        }
        // What is generated isn't steered: a hand-made hook on the prompt alone says the same.
        Tensor push = vector.direction().mul(8);
        int length = model.toTokens(prompt).positions();
        Hook byHand = Hook.at(
                "resid_post0",
                (residual, point) -> residual.with(
                        at(all(), length - 1), residual.get(all(), length - 1).add(push)));
        assertThat(model.generate(prompt, options.withKeyValueCache(false).withHooks(byHand)))
                .isEqualTo(model.generate(prompt, options.withHooks(vector.interventionAt(8, -1))));
    }

    @Test
    void steeringAtPositionsDoesTheSameInEveryRun() {
        Intervention steered =
                SteeringVector.fromContrast(model, "Love", "Hate", 1).interventionAt(5, 1);
        String prompt = "I think dogs";
        Tensor plain = model.forward(prompt);
        Tensor first = model.runWithHooks(prompt, steered);
        Tensor second = model.runWithHooks(prompt, steered);
        assertThat(first.maxAbsDifference(plain)).isGreaterThan(1);
        assertThat(second.maxAbsDifference(first)).isZero();
        try (HookHandle handle = model.hooks(steered)) {
            assertThat(model.forward(prompt).maxAbsDifference(first)).isZero();
            assertThat(model.forward(prompt).maxAbsDifference(first)).isZero();
        }
        GenerateOptions options = GenerateOptions.greedy(4).withHooks(steered);
        assertThat(model.generate(prompt, options)).isEqualTo(model.generate(prompt, options));
    }

    @Test
    void positionsCountTheRealTokensOfEachPrompt() {
        Intervention steered =
                SteeringVector.fromContrast(model, "Love", "Hate", 1).interventionAt(5, 0, -1);
        List<String> prompts = List.of("I", "I think that dogs");
        Tokens right = model.toTokens(prompts);
        long pad = right.id(0, right.positions() - 1);
        Tokens left = Tokens.pad(List.of(right.realTokens(0), right.realTokens(1)), pad, true);
        for (int row = 0; row < 2; row++) {
            Tensor alone = model.runWithHooks(Tokens.of(right.realTokens(row)), steered)
                    .get(0, -1);
            assertThat(model.runWithHooks(right, steered)
                            .get(row, right.lastReal(row))
                            .maxAbsDifference(alone))
                    .isLessThan(1e-4);
            assertThat(model.runWithHooks(left, steered).get(row, -1).maxAbsDifference(alone))
                    .isLessThan(1e-4);
        }
    }

    @Test
    void theVectorAsDataDoesWhatTheHookDoes() {
        SteeringVector vector = SteeringVector.fromContrast(model, "Love", "Hate", 1);
        String prompt = "I think dogs";
        Tensor push = vector.direction().mul(3);
        Hook hook = Hook.at("resid_post1", (residual, point) -> residual.add(push));
        assertThat(model.runWithHooks(prompt, vector.intervention(3))
                        .maxAbsDifference(model.runWithHooks(prompt, hook)))
                .isLessThan(1e-5);
        assertThat(model.runWithHooks(prompt, vector.intervention(3).positions(1))
                        .maxAbsDifference(model.runWithHooks(prompt, vector.interventionAt(3, 1))))
                .isLessThan(1e-5);
    }

    @Test
    void aSavedVectorSteersAsItDidWhereverItsFilesAreMovedTo(@TempDir Path folder) throws IOException {
        SteeringVector vector = SteeringVector.fromContrast(model, "Love", "Hate", 1);
        Path file = folder.resolve("steer.json");
        Path numbers = vector.save(file, 2.5);
        Path moved = Files.createDirectory(folder.resolve("moved"));
        Files.move(file, moved.resolve("steer.json"));
        Files.move(numbers, moved.resolve(numbers.getFileName()));
        List<Intervention> read = Intervention.read(moved.resolve("steer.json"));
        String prompt = "I think dogs";
        assertThat(model.runWithHooks(prompt, read.toArray(new Intervention[0]))
                        .maxAbsDifference(model.runWithHooks(prompt, vector.intervention(2.5))))
                .isLessThan(1e-5);
        // A generation reads the file once: from its second step on it needs it no more.
        GenerateOptions options = GenerateOptions.greedy(4).withHooks(read.toArray(new Intervention[0]));
        String whole = model.generate(prompt, options);
        try (Generation steps = model.stream(model.toTokens(prompt), options)) {
            steps.next();
            Files.delete(moved.resolve(numbers.getFileName()));
            steps.forEachRemaining(token -> {});
            assertThat(model.toString(steps.tokens().get(0), true)).isEqualTo(whole);
        }
    }

    @Test
    void onesidedContrastsUnknownLayersAndPositionsAreRefused() {
        assertThatThrownBy(() -> SteeringVector.fromContrast(model, List.of(), List.of("a"), 0, Take.LAST))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("both sides");
        assertThatThrownBy(() -> SteeringVector.fromContrast(model, "a", "b", 4))
                .hasMessageContaining("4 layers");
        SteeringVector vector = SteeringVector.fromContrast(model, "Mary", "John", 0);
        assertThatThrownBy(() -> model.runWithHooks("Mary", vector.interventionAt(1, 9)))
                .hasMessageContaining("9");
    }
}
