package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.conformance.measures.Goldens;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Goldens made from the reference backend, and goldens that are missed. */
class GoldensTest {

    @TempDir
    private Path folder;

    private Path checkpoint() throws IOException {
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(Fixtures.directory(Fixtures.LLAMA).resolve(file), folder.resolve(file));
        }
        return folder;
    }

    /** The kit on a folder of the moment. */
    static final class InFolder extends ArchitectureConformanceKit {
        private static Path folder = Path.of("");

        @Override
        protected dev.loupe.architecture.ArchitectureProvider provider() {
            return dev.loupe.architecture.Architectures.byId("llama");
        }

        @Override
        protected Path goldens() {
            return folder;
        }
    }

    @Test
    void whatTheToolMakesIsMet() throws IOException {
        Path file = MakeGoldens.make(checkpoint(), 5);
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            assertThat(stored.names())
                    .contains("tokens", "logits", "raw.blocks.2.attn.hook_rot_q", "proc.blocks.0.hook_attn_in");
        }
        InFolder.folder = folder;
        KitRun run = KitRun.of(InFolder.class, "7.7", folder.resolve("report"));
        assertThat(run.failures).isEmpty();
        assertThat(run.passed).hasSize(4);
    }

    @Test
    void aGoldenThatIsMissedFailsByName() throws IOException {
        Path file = MakeGoldens.make(checkpoint(), 5);
        List<String> names = new ArrayList<>();
        SafetensorsWriter writer = new SafetensorsWriter();
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            names.addAll(stored.names());
            for (String name : names) {
                HostTensor value = stored.read(name);
                HostTensor copy = value.to(DType.FLOAT64).to(value.dtype());
                if (name.equals("raw.blocks.1.attn.hook_z")) {
                    copy.setDouble(17, copy.getDouble(17) + 0.25);
                }
                writer.add(name, copy);
            }
        }
        Files.delete(file);
        writer.write(file);
        InFolder.folder = folder;
        KitRun run = KitRun.of(InFolder.class, "7.7", folder.resolve("report"));
        assertThat(run.failures).hasSize(1);
        assertThat(run.failures.get(0))
                .contains("Rule 7.7 ", "raw.blocks.1.attn.hook_z", "1 of ", "-Dloupe.only=7.7/raw/");
    }

    @Test
    void aFolderWithoutGoldensSaysWhatBelongsThere() {
        assertThatThrownBy(() -> Goldens.read(folder.resolve(Goldens.FILE)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'tokens' [batch, pos]")
                .hasMessageContaining("MakeGoldens");
    }
}
