package dev.loupe.examples.loops;

import dev.loupe.backend.BackendProvider;
import dev.loupe.conformance.BackendConformanceKit;
import java.nio.file.Path;

/** The kit on the backend 'loops'. */
class LoopsConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new LoopsBackendProvider();
    }

    @Override
    protected Path reportFolder() {
        return Path.of("target", "conformance", "loops");
    }
}
