package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;

/** The architecture 'gemma2' against goldens of independent implementations. */
class Gemma2ArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("gemma2");
    }

    // The goldens' unembedding is centred under the soft cap, which changes probabilities; ours isn't.
    private static final String CENTRED = "proc.unembed.hook_out";

    @TempDir
    private static Path folder;

    @Override
    protected Path goldens() {
        Path fixture = Fixtures.directory(Fixtures.GEMMA2);
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(Fixtures.GEMMA2))) {
            for (String name : List.of("config.json", "generation_config.json", "model.safetensors")) {
                Files.copy(fixture.resolve(name), folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
            }
            SafetensorsWriter kept = new SafetensorsWriter();
            golden.names().stream()
                    .filter(name -> !name.equals(CENTRED))
                    .forEach(name -> kept.add(name, golden.read(name)));
            kept.write(folder.resolve("golden.safetensors"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return folder;
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.GEMMA2);
    }
}
