package dev.loupe.backend.onnx;

import dev.loupe.conformance.BackendConformanceKit;
import dev.loupe.spi.BackendProvider;

/** The kit for backends, on the CPU. */
class OnnxConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new OnnxBackendProvider();
    }
}
