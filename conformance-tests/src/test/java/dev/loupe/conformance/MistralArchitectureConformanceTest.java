package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'mistral' against goldens of independent implementations. */
class MistralArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("mistral");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.MISTRAL);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.MISTRAL);
    }
}
