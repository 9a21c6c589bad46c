package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'qwen2' against goldens of independent implementations. */
class Qwen2ArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("qwen2");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.QWEN2);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.QWEN2);
    }
}
