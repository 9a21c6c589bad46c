package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.HostTensor;
import dev.loupe.conformance.kit.Deviations;
import dev.loupe.conformance.kit.Reproduction;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.kit.TestSelection;
import dev.loupe.conformance.report.Report;
import dev.loupe.graph.Op;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is known to be broken is listed with a reason, or fails. */
class DeviationsTest {

    @TempDir
    private Path reports;

    /** A mutant whose file of deviations lists its fault. */
    private static final class Listed extends Fault {
        private final Fault fault;

        Listed(Fault fault) {
            this.fault = fault;
        }

        @Override
        String id() {
            return "mutant-listed";
        }

        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return fault.compute(op, inputs, sound);
        }
    }

    @Test
    void aListedFailureRunsAndDoesNotFailTheKit() {
        MutantProvider.inflict(new Listed(new OperationFaults.OneGeluForTheOther()));
        KitRun run = KitRun.of(MutantConformance.class, "3.14", reports);
        assertThat(run.failures).isEmpty();
        assertThat(run.aborted)
                .hasSize(2)
                .allSatisfy(message -> assertThat(message).contains("Known deviation:", "Rule 3.14 ", "gelu_tanh"))
                .anySatisfy(message -> assertThat(message).contains("https://example.org/mutant/issues/7"));
        assertThat(reports.resolve("conformance-report.md"))
                .content()
                .contains("deviation: gelu_tanh/float32: it takes one GELU for the other", "2 known deviations");
    }

    @Test
    void aListedTestThatPassesFails() {
        MutantProvider.inflict(new Listed(Fault.NONE));
        KitRun run = KitRun.of(MutantConformance.class, "3.14", reports);
        assertThat(run.failures)
                .hasSize(2)
                .allSatisfy(message -> assertThat(message)
                        .contains("passes, but META-INF/loupe/deviations/mutant-listed.txt:", "delete that line"));
    }

    @Test
    void anEntryThatMatchesNoTestFails() {
        Deviations deviations = Deviations.parse("3.99/matmul  a rule that is gone\n", "acme.txt");
        Session session = new Session(Reproduction.ofClass(getClass()), 1, TestSelection.ALL, deviations, new Report());
        List<DynamicTest> tests =
                session.deviationTests().map(DynamicTest.class::cast).toList();
        assertThat(tests).hasSize(1);
        assertThatThrownBy(() -> tests.get(0).getExecutable().execute())
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("acme.txt:1")
                .hasMessageContaining("3.99/matmul")
                .hasMessageContaining("matches no test");
    }

    @Test
    void anEntryWithoutAReasonIsRefused() {
        assertThatThrownBy(() -> Deviations.parse("# fine\n3.6\n", "acme.txt"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("acme.txt:2")
                .hasMessageContaining("without a reason");
    }

    @AfterEach
    void cureTheMutant() {
        MutantProvider.inflict(Fault.NONE);
    }
}
