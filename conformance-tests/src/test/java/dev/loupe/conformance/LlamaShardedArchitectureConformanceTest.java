package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.fixtures.Fixtures;
import java.nio.file.Path;

/** The architecture 'llama' against goldens of independent implementations. */
class LlamaShardedArchitectureConformanceTest extends ArchitectureConformanceKit {

    @Override
    protected ArchitectureProvider provider() {
        return Architectures.byId("llama");
    }

    @Override
    protected Path goldens() {
        return Fixtures.directory(Fixtures.LLAMA_SHARDED_BF16);
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", Fixtures.LLAMA_SHARDED_BF16);
    }
}
