package dev.loupe.backend.onnx;

import dev.loupe.backend.BackendProvider;
import dev.loupe.conformance.BackendConformanceKit;

/** The kit for backends, on the CPU. */
class OnnxConformanceTest extends BackendConformanceKit {

    @Override
    protected BackendProvider provider() {
        return new OnnxBackendProvider();
    }
}
