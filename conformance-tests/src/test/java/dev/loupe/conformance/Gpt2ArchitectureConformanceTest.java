package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'gpt2' against goldens of independent implementations. */
class Gpt2ArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("gpt2");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.GPT2);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.GPT2);
    }
}
