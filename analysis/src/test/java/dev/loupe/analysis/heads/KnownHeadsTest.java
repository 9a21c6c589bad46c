package dev.loupe.analysis.heads;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.heads.HeadScores.ErrorMeasure;
import dev.loupe.analysis.patching.Ablation;
import dev.loupe.analysis.patching.Component;
import dev.loupe.analysis.support.Golden;
import dev.loupe.analysis.support.Models;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Scores of heads whose kind is known: those that are made to look somewhere, and those of the bundled models. */
class KnownHeadsTest {

    private static final Offset<Double> ROUNDING = Offset.offset(1e-6);
    private static final int LENGTH = 20;
    private static final long SEED = 7;

    /** Four heads of layer 1: the toy models' description calls all of them induction heads. */
    private static final List<String> INDUCTION_HEADS = List.of("L1H0", "L1H1", "L1H2", "L1H3");

    // a b c a b d: the queries at 3 and 4 have something to repeat, after 1 and 2.
    private static final Tokens TOKENS = Tokens.of(new long[] {3, 4, 5, 3, 4, 6});

    private static float[] pattern(double onPrevious, double onInduction) {
        float[] pattern = new float[36];
        for (int query = 0; query < 6; query++) {
            double rest = 1;
            if (query > 0) {
                pattern[query * 6 + query - 1] += (float) onPrevious;
                rest -= onPrevious;
            }
            if (query == 3 || query == 4) {
                pattern[query * 6 + query - 2] += (float) onInduction;
                rest -= onInduction;
            }
            pattern[query * 6 + query] += (float) rest;
        }
        return pattern;
    }

    /** A run whose layer 0 has a previous-token head, one that is half of one, and an induction head. */
    private static ActivationCache madeHeads(HookedTransformer model) {
        float[] heads = new float[108];
        System.arraycopy(pattern(1, 0), 0, heads, 0, 36);
        System.arraycopy(pattern(0.5, 0), 0, heads, 36, 36);
        System.arraycopy(pattern(0, 1), 0, heads, 72, 36);
        return model.run(RunRequest.of(TOKENS)
                        .feed("blocks.0.attn.hook_pattern", model.tensors().of(heads, 1, 3, 6, 6))
                        .observe(HookFilter.glob("*hook_pattern"))
                        .build())
                .cache();
    }

    private static void assertLayer0(Tensor scores, double first, double second, double third) {
        assertThat(scores.item(0, 0)).isCloseTo(first, ROUNDING);
        assertThat(scores.item(0, 1)).isCloseTo(second, ROUNDING);
        assertThat(scores.item(0, 2)).isCloseTo(third, ROUNDING);
    }

    @Test
    void headsThatAreMadeToLookSomewhereGetTheScoresThatFollow() {
        try (Golden golden = new Golden(Fixtures.GPT2)) {
            HeadScores scores = HeadScores.of(madeHeads(golden.model()));
            assertLayer0(scores.previousToken(TOKENS), 1, 0.5, 0);
            assertLayer0(scores.induction(TOKENS), 0, 0, 1);
            assertLayer0(scores.duplicateToken(TOKENS), 0, 0, 0);
            DetectionPattern previous = DetectionPattern.previousToken(TOKENS);
            // Five of six queries have a token before; the first can look at itself only.
            assertLayer0(scores.detectHead(previous, false, false, ErrorMeasure.MUL), 5 / 6.0, 2.5 / 6, 0);
            // Of the attention that isn't on the token itself, both look at nothing else.
            assertLayer0(scores.detectHead(previous, false, true, ErrorMeasure.MUL), 1, 1, 0);
            // A half-way head is off by a half at either of two keys, five times, and by 1 at the first query. The last
            // one is off by 2 at five queries and by 1 at the first.
            assertLayer0(scores.detectHead(previous, false, false, ErrorMeasure.ABS), 5 / 6.0, 0, -5 / 6.0);
            // Without the token itself: off by nothing, by a half five times, and by 1 + 1, 1 + 1, 1, 1, 1.
            assertLayer0(scores.detectHead(previous, false, true, ErrorMeasure.ABS), 1, 1 - 2.5 / 6, 1 - 7 / 6.0);
            DetectionPattern induction = DetectionPattern.induction(TOKENS);
            assertLayer0(scores.detectHead(induction, false, false, ErrorMeasure.MUL), 0, 0, 2 / 6.0);
            assertLayer0(scores.detectHead(induction, false, true, ErrorMeasure.MUL), 0, 0, 1);
            // At queries 2 to 5 the first head is off by 1, 2, 2 and 1; the second by a half for each key before, and
            // by
            // 1 for each key that it misses.
            assertLayer0(scores.detectHead(induction, true, true, ErrorMeasure.ABS), 1 - 6 / 6.0, 1 - 4 / 6.0, 1);
        }
    }

