package dev.loupe.backend.onnx;

import dev.loupe.backend.BackendOptions;
import dev.loupe.fixtures.GradientGoldens;

class GradientGoldensTest extends GradientGoldens {

    GradientGoldensTest() {
        super(new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1)));
    }
}
