package dev.loupe.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.examples.CodeBlocks.Block;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the pages of documentation say is true: their Java compiles, the tutorial prints what it says, links lead somewhere. */
class PagesOfDocumentationTest {

    private static final Path ROOT = Path.of("..");
    private static final String MARK = "-- end of step --";

    @TempDir
    private Path folder;

    private static List<Path> pages() throws IOException {
        try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
            List<Path> pages =
                    new ArrayList<>(docs.filter(file -> file.toString().endsWith(".md"))
                            .sorted()
                            .toList());
            for (String name : List.of("README.md", "CONTRIBUTING.md", "VERSIONING.md", "examples/README.md")) {
                pages.add(ROOT.resolve(name));
            }
            return pages;
        }
    }

    @Test
    void everyBlockOfJavaCompiles() throws IOException {
        List<Block> blocks = pages().stream()
                // Its steps are one program, below.
                .filter(page -> !page.endsWith("tutorial.md"))
                .flatMap(page -> CodeBlocks.of(page).stream())
                .filter(block -> block.language().equals("java"))
                // Spark isn't on the class path here: its module has its own tests.
                .filter(block -> !block.code().contains("SparkHarvest"))
                .toList();
        assertThat(blocks).hasSizeGreaterThan(10);
        assertThat(CodeBlocks.errors(blocks, folder)).isEmpty();
    }

    /** Ambiguous names of Loupe and of Java's own packages would be an error in the shell. */
    @Test
    void everyPublicTypeCanBeNamedInTheShell() {
        Block all = CodeBlocks.everyTypeOfTheShell();
        assertThat(all.code().lines()).hasSizeGreaterThan(150);
        assertThat(CodeBlocks.errors(List.of(all), folder)).isEmpty();
    }

    @Test
    void theTutorialPrintsWhatItSays() throws Exception {
        List<Block> blocks = CodeBlocks.of(ROOT.resolve("docs/tutorial.md"));
        List<Block> steps =
                blocks.stream().filter(block -> block.language().equals("java")).toList();
        assertThat(steps).hasSize(10);
        Path program = folder.resolve("Program.java");
        Files.writeString(program, CodeBlocks.program(steps, MARK));
        Path out = folder.resolve("out.txt");
        Path err = folder.resolve("err.txt");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx1g",
                        "-cp",
                        System.getProperty("java.class.path"),
                        program.toString())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.exitValue()).as(Files.readString(err)).isZero();
        List<String> printed = Arrays.stream(Files.readString(out).split(MARK + "\\R", -1))
                .map(String::strip)
                .limit(steps.size())
                .toList();
        List<String> written = blocks.stream()
                .filter(block -> block.language().equals("text"))
                .map(block -> block.code().strip())
                .toList();
        assertThat(printed).hasSameSizeAs(written);
        for (int step = 0; step < printed.size(); step++) {
            assertSame(step + 1, printed.get(step), written.get(step));
        }
    }

    /** Word for word, but numbers may differ by the last of two digits: rounding is another on another machine. */
    private static void assertSame(int step, String printed, String written) {
        String[] found = printed.split("\\s+");
        String[] expected = written.split("\\s+");
        assertThat(found).as("step %d: %s", step, printed).hasSameSizeAs(expected);
        for (int i = 0; i < found.length; i++) {
            if (found[i].matches("-?\\d+\\.\\d+") && expected[i].matches("-?\\d+\\.\\d+")) {
                assertThat(Double.parseDouble(found[i]))
                        .as("step %d: %s", step, printed)
                        .isCloseTo(
                                Double.parseDouble(expected[i]),
                                within(0.011 + 0.005 * Math.abs(Double.parseDouble(expected[i]))));
            } else {
                assertThat(found[i]).as("step %d: %s", step, printed).isEqualTo(expected[i]);
            }
        }
    }

    @Test
    void theTextsOfInterventionsReadBackAndRun() throws IOException {
        Pattern row = Pattern.compile("^\\| .* \\| `(.*)` \\|$", Pattern.MULTILINE);
        String page = Files.readString(ROOT.resolve("docs/interventions.md"));
        Matcher matcher =
                row.matcher(page.substring(page.indexOf("| TransformerLens hook"), page.indexOf("```java\nList<")));
        List<Intervention> all = new ArrayList<>();
        while (matcher.find()) {
            if (!matcher.group(1).startsWith("--")) {
                all.add(Intervention.parse(matcher.group(1).replace("\\|", "|")));
            }
        }
        assertThat(all).hasSizeGreaterThan(20);
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
            Tokens tokens = model.toTokens("When Mary and John went to the store, John gave");
            Tensor plain = model.forward(tokens);
            for (Intervention change : all) {
                assertThat(Intervention.parse(change.toString())).isEqualTo(change);
                if (!change.toString().contains("FILE") && !(change.action() instanceof Intervention.Stop)) {
                    assertThat(model.runWith(tokens, change).maxAbsDifference(plain))
                            .as(change.toString())
                            .isGreaterThan(1e-4);
                }
            }
        }
    }

    @Test
    void everyLinkLeadsToAFile() throws IOException {
        Pattern link = Pattern.compile("\\]\\(([^)#:\\s]+)(#[^)]*)?\\)");
        List<String> broken = new ArrayList<>();
        for (Path page : pages()) {
            Matcher matcher = link.matcher(Files.readString(page));
            while (matcher.find()) {
                if (!Files.exists(page.resolveSibling(matcher.group(1)))) {
                    broken.add(page.getFileName() + ": " + matcher.group(1));
                }
            }
        }
        assertThat(broken).isEmpty();
    }
}
