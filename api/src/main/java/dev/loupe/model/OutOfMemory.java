package dev.loupe.model;

import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.Backend;

/** What to say where the JVM itself ran out of memory. */
final class OutOfMemory {

    private OutOfMemory() {}

    /** Of a run; what a hook threw stays what it is. */
    static RuntimeException running(HookedTransformer model, OutOfMemoryError error) {
        if (RunEdits.isFromHook(error)) {
            throw error;
        }
        return new OutOfTensorMemoryException(
                "Out of memory in a run of '" + model.config().modelName() + "' on " + place(model.backend()) + " ("
                        + error.getMessage() + ")",
                "Run fewer or shorter sequences at once, observe fewer hook points, or " + moreMemory(),
                error);
    }

    /** While a model was loaded. */
    static OutOfTensorMemoryException loading(String model, Backend backend, OutOfMemoryError error) {
        return new OutOfTensorMemoryException(
                "Out of memory while '" + model + "' was loaded onto " + place(backend) + " (" + error.getMessage()
                        + ")",
                "Load it in a narrower data type (dtype) or with fewer layers (firstNLayers), or " + moreMemory(),
                error);
    }

    /** While a model was loaded, by a backend that has said already what found no room, and where. */
    static OutOfTensorMemoryException loading(String model, Backend backend, OutOfTensorMemoryException full) {
        return new OutOfTensorMemoryException(
                "Out of memory while '" + model + "' was loaded onto " + place(backend)
                        + ". Load it in a narrower data type (dtype) or with fewer layers (firstNLayers), or make room: "
                        + full.getMessage(),
                full);
    }

    private static String place(Backend backend) {
        return "'" + backend.id() + "' on " + backend.device();
    }

    private static String moreMemory() {
        return "give Java more memory: -Xmx for its heap, now at most "
                + (Runtime.getRuntime().maxMemory() >> 20)
                + " MiB, and -XX:MaxDirectMemorySize outside of it";
    }
}
