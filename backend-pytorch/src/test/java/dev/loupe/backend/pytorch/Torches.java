package dev.loupe.backend.pytorch;

import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import java.util.Map;

/** What several tests need. */
final class Torches {

    private Torches() {}

    /** The backend on the CPU with one thread. */
    static Backend open() {
        return new PyTorchBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    /** The backend on a CPU that is split by name. */
    static Backend openSplit(int devices) {
        return new PyTorchBackendProvider()
                .open(new BackendOptions("cpu", 1, devices, Map.of("logical-devices", Integer.toString(devices))));
    }

    static Shape shape(long... sizes) {
        return Shape.of(sizes);
    }
}