    private static List<String> best(Tensor scores, int count) {
        int heads = (int) scores.size(1);
        return IntStream.range(0, (int) scores.elements())
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -scores.item(i / heads, i % heads)))
                .limit(count)
                .map(i -> "L" + i / heads + "H" + i % heads)
                .toList();
    }

    private static ActivationCache patterns(HookedTransformer model, Tokens tokens) {
        return model.runWithCache(tokens, HookFilter.glob("*hook_pattern")).cache();
    }

    @ParameterizedTest
    @EnumSource(ErrorMeasure.class)
    void theInductionHeadsOfToyLlamaAreDetected(ErrorMeasure measure) {
        try (HookedTransformer llama = Models.load("toy-llama")) {
            Tokens repeated = RepeatedTokens.random(llama, LENGTH, 4, SEED);
            HeadScores scores = HeadScores.of(patterns(llama, repeated));
            DetectionPattern pattern = DetectionPattern.induction(repeated);
            for (boolean exclude : new boolean[] {false, true}) {
                Tensor detected = scores.detectHead(pattern, exclude, exclude, measure);
                assertThat(best(detected, 4)).containsExactlyInAnyOrderElementsOf(INDUCTION_HEADS);
            }
            assertThat(best(scores.induction(repeated), 4)).containsExactlyInAnyOrderElementsOf(INDUCTION_HEADS);
        }
    }

    @ParameterizedTest
    @EnumSource(ErrorMeasure.class)
    void aPreviousTokenHeadOfToyLlamaIsDetectedInItsFirstLayer(ErrorMeasure measure) {
        try (HookedTransformer llama = Models.load("toy-llama")) {
            Tokens repeated = RepeatedTokens.random(llama, LENGTH, 4, SEED);
            HeadScores scores = HeadScores.of(patterns(llama, repeated));
            Tensor detected = scores.detectHead(DetectionPattern.previousToken(repeated), false, false, measure);
            assertThat(best(detected, 1)).first().asString().startsWith("L0");
            assertThat(best(scores.previousToken(repeated), 2)).allMatch(head -> head.startsWith("L0"));
        }
    }

    @Test
    void inductionIsWeakInToyGpt2() {
        try (HookedTransformer gpt2 = Models.load("toy-gpt2")) {
            Tokens repeated = RepeatedTokens.random(gpt2, LENGTH, 4, SEED);
            Tensor induction = HeadScores.of(patterns(gpt2, repeated)).induction(repeated);
            assertThat(induction.max().item()).isLessThan(0.2);
        }
    }

    /** How often the most likely token is the right one where the sequence repeats itself. */
    private static double repeats(HookedTransformer model, Tokens tokens, Component... without) {
        Tensor best = model.runWithHooks(tokens, Ablation.zero().interventions(model, tokens, without))
                .argmax(-1);
        int right = 0;
        int all = 0;
        for (int row = 0; row < tokens.batch(); row++) {
            // The first token of the second half can't be known.
            for (int position = tokens.positions() - LENGTH; position < tokens.positions() - 1; position++) {
                right += best.item(row, position) == tokens.id(row, position + 1) ? 1 : 0;
                all++;
            }
        }
        return (double) right / all;
    }

    private static Component[] headsOfLayer(int layer) {
        return IntStream.range(0, 4)
                .mapToObj(head -> Component.head(layer, head))
                .toArray(Component[]::new);
    }

    @Test
    void withoutItsInductionHeadsToyLlamaDoesNotRepeat() {
        try (HookedTransformer llama = Models.load("toy-llama")) {
            Tokens repeated = RepeatedTokens.random(llama, LENGTH, 4, SEED);
            // The toy models' description gives 0.99.
            assertThat(repeats(llama, repeated)).isGreaterThan(0.95);
            assertThat(repeats(llama, repeated, headsOfLayer(1))).isLessThan(0.1);
            // As many heads elsewhere, for comparison.
            assertThat(repeats(llama, repeated, headsOfLayer(2))).isGreaterThan(0.9);
            assertThat(repeats(llama, repeated, headsOfLayer(3))).isGreaterThan(0.9);
        }
    }
}
