package dev.loupe.backend.pytorch;

import dev.loupe.backend.BackendOptions;
import dev.loupe.fixtures.GradientGoldens;

class GradientGoldensTest extends GradientGoldens {

    GradientGoldensTest() {
        super(new PyTorchBackendProvider().open(BackendOptions.DEFAULT.withThreads(1)));
    }
}
