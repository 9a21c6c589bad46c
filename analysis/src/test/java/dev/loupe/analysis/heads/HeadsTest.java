package dev.loupe.analysis.heads;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.analysis.heads.HeadScores.ErrorMeasure;
import dev.loupe.analysis.support.Golden;
import dev.loupe.analysis.support.Models;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HeadsTest {

    private static final Offset<Double> ROUNDING = Offset.offset(1e-6);

    private Golden golden;
    private HookedTransformer llama;
    // a b c a b d: a and b come twice.
    private final Tokens tokens = Tokens.of(new long[] {3, 4, 5, 3, 4, 6});
    private ActivationCache cache;

    @BeforeAll
    void load() {
        golden = new Golden(Fixtures.GPT2);
        llama = Models.load("toy-llama");
        cache = golden.model().runWithCache(tokens).cache();
    }

    @AfterAll
    void close() {
        golden.close();
        llama.close();
    }

    private double attention(int layer, int head, int query, int key) {
        return cache.get("pattern", layer).item(0, head, query, key);
    }

    @Test
    void scoresAreTheAttentionSpentOnWhatTheyLookFor() {
        HeadScores scores = HeadScores.of(cache);
        Tensor previous = scores.previousToken(tokens);
        Tensor duplicate = scores.duplicateToken(tokens);
        Tensor induction = scores.induction(tokens);
        for (int layer = 0; layer < 3; layer++) {
            for (int head = 0; head < 3; head++) {
                double steps = 0;
                for (int query = 1; query < 6; query++) {
                    steps += attention(layer, head, query, query - 1);
                }
                assertThat(previous.item(layer, head)).isCloseTo(steps / 5, ROUNDING);
                double same = attention(layer, head, 3, 0) + attention(layer, head, 4, 1);
                assertThat(duplicate.item(layer, head)).isCloseTo(same / 2, ROUNDING);
                double after = attention(layer, head, 3, 1) + attention(layer, head, 4, 2);
                assertThat(induction.item(layer, head)).isCloseTo(after / 2, ROUNDING);
            }
        }
    }

    @Test
    void detectingAHeadIsTheShareOfItsAttentionOrItsDistance() {
        HeadScores scores = HeadScores.of(cache);
        DetectionPattern pattern = DetectionPattern.previousToken(tokens);
        double on = 0;
        double onWithoutBos = 0;
        double all = 0;
        double apart = 0;
        for (int query = 0; query < 6; query++) {
            for (int key = 0; key <= query; key++) {
                double value = attention(1, 2, query, key);
                boolean wanted = key == query - 1;
                on += wanted ? value : 0;
                onWithoutBos += wanted && key > 0 ? value : 0;
                all += key > 0 && key != query ? value : 0;
                apart += Math.abs(value - (wanted ? 1 : 0));
            }
        }
        // All attention together is 1 for each of the 6 queries.
        assertThat(scores.detectHead(pattern, false, false, ErrorMeasure.MUL).item(1, 2))
                .isCloseTo(on / 6, ROUNDING);
        assertThat(scores.detectHead(pattern, true, true, ErrorMeasure.MUL).item(1, 2))
                .isCloseTo(onWithoutBos / all, ROUNDING);
        assertThat(scores.detectHead(pattern, false, false, ErrorMeasure.ABS).item(1, 2))
                .isCloseTo(1 - apart / 6, ROUNDING);
    }

    @Test
    void headsAreRankedByTheirScoresTheEarlierFirstAndWhatIsNoNumberLast() {
        Tensor scores = llama.tensors().of(new float[] {0.25f, Float.NaN, 0.5f, 0.25f}, 2, 2);
        assertThat(RankedHead.of(scores)).extracting(RankedHead::name).containsExactly("L1H0", "L0H0", "L1H1", "L0H1");
    }

    @Test
    void aPatternOfOnesOwnCanBeLookedFor() {
        double[][] first = new double[6][6];
        for (double[] row : first) {
            row[0] = 1;
        }
        Tensor found = HeadScores.of(cache).attentionOn(DetectionPattern.of(new double[][][] {first}));
        double sum = 0;
        for (int query = 0; query < 6; query++) {
            sum += attention(2, 0, query, 0);
        }
        assertThat(found.item(2, 0)).isCloseTo(sum / 6, ROUNDING);
        first[1][4] = 1;
        assertThatThrownBy(() -> DetectionPattern.of(new double[][][] {first})).hasMessageContaining("1 to 4");
    }

    @Test
    void attentionToChosenPositionsIsAddedUp() {
        Tensor found = HeadScores.of(cache).attentionTo(-1, 0, -2);
        assertThat(found.item(0, 1)).isCloseTo(attention(0, 1, 5, 0) + attention(0, 1, 5, 4), ROUNDING);
        assertThatThrownBy(() -> HeadScores.of(cache).attentionTo(6, 0)).hasMessageContaining("position 6");
    }

    @Test
    void paddingNeitherLooksNorIsLookedFor() {
        Tokens padded = Tokens.pad(java.util.List.of(tokens.row(0), new long[] {3, 3, 3}), 3, false);
        ActivationCache both = golden.model().runWithCache(padded).cache();
        Tensor alone = HeadScores.of(golden.model()
                        .runWithCache(Tokens.of(new long[] {3, 3, 3}))
                        .cache())
                .duplicateToken(Tokens.of(new long[] {3, 3, 3}));
        Tensor first = HeadScores.of(cache).duplicateToken(tokens);
        Tensor found = HeadScores.of(both).duplicateToken(padded);
        assertThat(found.maxAbsDifference(first.add(alone).mul(0.5))).isLessThan(1e-6);
    }

    @Test
    void repeatedTokensShowTheInductionHeadsOfToyLlama() {
        Tokens repeated = RepeatedTokens.random(llama, 20, 4, 7);
        assertThat(repeated.positions()).isEqualTo(41);
        assertThat(repeated.row(0)[0]).isZero();
        assertThat(Arrays.copyOfRange(repeated.row(2), 1, 21)).isEqualTo(Arrays.copyOfRange(repeated.row(2), 21, 41));
        assertThat(RepeatedTokens.random(llama, 20, 4, 7)).isEqualTo(repeated);
        HeadScores scores = HeadScores.of(
                llama.runWithCache(repeated, HookFilter.glob("*pattern")).cache());
        Tensor induction = scores.induction(repeated);
        // The model's description gives 0.72 to 0.89 for all four heads of layer 1.
        for (int head = 0; head < 4; head++) {
            assertThat(induction.item(1, head)).isBetween(0.65, 0.95);
        }
        assertThat(scores.previousToken(repeated).select(0, 0).max().item()).isGreaterThan(0.5);
        assertThatThrownBy(() -> RepeatedTokens.random(llama, 100000, 1, 1))
                .hasMessageContaining(String.valueOf(llama.config().nCtx()));
    }

    @Test
    void tokensOfAnotherRunAreRefused() {
        assertThatThrownBy(() -> HeadScores.of(cache).previousToken(Tokens.of(new long[] {1, 2})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[1, 2]")
                .hasMessageContaining("[1, 3, 6, 6]");
        ActivationCache little =
                golden.model().runWithCache(tokens, HookFilter.names("z0")).cache();
        assertThatThrownBy(() -> HeadScores.of(little).previousToken(tokens))
                .hasMessageContaining("blocks.0.attn.hook_pattern")
                .hasMessageContaining("blocks.*.attn.hook_pattern");
    }

    @Test
    void patternsAndScoresAreDrawn() {
        String html = HeadViews.patterns(cache, 0, java.util.List.of("a", "b", "c", "a", "b", "d"))
                .toHtml();
        assertThat(html).contains("\"name\":\"L2H1\"");
        assertThat(HeadViews.scores("Previous token", HeadScores.of(cache).previousToken(tokens))
                        .toSvg())
                .contains("Previous token");
    }
}
