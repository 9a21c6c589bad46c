package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DictionaryCommandsTest {

    private static final String PROMPT = "Mary and John went to";

    @TempDir
    private Path folder;

    @Test
    void anAttributionGraphIsToldAsTextAsJsonAndAsAPage() throws IOException {
        Path page = folder.resolve("graph.html");
        Path out = folder.resolve("mary.json");
        Cli told = Cli.run(
                "attribution-graph",
                PROMPT,
                "--backend",
                "reference",
                "--html",
                page.toString(),
                "--out",
                out.toString());
        assertThat(told.err()).isEmpty();
        assertThat(told.out())
                .contains("replacement score 0.", "completeness score 0.", "nodes by influence", "next tokens")
                .contains("The graph is in " + out, "The page is in " + page);
        assertThat(Files.readString(page)).contains("What leads to the next token");

        JsonNode graph = new ObjectMapper().readTree(out.toFile());
        assertThat(graph.get("metadata").get("slug").asText()).isEqualTo("mary");
        assertThat(graph.get("metadata").get("prompt_tokens")).hasSize(6);
        Set<String> ids = new HashSet<>();
        graph.get("nodes").forEach(node -> ids.add(node.get("node_id").asText()));
        assertThat(ids).hasSize(graph.get("nodes").size());
        assertThat(graph.get("links")).isNotEmpty().allSatisfy(link -> {
            assertThat(ids)
                    .contains(link.get("source").asText(), link.get("target").asText());
            assertThat(link.get("weight").isNumber()).isTrue();
        });

        JsonNode json = Cli.run("attribution-graph", PROMPT, "--backend", "reference", "--json")
                .json();
        assertThat(json.get("completeness_score").asDouble()).isBetween(0.5, 1.0);
        assertThat(json.get("graph").get("links")).isEqualTo(graph.get("links"));
    }

    @Test
    void whatAnAttributionGraphCannotBeMadeOfIsSaid() {
        assertThat(Cli.run("attribution-graph", PROMPT, "--transcoders", "resid_post_2.topk")
                        .err())
                .contains("resid_post_2.topk", "replace blocks.L.hook_mlp_out");
        assertThat(Cli.run("attribution-graph", PROMPT, "--transcoders", "toy-gpt2.transcoder")
                        .err())
                .contains("toy-gpt2.transcoders");
        assertThat(Cli.run("attribution-graph", PROMPT, "--nodes", "2").err())
                .contains("--nodes is a share from 0 to 1");
        assertThat(Cli.run("attribution-graph", PROMPT, "--answer", "no such token", "--backend", "reference")
                        .err())
                .contains("no such token");
        assertThat(Cli.run("attribution-graph", "--tokens", "1,2;3,4", "--backend", "reference")
                        .err())
                .contains("looks at one text");
    }

    @Test
    void featuresAreLookedForInATextAndShownOnAPage() throws IOException {
        Path text = Files.writeString(
                folder.resolve("text.txt"), "Mary and John went to the store.\n\nThe capital of France is Paris.\n");
        Path page = folder.resolve("features.html");
        Cli told = Cli.run(
                "features", PROMPT, "--backend", "reference", "--text", text.toString(), "--html", page.toString());
        assertThat(told.err()).isEmpty();
        assertThat(told.out()).contains("of variance explained", "recovered", "most active in it", "«");
        assertThat(Files.readString(page)).contains("Tokens by a feature", "most active in the text");
        JsonNode json = Cli.run(
                        "features",
                        PROMPT,
                        "--backend",
                        "reference",
                        "--text",
                        text.toString(),
                        "--json",
                        "--token",
                        "2")
                .json();
        assertThat(json.get("quality").get("l0").asDouble()).isEqualTo(16);
        assertThat(json.get("quality").get("variance_explained").asDouble()).isBetween(0.5, 1.0);
        assertThat(json.get("quality").get("loss_recovered").asDouble()).isBetween(0.5, 1.1);
        assertThat(json.get("top_activations")).hasSize(5);
        assertThat(json.get("final_norm").asText()).isEqualTo("applied");
        assertThat(Cli.run("features", PROMPT, "--text", folder.resolve("none").toString())
                        .err())
                .contains("--text: there is no file");
        Path binary = Files.write(folder.resolve("binary"), new byte[] {(byte) 0xC3, 1, 10, 2});
        assertThat(Cli.run("features", PROMPT, "--backend", "reference", "--text", binary.toString())
                        .err())
                .contains("isn't UTF-8 text");
    }

    @Test
    void withTheErrorTermTheLogitsInTheFileAreThoseOfTheModel() {
        double[] plain = logits("features", "--error-term");
        double[] spliced = logits("features");
        try (SafetensorsFile model = written("logits")) {
            double[] expected = model.read("logits").toDoubleArray();
            double worst = 0;
            double differs = 0;
            for (int i = 0; i < expected.length; i++) {
                worst = Math.max(worst, Math.abs(plain[i] - expected[i]));
                differs = Math.max(differs, Math.abs(spliced[i] - expected[i]));
            }
            assertThat(worst).isLessThan(1e-3);
            assertThat(differs).isGreaterThan(0.01);
        }
    }

    private double[] logits(String... command) {
        Path out = folder.resolve("features" + command.length + ".safetensors");
        List<String> arguments = new ArrayList<>(List.of(command));
        arguments.addAll(List.of("--tokens", "0,5,6,7", "--backend", "reference", "--out", out.toString()));
        assertThat(Cli.run(arguments.toArray(String[]::new)).err()).isEmpty();
        try (SafetensorsFile file = SafetensorsFile.open(out)) {
            HostTensor features = file.read("features");
            assertThat(features.shape().toArray()).containsExactly(1, 4, 512);
            return file.read("logits").toDoubleArray();
        }
    }

    private SafetensorsFile written(String what) {
        Path out = folder.resolve(what + ".safetensors");
        assertThat(Cli.run(
                                "cache",
                                "--tokens",
                                "0,5,6,7",
                                "--no-processing",
                                "--backend",
                                "reference",
                                "--out",
                                out.toString())
                        .err())
                .isEmpty();
        return SafetensorsFile.open(out);
    }
}
