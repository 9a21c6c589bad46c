package dev.loupe.analysis.prediction;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.analysis.pages.LensPage;
import dev.loupe.analysis.prediction.NextTokens.Candidate;
import dev.loupe.analysis.prediction.NextTokens.Place;
import dev.loupe.analysis.residual.LogitDifference;
import dev.loupe.analysis.residual.LogitDifference.Part;
import dev.loupe.analysis.support.Models;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class PredictionTest {

    private static HookedTransformer model;

    @BeforeAll
    static void load() {
        model = Models.load("toy-gpt2");
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void candidatesAreTheLargestLogitsWithTheirSoftmax() {
        Tensor logits = model.tensors().of(new float[] {1, 3, 2, 0, 0, 0}, 1, 2, 3);
        Tokens tokens = Tokens.of(new long[] {7, 8});
        List<Place> everywhere = NextTokens.afterEveryToken(logits, tokens, 2);
        assertThat(everywhere).extracting(Place::position).containsExactly(0, 1);
        assertThat(everywhere).extracting(Place::after).containsExactly(7L, 8L);
        double sum = Math.exp(1) + Math.exp(3) + Math.exp(2);
        assertThat(everywhere.get(0).candidates()).extracting(Candidate::id).containsExactly(1L, 2L);
        assertThat(everywhere.get(0).candidates().get(0).probability()).isCloseTo(Math.exp(3) / sum, within(1e-6));
        assertThat(everywhere.get(0).candidates().get(1).logit()).isEqualTo(2);
        assertThat(NextTokens.afterEach(logits, tokens, 99).get(0).candidates())
                .hasSize(3)
                .allSatisfy(candidate -> assertThat(candidate.probability()).isCloseTo(1.0 / 3, within(1e-6)));
    }

    @Test
    void paddingIsNoPlace() {
        Tensor logits = model.tensors().of(new float[2 * 3 * 2], 2, 3, 2);
        Tokens tokens = Tokens.of(
                new long[][] {{5, 6, 0}, {0, 0, 9}}, new boolean[][] {{true, true, false}, {false, false, true}});
        assertThat(NextTokens.afterEveryToken(logits, tokens, 1))
                .extracting(Place::row, Place::position, Place::after)
                .containsExactly(tuple(0, 0, 5L), tuple(0, 1, 6L), tuple(1, 2, 9L));
        assertThat(NextTokens.afterEach(logits, tokens, 1))
                .extracting(Place::position)
                .containsExactly(1, 2);
    }

    @Test
    void logitsOfOtherTokensAreRefused() {
        Tensor logits = model.tensors().of(new float[6], 1, 3, 2);
        assertThatThrownBy(() -> NextTokens.afterEach(logits, Tokens.of(new long[] {1, 2}), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 positions");
    }

    @Test
    void aReportAccountsForTheWholeDifference() {
        Tokens tokens = model.toTokens("When Mary and John went to the store, John gave a drink to");
        try (CachedRun run = model.runWithCache(tokens)) {
            PredictionReport report = PredictionReport.of(run, tokens, 5);
            assertThat(model.toStrTokens(new long[] {report.predictions().get(0).id()}))
                    .containsExactly(" Mary");
            assertThat(report.predictions()).hasSize(5);
            assertThat(report.unattributed()).isCloseTo(0, within(1e-3));
            assertThat(report.contributions())
                    .isSortedAccordingTo(
                            (a, b) -> Double.compare(Math.abs(b.logitDifference()), Math.abs(a.logitDifference())))
                    .extracting(PredictionReport.Contribution::component)
                    .contains("L3H3", "b_U", "3_mlp_out", "embed");
            assertThat(report.lens().ranks().item(4, 0, -1, 0)).isZero();
            assertThat(report.heads()).hasSize(16);
            PredictionReport.HeadFocus focus = report.heads().get(4 * 2 + 1);
            assertThat(focus.layer()).isEqualTo(2);
            assertThat(focus.head()).isEqualTo(1);
            double[] row = run.cache().get("pattern", 2).get(0, 1, -1).toDoubleArray();
            assertThat(focus.weight()).isEqualTo(row[focus.position()]);
            assertThat(Arrays.stream(row).max()).hasValue(focus.weight());
        }
    }

    @Test
    void aBatchIsRefused() {
        Tokens two = Tokens.of(new long[][] {{1, 2}, {3, 4}});
        try (CachedRun run = model.runWithCache(two)) {
            assertThatThrownBy(() -> PredictionReport.of(run, two, 5)).hasMessageContaining("One sequence");
        }
    }

    @Test
    void eachSequenceOfABatchHasPartsThatAddUpToItsOwnDifference() {
        Tokens two = Tokens.of(new long[][] {{1, 2, 3}, {4, 5, 6}});
        try (CachedRun run = model.runWithCache(two)) {
            for (int row = 0; row < 2; row++) {
                List<Part> parts = LogitDifference.parts(run.cache(), row, 17, 23);
                Tensor last = run.logits().get(row, -1);
                assertThat(parts.stream().mapToDouble(Part::value).sum())
                        .isCloseTo(last.item(17) - last.item(23), within(1e-3));
                assertThat(parts)
                        .filteredOn(part -> part.head() >= 0)
                        .allSatisfy(part -> assertThat(part.name()).isEqualTo("L" + part.layer() + "H" + part.head()));
                assertThat(parts)
                        .filteredOn(part -> part.head() < 0 && part.layer() >= 0)
                        .hasSize(4)
                        .allSatisfy(part -> assertThat(part.name()).isEqualTo(part.layer() + "_mlp_out"));
            }
            assertThat(LensPage.of(run, two).html()).contains("What comes next");
        }
    }
}
