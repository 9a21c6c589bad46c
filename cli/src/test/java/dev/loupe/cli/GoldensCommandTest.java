package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GoldensCommandTest {

    @Test
    void whatTheReferenceComputesIsWrittenBesideACheckpointAndNotReplacedUnasked(@TempDir Path folder)
            throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(Fixtures.directory("gpt2-random").resolve(file), folder.resolve(file));
        }
        Cli first = Cli.run("goldens", folder.toString());
        assertThat(first.exitCode()).as(first.err()).isZero();
        Path golden = folder.resolve("golden.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(golden)) {
            assertThat(file.names()).contains("tokens").anyMatch(name -> name.endsWith("logits"));
        }
        byte[] before = Files.readAllBytes(golden);

        Cli again = Cli.run("goldens", folder.toString());
        assertThat(again.exitCode()).isNotZero();
        assertThat(again.err()).contains("golden.safetensors", "--force");
        assertThat(Cli.run("goldens", "--force", folder.toString()).exitCode()).isZero();
        assertThat(Files.readAllBytes(golden))
                .as("the same seed gives the same")
                .isEqualTo(before);
    }

    @Test
    void aFolderWithoutACheckpointIsAnErrorThatSaysWhatBelongsThere(@TempDir Path folder) {
        Cli wrong = Cli.run("goldens", folder.toString());
        assertThat(wrong.exitCode()).isNotZero();
        assertThat(wrong.err()).contains(folder.toString(), "config.json and model.safetensors");
    }
}
