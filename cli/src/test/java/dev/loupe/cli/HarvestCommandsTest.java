package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.hook.Intervention;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code loupe harvest} and {@code loupe top-examples}. */
class HarvestCommandsTest {

    @TempDir
    private Path folder;

    private Path corpus() throws IOException {
        return Files.writeString(
                folder.resolve("corpus.txt"),
                "The capital of France is Paris.\n\nWhen Mary and John went to the store, John gave a drink to Mary.\n");
    }

    @Test
    void aHarvestIsWrittenAndGoneOnWith() throws IOException {
        String out = folder.resolve("out").toString();
        String[] some = {
            "harvest",
            "--tokens-file",
            Files.writeString(folder.resolve("ids.txt"), "1 2 3\n\n4,5\n6 7 8 9\n")
                    .toString(),
            "--names",
            "blocks.*.hook_resid_post",
            "--out",
            out,
            "--backend",
            "reference",
            "--max-tokens",
            "4",
            "--json"
        };
        Cli first = Cli.run(some);
        assertThat(first.exitCode()).as(first.err()).isZero();
        assertThat(first.json().get("tokens").asInt()).isEqualTo(4);
        Cli refused = Cli.run(some);
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("has a harvest already").contains("--resume");
        some[java.util.List.of(some).indexOf("4")] = "9";
        String[] more = java.util.Arrays.copyOf(some, some.length + 1);
        more[some.length] = "--resume";
        Cli second = Cli.run(more);
        assertThat(second.exitCode()).as(second.err()).isZero();
        try (SafetensorsFile shard = SafetensorsFile.open(folder.resolve("out/shard-00000.safetensors"))) {
            assertThat(shard.read("document").toLongArray()).containsExactly(0, 0, 0, 2, 2, 3, 3, 3, 3);
            assertThat(shard.read("position").toLongArray()).containsExactly(0, 1, 2, 0, 1, 0, 1, 2, 3);
            assertThat(shard.tensor("blocks.3.hook_resid_post").shape().toArray())
                    .containsExactly(9, 128);
        }
    }

    @Test
    void aJobIsPrintedAndReadAgain() throws IOException {
        Intervention scaled = Intervention.parse("resid_post0 *= 2");
        Path changes = folder.resolve("changes.json");
        Intervention.write(changes, List.of(scaled));
        Cli cli = Cli.run(
                "harvest",
                "--text",
                corpus().toString(),
                "--names",
                "resid_post2,z1",
                "--out",
                folder.resolve("none").toString(),
                "--intervene",
                "z1[head=0] = 0",
                "--interventions",
                changes.toString(),
                "--print-job");
        assertThat(cli.exitCode()).as(cli.err()).isZero();
        HarvestJob job = HarvestJob.fromJson(cli.out());
        assertThat(job.points()).containsExactly("resid_post2", "z1");
        assertThat(job.interventions())
                .extracting(Intervention::toString)
                .containsExactly(
                        scaled.toString(), Intervention.parse("z1[head=0] = 0").toString());
        assertThat(folder.resolve("none")).doesNotExist();
    }

    @Test
    void topExamplesShowWhereAFeatureIsActive() throws IOException {
        Cli cli = Cli.run(
                "top-examples",
                "--text",
                corpus().toString(),
                "--at",
                "post0",
                "--unit",
                "3,5",
                "--top",
                "2",
                "--backend",
                "reference",
                "--json");
        assertThat(cli.exitCode()).as(cli.err()).isZero();
        JsonNode units = cli.json().get("units");
        assertThat(units).hasSize(2);
        JsonNode places = units.get(0).get("places");
        assertThat(places.size()).isBetween(1, 2);
        assertThat(places.get(0).get("value").asDouble())
                .isGreaterThanOrEqualTo(
                        places.get(places.size() - 1).get("value").asDouble());
        Cli outside = Cli.run(
                "top-examples",
                "--text",
                corpus().toString(),
                "--at",
                "post0",
                "--unit",
                "9999",
                "--backend",
                "reference");
        assertThat(outside.exitCode()).isEqualTo(2);
        assertThat(outside.err()).contains("has the units 0 to 511");
    }
}
