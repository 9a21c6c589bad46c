package dev.loupe.backend.pytorch;

import dev.loupe.backend.BackendProvider;
import dev.loupe.conformance.BackendConformanceKit;

/** The rules that every backend keeps. */
class PyTorchConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new PyTorchBackendProvider();
    }
}
