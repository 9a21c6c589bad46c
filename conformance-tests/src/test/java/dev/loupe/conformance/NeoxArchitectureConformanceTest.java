package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'gpt-neox' against goldens of independent implementations. */
class NeoxArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("gpt-neox");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.NEOX);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.NEOX);
    }
}
