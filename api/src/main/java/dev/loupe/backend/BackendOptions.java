package dev.loupe.backend;

import java.util.Map;

/**
 * How to open a backend.
 *
 * @param device {@code cpu}, {@code cuda} (the first one) or {@code cuda:N}
 * @param threads threads for one operation; 0 leaves it to the backend
 * @param devices number of devices from {@code device} on over which layers are spread as a pipeline; 1 for
 *     no spreading
 * @param extra settings that only some backends know, by name
 */
public record BackendOptions(String device, int threads, int devices, Map<String, String> extra) {

    /** The CPU with the backend's own choice of threads. */
    public static final BackendOptions DEFAULT = new BackendOptions("cpu", 0, 1, Map.of());

    /** Checks the ranges. */
    public BackendOptions {
        if (threads < 0 || devices < 1) {
            throw new IllegalArgumentException(
                    "threads must be 0 or more, devices 1 or more; got " + threads + " and " + devices);
        }
        extra = Map.copyOf(extra);
    }

    /** The same options on another device. */
    public BackendOptions withDevice(String other) {
        return new BackendOptions(other, threads, devices, extra);
    }

    /** The same options with another number of threads. */
    public BackendOptions withThreads(int count) {
        return new BackendOptions(device, count, devices, extra);
    }
}
