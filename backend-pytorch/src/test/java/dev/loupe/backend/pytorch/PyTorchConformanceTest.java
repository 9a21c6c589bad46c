package dev.loupe.backend.pytorch;

import dev.loupe.conformance.BackendConformanceKit;
import dev.loupe.spi.BackendProvider;

/** The rules that every backend keeps. */
class PyTorchConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new PyTorchBackendProvider();
    }
}
