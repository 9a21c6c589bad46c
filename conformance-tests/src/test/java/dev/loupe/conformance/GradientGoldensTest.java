package dev.loupe.conformance;

import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.fixtures.GradientGoldens;

class GradientGoldensTest extends GradientGoldens {

    GradientGoldensTest() {
        super(Backends.open("reference", BackendOptions.DEFAULT));
    }
}
