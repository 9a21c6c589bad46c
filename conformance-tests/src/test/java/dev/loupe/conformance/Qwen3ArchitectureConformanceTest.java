package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'qwen3' against goldens of independent implementations. */
class Qwen3ArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("qwen3");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.QWEN3);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.QWEN3);
    }
}
