package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.analysis.views.Provenance;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.fixtures.Fixtures;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What somebody new asks first. */
class FirstHourTest {

    @Test
    void aModelIsDescribedWithoutItsWeights(@TempDir Path folder) throws Exception {
        Path config = Fixtures.directory(Fixtures.GPT2).resolve("config.json");
        Files.copy(config, folder.resolve("config.json"));
        JsonNode described = Cli.run("describe", folder.toString(), "--json").json();
        JsonNode known = new ObjectMapper().readTree(Files.readString(config));
        assertThat(described.get("n_layers")).isEqualTo(known.get("n_layer"));
        assertThat(described.get("n_heads")).isEqualTo(known.get("n_head"));
        assertThat(described.get("d_model")).isEqualTo(known.get("n_embd"));
        assertThat(described.get("d_vocab")).isEqualTo(known.get("vocab_size"));
        long vocabulary = known.get("vocab_size").asLong();
        long context = known.get("n_positions").asLong();
        long width = known.get("n_embd").asLong();
        long layers = known.get("n_layer").asLong();
        // Per layer: attention 4 w² + 4 w, MLP 8 w² + 5 w, two norms 4 w.
        long block = 12 * width * width + 13 * width;
        assertThat(described.get("parameters").asLong())
                .isBetween(
                        layers * block,
                        layers * block + 2 * (vocabulary + 1) * width + context * width + 2 * width + vocabulary);
        assertThat(described.get("bytes").get("float16").asLong())
                .isEqualTo(2 * described.get("parameters").asLong());
    }

    @Test
    void modelsTellsAboutOneAsDescribeDoes() {
        Cli cli = Cli.run("models", "--model", "toy-llama");
        assertThat(cli.out()).contains("parameters", "float16", "context", "layers", "keys and values", "toy-llama");
        assertThat(cli).isEqualTo(Cli.run("describe", "toy-llama")).isEqualTo(Cli.run("describe", "-m", "toy-llama"));
        assertThat(Cli.run("describe", "toy-lama").err()).contains("toy-llama");
    }

    @Test
    void headsSaysWhatWasFoundAndWhatWasNot() {
        Cli found = Cli.run("heads");
        assertThat(found.out()).contains("toy-llama", "induction heads: L1H", "score of each head");
        Cli nothing = Cli.run("heads", "--threshold", "1");
        assertThat(nothing.out()).contains("No induction head", "most gives L1H");
        JsonNode ranking = Cli.run("heads", "--json").json().get("ranking").get("induction");
        assertThat(ranking.get(0).get("layer").asInt()).isEqualTo(1);
        assertThat(ranking.get(0).get("score").asDouble())
                .isGreaterThanOrEqualTo(ranking.get(1).get("score").asDouble());
    }

    @Test
    void theClassPathIsThatOfThisProcess() {
        assertThat(Cli.run("classpath").out().strip().split(File.pathSeparator, -1))
                .contains(Path.of(System.getProperty("java.class.path").split(File.pathSeparator, -1)[0])
                        .toAbsolutePath()
                        .toString());
    }

    @Test
    void theClassPathForABackendNeedsThatBackend() {
        assertThat(Cli.run("classpath", "--backend", "reference")).isEqualTo(Cli.run("classpath"));
        assertThat(Cli.run("classpath", "--backend", "referense").err()).contains("reference");
    }

    /** The lines of a shell that reads snippets; its errors among them. */
    private static List<String> shell(Path preferences, String snippets, String... options) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                // Where the shell keeps its history.
                "-Djava.util.prefs.userRoot=" + preferences,
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "jshell",
                "--backend",
                "reference"));
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().write(snippets.getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return lines;
    }

    @Test
    void theShellHasAModelAtHand(@TempDir Path preferences) throws Exception {
        List<String> lines = shell(
                preferences,
                "System.out.println(\"layers: \" + model.config().nLayers())\n"
                        + "System.out.println(model.runWithCache(model.toTokens(\"a\")).cache()"
                        + ".get(\"resid_post\", 0).abs().max().item())\n"
                        + "System.out.println(Sweep.of(\"resid_pre\"))\n/exit\n",
                "--intervene",
                "resid_post 0 = 0",
                "--",
                "-s");
        assertThat(lines).anyMatch(line -> line.startsWith("'model' is"));
        // Without a terminal the shell's prompts stand before the answers.
        assertThat(String.join("\n", lines))
                .containsSubsequence("layers: 4", "0.0", "RESID_PRE")
                .doesNotContain("Error");
    }

    @Test
    void noShellOpensWithoutItsModel(@TempDir Path folder) throws Exception {
        Cli unknown = Cli.run("jshell", "--model", "nothing");
        assertThat(unknown.exitCode()).isEqualTo(1);
        assertThat(unknown.err()).startsWith("loupe: ").contains("nothing").doesNotContain("\tat ");
        assertThat(Cli.run("jshell", "--intervene", "resid_post 0 =").exitCode())
                .isNotZero();
        // What is found only where the model is loaded, in the process of the shell, ends it too.
        Path then = folder.resolve("then.jsh");
        assertThat(ShellModel.load(
                        then,
                        "toy-gpt2",
                        LoadOptions.defaults().withBackend("reference"),
                        List.of(),
                        List.of("nowhere = 0")))
                .isNull();
        assertThat(then).content().isEqualTo("/exit 1\n");
    }

    /** As a reader would: one block of the page after the other, with what the shell has imported. */
    @Test
    void theTutorialRunsInTheShell(@TempDir Path preferences) throws Exception {
        StringBuilder snippets = new StringBuilder();
        blocks("tutorial.md").forEach(snippets::append);
        List<String> others = blocks("from-transformerlens.md");
        snippets.append(others.get(others.size() - 1)).append("System.out.println(test.report());\n");
        List<String> lines = shell(preferences, snippets.append("/exit\n").toString(), "--", "-s");
        assertThat(String.join("\n", lines))
                .contains("The residual stream before each layer at each position", "Answer token | Paris|")
                .doesNotContain("Error", "Exception");
    }

    /** The Java of a page. */
    private static List<String> blocks(String page) throws Exception {
        return Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("..", "docs", page)))
                .results()
                .map(block -> block.group(1))
                .toList();
    }

    @Test
    void theVersionIsThatOfTheBuild() {
        String version = "loupe " + Provenance.version();
        assertThat(Cli.run("--version").out().strip()).isEqualTo(version);
        assertThat(Cli.run("lens", "--version").out().strip()).isEqualTo(version);
        assertThat(version).matches("loupe \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?");
    }
}
