package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DerivativeAndFeatureCommandsTest {

    private static final String CLEAN = "When Mary and John went to the store, John gave a drink to";
    private static final String CORRUPT = "When Mary and John went to the store, Mary gave a drink to";

    private static String tokens(Path file, String name) {
        try (SafetensorsFile golden = SafetensorsFile.open(file)) {
            HostTensor ids = golden.read(name);
            int width = (int) ids.shape().size(1);
            StringBuilder text = new StringBuilder();
            long[] flat = ids.toLongArray();
            for (int i = 0; i < flat.length; i++) {
                text.append(i == 0 ? "" : i % width == 0 ? ";" : ",").append(flat[i]);
            }
            return text.toString();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {Fixtures.GPT2, Fixtures.GEMMA3, Fixtures.NEOX})
    void derivativesInTheFileAreThoseOfTheGoldens(String fixture, @TempDir Path folder) {
        Path out = folder.resolve("gradients.safetensors");
        Cli cli = Cli.run(
                "gradients",
                "--model",
                Fixtures.directory(fixture).toString(),
                "--backend",
                "reference",
                "--no-processing",
                "--tokens",
                tokens(Fixtures.golden(fixture), "tokens"),
                "--of",
                "diff:5,9",
                "--out",
                out.toString());
        assertThat(cli.err()).isEmpty();
        assertThat(cli.exitCode()).isZero();
        try (SafetensorsFile found = SafetensorsFile.open(out);
                SafetensorsFile golden =
                        SafetensorsFile.open(Fixtures.directory(fixture).resolve("gradients.safetensors"))) {
            int compared = 0;
            for (String name : found.names()) {
                // With an input for each head the original has a norm for each head: another shape, and another
                // meaning.
                if (golden.contains("raw.diff." + name)
                        && golden.read("raw.diff." + name)
                                .shape()
                                .equals(found.read(name).shape())) {
                    double[] expected = golden.read("raw.diff." + name).toDoubleArray();
                    double[] numbers = found.read(name).toDoubleArray();
                    for (int i = 0; i < expected.length; i++) {
                        assertThat(numbers[i])
                                .as("%s at %d", name, i)
                                .isCloseTo(expected[i], within(1e-5 + 1e-4 * Math.abs(expected[i])));
                    }
                    compared++;
                }
            }
            assertThat(compared).isGreaterThan(45);
            assertThat(found.read("metric").shape().elements()).isEqualTo(1);
        }
    }

    @Test
    void aMetricThatCannotBeReadSaysWhatWouldBeRight(@TempDir Path folder) {
        for (String of : new String[] {"diff:5", "logit:x", "banana", "diff:5,9,1"}) {
            Cli cli = Cli.run(
                    "gradients",
                    "--tokens",
                    "1,2",
                    "--of",
                    of,
                    "--out",
                    folder.resolve("g").toString());
            assertThat(cli.exitCode()).as(of).isNotZero();
            assertThat(cli.err()).contains("--of").doesNotContain("Exception");
        }
    }

    @Test
    void nodesEdgesAndTokensAreAttributed(@TempDir Path folder) throws Exception {
        String[] common = {
            "attribute",
            "--clean",
            CLEAN,
            "--corrupt",
            CORRUPT,
            "--answer",
            " Mary",
            "--wrong",
            " John",
            "--backend",
            "reference"
        };
        JsonNode nodes = Cli.run(with(common, "--json")).json();
        assertThat(nodes.get("z")).hasSize(4);
        assertThat(nodes.get("clean").asDouble()).isGreaterThan(5);
        assertThat(nodes.get("corrupted").asDouble()).isLessThan(-5);
        Path dot = folder.resolve("circuit.dot");
        JsonNode edges = Cli.run(with(common, "--edges", "--json", "--dot", dot.toString()))
                .json();
        assertThat(edges.get("writers")).hasSize(21);
        assertThat(edges.get("readers")).hasSize(53);
        assertThat(Files.readString(dot)).startsWith("digraph");
        Path page = folder.resolve("circuit.html");
        Cli circuit = Cli.run(with(common, "--edges", "--circuit", "60", "--html", page.toString()));
        assertThat(circuit.err()).isEmpty();
        assertThat(circuit.out()).contains("faithfulness", "completeness", page.toString());
        assertThat(Files.readString(page)).contains("\"kind\":\"graph\"", "faithfulness");
        JsonNode few = Cli.run(with(common, "--edges", "--circuit", "60", "--json"))
                .json()
                .get("circuit");
        assertThat(few.get("edges").size()).isBetween(20, 60);
        assertThat(few.get("faithfulness").asDouble()).isBetween(0.5, 1.5);
        assertThat(Cli.run(with(common, "--circuit", "60")).err()).contains("--edges");
        assertThat(Cli.run(with(common, "--html", page.toString())).err()).isEmpty();
        assertThat(Files.readString(page)).contains("\"kind\":\"heatmap\"");
        JsonNode tokens = Cli.run(with(common, "--method", "ig", "--steps", "32", "--json"))
                .json();
        double difference =
                nodes.get("clean").asDouble() - nodes.get("corrupted").asDouble();
        assertThat(Math.abs(tokens.get("completeness_error").asDouble())).isLessThan(0.01 * difference);
        assertThat(Cli.run(with(common, "--method", "magic")).err()).contains("atp, eap, eap-ig or ig");
    }

    private static String[] with(String[] common, String... more) {
        String[] all = java.util.Arrays.copyOf(common, common.length + more.length);
        System.arraycopy(more, 0, all, common.length, more.length);
        return all;
    }

    @Test
    void whatSteerWritesOtherCommandsRead(@TempDir Path folder) {
        String prompt = "The capital of France is";
        Path file = folder.resolve("steer.json");
        Cli steer = Cli.run(
                "steer",
                prompt,
                "--positive",
                "The capital of Italy is",
                "--negative",
                prompt,
                "--layer",
                "1",
                "--max-new-tokens",
                "3",
                "--backend",
                "reference",
                "--out",
                file.toString(),
                "--json");
        assertThat(steer.err()).isEmpty();
        assertThat(folder.resolve("steer.safetensors")).exists();
        String steered = steer.json().get("steered").asText();
        assertThat(steered).isNotEqualTo(steer.json().get("plain").asText());
        Cli generated = Cli.run(
                "generate",
                prompt,
                "--max-new-tokens",
                "3",
                "--backend",
                "reference",
                "--interventions",
                file.toString());
        assertThat(generated.err()).isEmpty();
        assertThat(generated.out()).contains(steered.substring(steered.indexOf(prompt)));
        Cli harvest = Cli.run(
                "harvest",
                "--text",
                "corpus.txt",
                "--names",
                "resid_post2",
                "--out",
                folder.resolve("harvest").toString(),
                "--interventions",
                file.toString(),
                "--print-job");
        assertThat(harvest.err()).isEmpty();
        assertThat(harvest.json().get("interventions")).hasSize(1);
        Cli missing = Cli.run(
                "generate",
                prompt,
                "--interventions",
                folder.resolve("steer.jsom").toString());
        assertThat(missing.exitCode()).isNotZero();
        assertThat(missing.err()).contains("steer.jsom", "no such file").doesNotContain("Exception");
    }

    @Test
    void featuresOfABundledDictionaryAreShownAndWritten(@TempDir Path folder) {
        Path out = folder.resolve("features.safetensors");
        Cli written = Cli.run(
                "features",
                "--tokens",
                "0,5,6;0,7,8",
                "--dictionary",
                "mlp_1.transcoder",
                "--backend",
                "reference",
                "--out",
                out.toString());
        assertThat(written.err()).isEmpty();
        try (SafetensorsFile found = SafetensorsFile.open(out)) {
            assertThat(found.read("features").shape().toArray()).containsExactly(2, 3, 512);
            assertThat(found.read("output").shape().toArray()).containsExactly(2, 3, 128);
            assertThat(found.read("logits").shape().toArray()).containsExactly(2, 3, 1389);
        }
        JsonNode shown = Cli.run(
                        "features",
                        "--prompt",
                        CLEAN,
                        "--token",
                        "-1",
                        "--answer",
                        " Mary",
                        "--wrong",
                        " John",
                        "--backend",
                        "reference",
                        "--json")
                .json();
        assertThat(shown.get("places")).hasSize(1);
        JsonNode first = shown.get("places").get(0).get("features").get(0);
        assertThat(first.get("activation").asDouble()).isPositive();
        assertThat(first.get("attribution").isNumber()).isTrue();
        assertThat(Cli.run("features", "--tokens", "1", "--dictionary", "resid_post_2.tokp")
                        .err())
                .contains("resid_post_2.topk");
    }

    @Test
    void interventionsActWhereverAModelRuns() {
        String[] plain = {"logits", "--prompt", CLEAN, "--backend", "reference", "--top", "1", "--json"};
        String before = Cli.run(plain).json().get("predictions").toString();
        String after = Cli.run(with(plain, "--intervene", "mlp_out 2 = 0", "--intervene", "z 0[head=1] *= 0"))
                .json()
                .get("predictions")
                .toString();
        assertThat(after).isNotEqualTo(before);
        assertThat(Cli.run(with(plain, "--intervene", "z 9 = 0")).err()).contains("blocks.9");
        assertThat(Cli.run(with(plain, "--intervene", "z 1 is 0")).err()).contains("POINT[SELECTION]");
    }
}
