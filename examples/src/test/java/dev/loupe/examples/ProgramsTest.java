package dev.loupe.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs each program as its reader would: {@code java File.java}. Numbers are printed to two digits or three. */
class ProgramsTest {

    private static final Path SOURCES = Path.of("src", "main", "java", "dev", "loupe", "examples");

    @TempDir
    private Path folder;

    private List<String> run(String program, String... arguments) throws IOException, InterruptedException {
        Path out = folder.resolve("out.txt");
        Path err = folder.resolve("err.txt");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx1g",
                "-cp",
                System.getProperty("java.class.path"),
                SOURCES.resolve(program + ".java").toString()));
        command.addAll(Arrays.asList(arguments));
        Process process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES))
                    .as("%s ends", program)
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.exitValue()).as(Files.readString(err)).isZero();
        return Files.readAllLines(out);
    }

    @Test
    void theLogitLensSeesParisBecomeTheAnswer() throws Exception {
        Path page = folder.resolve("lens.html");
        List<String> lines = run("LogitLensExample", page.toString());
        assertThat(lines).hasSize(6);
        assertThat(lines.get(0)).isEqualTo("The capital of France is");
        assertThat(lines.get(1)).startsWith("0_pre      Paris: probability 0.000, rank 131 ");
        assertThat(lines.get(4)).startsWith("3_pre      Paris: probability 0.07");
        assertThat(lines.get(5)).startsWith("final_post Paris: probability 0.993, rank 0   best: [ Paris, ");
        assertThat(Files.readString(page)).contains("Logit lens");
    }

    @Test
    void patchingFindsTheHeadThatMovesTheName() throws Exception {
        List<String> lines = run("IoiPatching");
        assertThat(lines.get(0)).isEqualTo("logit difference Mary - John: clean 19.11, corrupt -21.93");
        assertThat(lines.get(1)).isEqualTo("L0H1 brings back 1.00");
        assertThat(lines.get(2)).isEqualTo("L2H2 brings back 0.02");
        assertThat(lines.subList(5, 9))
                .containsExactly(
                        "from the last token, L0H1 looks at",
                        "  10: John  0.54",
                        "   4: John  0.12",
                        "   2: Mary  0.10");
        assertThat(lines.get(9)).isEqualTo("what speaks most for Mary is 2_mlp_out: 15.67");
    }

    @Test
    void theFourHeadsOfLayerOneAreInductionHeads() throws Exception {
        assertThat(run("InductionHeads"))
                .containsExactly(
                        "L0H2 looks at the token before: 0.61",
                        "L1H0 is an induction head: 0.93",
                        "L1H1 is an induction head: 0.92",
                        "L1H2 is an induction head: 0.89",
                        "L1H3 is an induction head: 0.77",
                        "loss on the second half: 0.57",
                        "without the induction heads:  7.71");
    }

    @Test
    void aProbeReadsTheNumberOfSubjectsThatItNeverSaw() throws Exception {
        List<String> lines = run("LinearProbe", folder.resolve("probe").toString());
        assertThat(lines).hasSize(4).allSatisfy(line -> assertThat(line).contains("on 108 sentences"));
        assertThat(lines.get(3)).startsWith("blocks.3.hook_resid_post: accuracy ");
    }

    @Test
    void aSteeringVectorMovesTheCapital() throws Exception {
        assertThat(run("Steering"))
                .containsExactly(
                        "The capital of France is ...",
                        "  as it is:     The capital of France is Paris.",
                        "  Italy x 0.5:  The capital of France is Paris.",
                        "  Italy x 1.0:  The capital of France is Rome.",
                        "  Italy x 2.0:  The capital of France is Rome.",
                        "The capital of Spain is ...",
                        "  as it is:     The capital of Spain is Madrid.",
                        "  Italy x 0.5:  The capital of Spain is Madrid.",
                        "  Italy x 1.0:  The capital of Spain is Madrid.",
                        "  Italy x 2.0:  The capital of Spain is Rome.");
    }
}
