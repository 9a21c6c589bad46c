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
                .contains("Rule 3.11 MUST", "intent:", "ConformanceRunner --backend mutant --device cpu --only 3.11/");
    }

    @Test
    void aToolsOwnLineIsNamedToSeeAFailureAgain() {
        MutantProvider.inflict(new OperationFaults.NegativeIndicesWrap());
        ConformanceRunner.Request request = new ConformanceRunner.Request("mutant", "cpu", reports, 3, "3.11");
        ConformanceRunner.run(request, "acme conformance --plugins acme.jar", new PrintWriter(printed, true));
        assertThat(printed.toString()).contains("reproduce: acme conformance --plugins acme.jar --only 3.11/");
    }

    @Test
    void theLineThatReproducesAFailureWorksAsItIsPrinted() {
        MutantProvider.inflict(new OperationFaults.NegativeIndicesWrap());
        run("mutant", "3.11");
        String line = printed.toString()
                .replaceAll("(?s).*?reproduce: java -cp \\S+ \\S+ConformanceRunner ([^\n]*)\n.*", "$1");
        StringWriter again = new StringWriter();
        String[] arguments = (line.strip() + " --report " + reports).split(" ", -1);
        assertThat(ConformanceRunner.run(arguments, new PrintWriter(again, true)))
                .isEqualTo(1);
        assertThat(again.toString()).contains("0 passed, 1 failed");
    }

    @Test
    void aKitIsRunByItsClassWithoutABuildTool() {
        String[] arguments = {
            "--kit", ReferenceConformanceTest.class.getName(), "--only", "1.1", "--report", reports.toString()
        };
        assertThat(ConformanceRunner.run(arguments, new PrintWriter(printed, true)))
                .isZero();
        assertThat(printed.toString()).contains("1 passed, 0 failed");
        assertThat(ConformanceRunner.run(new String[] {"--kit"}, new PrintWriter(printed, true)))
                .isEqualTo(2);
        assertThat(printed.toString()).contains("Usage: ");
    }

    @Test
    void anUnknownBackendIsAnErrorThatListsTheKnown() {
        assertThatThrownBy(() -> run("acme", ""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'acme'")
                .hasMessageContaining("'reference' is available");
    }

    @Test
    void aDeviceThatIsNotThereIsToldInsteadOfTried() {
        String[] arguments = {"--backend", "reference", "--device", "cuda", "--report", reports.toString()};
        assertThat(ConformanceRunner.run(arguments, new PrintWriter(printed, true)))
                .isEqualTo(2);
        assertThat(printed.toString()).contains("cuda").doesNotContain("failed");
    }

    @AfterEach
    void cureTheMutant() {
        MutantProvider.inflict(Fault.NONE);
    }
}
