package dev.loupe.analysis.factored;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.analysis.factored.Circuits.Composition;
import dev.loupe.analysis.support.Golden;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CircuitsTest {

    static List<String> fixtures() {
        return Fixtures.names();
    }

    private static void assertMatches(Golden golden, String name, Tensor found) {
        Tensor expected = golden.tensor("proc." + name);
        assertThat(found.shape()).as(name).isEqualTo(expected.shape());
        assertThat(found.maxAbsDifference(expected)).as(name).isLessThan(Golden.TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void singularValuesNormsAndEigenvaluesAreThoseOfTheGoldens(String fixture) {
        try (Golden golden = new Golden(fixture)) {
            assertMatches(golden, "OV.svd.S", Circuits.OV(golden.model()).S());
            assertMatches(golden, "QK.AB.norm", Circuits.QK(golden.model()).norm());
            assertMatches(
                    golden,
                    "OV.eigenvalues.abs.sorted",
                    Circuits.OV(golden.model()).eigenvalues().abs());
        }
    }

    @Test
    void compositionScoresAreThoseOfTheGoldens() {
        try (Golden golden = new Golden(Fixtures.GPT2)) {
            for (Composition kind : Composition.values()) {
                assertMatches(
                        golden, "composition_scores." + kind, Circuits.allCompositionScores(golden.model(), kind));
            }
        }
    }

    @Test
    void headsAreLabelledByLayerAndHead() {
        try (Golden golden = new Golden(Fixtures.GPT2)) {
            assertThat(Circuits.headLabels(golden.model().config()))
                    .isEqualTo(golden.labels("stack_head_results.labels"));
        }
    }

    @Test
    void theInterpreterShowsWhatTheStrongestDirectionsWrite() {
        try (Golden golden = new Golden(Fixtures.GPT2)) {
            SvdInterpreter interpreter = new SvdInterpreter(golden.model());
            SvdInterpreter.Reading ov = interpreter.ov(1, 2, 3);
            FactoredMatrix head = Circuits.OV(golden.model()).get(1, 2);
            Tensor expected = head.V()
                    .transpose(0, 1)
                    .slice(0, 0, 3)
                    .matmul(golden.model().W_U());
            assertThat(ov.logits().maxAbsDifference(expected)).isLessThan(1e-5);
            assertThat(ov.singularValues().maxAbsDifference(head.S().slice(0, 0, 3)))
                    .isLessThan(1e-5);
            // An MLP's decomposition rebuilds its weights' norm.
            Tensor all = interpreter.wOut(0, golden.model().config().dModel()).singularValues();
            assertThat(all.norm().item())
                    .isCloseTo(
                            golden.model().W_out().select(0, 0).norm().item(),
                            org.assertj.core.data.Offset.offset(1e-4));
            assertThat(interpreter.wIn(0, 2).logits().shape().toArray())
                    .containsExactly(2, golden.model().config().dVocab());
        }
    }
}
