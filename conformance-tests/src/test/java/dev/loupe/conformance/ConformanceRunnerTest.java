package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The kit from a command line. */
class ConformanceRunnerTest {

    @TempDir
    private Path reports;

    private final StringWriter printed = new StringWriter();

    private ConformanceRunner.Result run(String backend, String only) {
        ConformanceRunner.Request request = new ConformanceRunner.Request(backend, "cpu", reports, 3, only);
        return ConformanceRunner.run(request, new PrintWriter(printed, true));
    }

    @Test
    void aBackendIsTestedByItsId() {
        ConformanceRunner.Result result = run("reference", "1,3.6");
        assertThat(result.conforms()).isTrue();
        assertThat(result.passed()).isGreaterThan(10);
        assertThat(printed.toString()).contains("discovery: done", "operations: done");
        assertThat(reports.resolve("conformance-report.md"))
                .content()
                .contains("- backend: reference", "- seed: 3", "| 3.6 | MUST |");
    }

    @Test
    void whatFailsIsPrinted() {
        MutantProvider.inflict(new OperationFaults.NegativeIndicesWrap());
        ConformanceRunner.Result result = run("mutant", "3.11");
        assertThat(result.conforms()).isFalse();
        assertThat(result.failed()).isPositive();
        assertThat(printed.toString())
                .contains("Rule 3.11 MUST", "intent:", "loupe conformance --backend mutant --device cpu --only 3.11/");
    }

    @Test
    void anUnknownBackendIsAnErrorThatListsTheKnown() {
        assertThatThrownBy(() -> run("acme", ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'acme'")
                .hasMessageContaining("'reference' is available");
    }

    @AfterEach
    void cureTheMutant() {
        MutantProvider.inflict(Fault.NONE);
    }
}
