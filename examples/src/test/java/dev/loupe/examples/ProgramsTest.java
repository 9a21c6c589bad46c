package dev.loupe.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
    void patchingAttributionAndAblationFindTheHeadThatMovesTheName() throws Exception {
        List<String> lines = run("IoiPatching");
        assertThat(lines)
                .startsWith(
                        "Each head's output at all positions [layer 4, head 4]",
                        "               H0       H1       H2       H3")
                .contains("2_mlp_out writes 15.67 for Mary", "Zero ablation of heads [layer 4, head 4]");
        // In layer 0 it is head 1 whose output brings the answer back, and without which most of it is lost.
        assertThat(numbers(lines.get(2)))
                .satisfies(row -> assertThat(row.get(1)).isCloseTo(0.997, within(0.002)));
        assertThat(numbers(lines.get(11)))
                .satisfies(row -> assertThat(row.get(1)).isCloseTo(9.72, within(0.01)));
    }

    private static List<Double> numbers(String line) {
        return Arrays.stream(line.trim().split("\\s+"))
                .skip(1)
                .map(Double::valueOf)
                .toList();
    }

    @Test
    void theFourHeadsOfLayerOneAreInductionHeads() throws Exception {
        assertThat(run("InductionHeads"))
                .containsExactly(
                        "look at the token before: [z of layer 0 head 2]",
                        "induction heads: [z of layer 1 head 0, z of layer 1 head 1, z of layer 1 head 2,"
                                + " z of layer 1 head 3]",
                        "loss on the second half: 0.57",
                        "without the induction heads: 7.71");
    }

    @ParameterizedTest
    @ValueSource(strings = {"IoiPatching", "InductionHeads", "Steering"})
    void aProgramIsShort(String program) throws IOException {
        List<String> code = Files.readAllLines(SOURCES.resolve(program + ".java")).stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.matches("(package|import|/\\*|\\*|//).*"))
                .toList();
        // Whole files, with what the formatter breaks; the programs themselves have up to 25.
        assertThat(code).hasSizeLessThanOrEqualTo(30);
        int first = code.indexOf("public static void main(String[] args) {");
        assertThat(code.subList(first + 1, code.size()).stream().filter(line -> line.length() > 1))
                .hasSizeLessThanOrEqualTo(25);
    }

    @Test
    void thePagesOfTheGalleryAreWritten() throws Exception {
        List<String> lines = run("Gallery", folder.toString());
        assertThat(lines)
                .containsExactly(
                        "Wrote lens.html",
                        "Wrote lens-long.html",
                        "Wrote attention.html",
                        "Wrote patching.html",
                        "Wrote ablation.html",
                        "Wrote steering.html",
                        "Wrote heads.html");
        // The toy's 16 patterns of 115 tokens, lens and attribution.
        assertThat(Files.size(folder.resolve("lens-long.html"))).isLessThan(500_000);
        assertThat(Files.readString(folder.resolve("steering.html"))).contains("Rome", "\"boundary\":6");
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
