package dev.loupe.backend;

import java.util.Map;
import org.apiguardian.api.API;

/**
 * How to open a backend.
 *
 * @param device {@code cpu}, {@code cuda} (the first one) or {@code cuda:N}
 * @param threads threads for one operation, at most {@link #mostThreads()}; 0 for the {@linkplain #physicalCores
 *     physical cores}
 * @param devices number of devices from {@code device} on over which layers are spread as a pipeline; 1 for
 *     no spreading
 * @param extra settings that only some backends know, by name
 */
@API(status = API.Status.STABLE, since = "0.1")
public record BackendOptions(String device, int threads, int devices, Map<String, String> extra) {

    /** The CPU with as many threads as there are physical cores. */
    public static final BackendOptions DEFAULT = new BackendOptions("cpu", 0, 1, Map.of());

    private static final int MOST_DEVICES = 1024;

    // Engines take what they are given, and end the process, or start for minutes, where the system has no more
    // threads.
    private static final int ALWAYS_ALLOWED = 64;

    /**
     * Checks the ranges.
     *
     * @throws IllegalArgumentException if one is left; says which
     */
    public BackendOptions {
        checkThreads(threads);
        checkDevices(devices);
        extra = Map.copyOf(extra);
    }

    /** The largest number of threads that may be asked for: 64, or twice the processors of this machine. */
    public static int mostThreads() {
        return Math.max(ALWAYS_ALLOWED, 2 * Runtime.getRuntime().availableProcessors());
    }

    /**
     * How many threads a backend uses for one operation if nobody says: as many as this machine has physical cores, at
     * most as many as the process may use. Where the system doesn't tell cores from threads (Windows, macOS), the latter.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public static int physicalCores() {
        return PhysicalCores.here();
    }

    /**
     * Checks a number of threads.
     *
     * @throws IllegalArgumentException if it is negative or more than {@link #mostThreads()}
     */
    public static int checkThreads(int threads) {
        if (threads < 0 || threads > mostThreads()) {
            throw new IllegalArgumentException(
                    "Can't run with " + threads + " threads: it takes 1 to " + mostThreads()
                            + " here (there are " + Runtime.getRuntime().availableProcessors()
                            + " processors; more threads than that make nothing faster), or 0 for as many as there are physical cores");
        }
        return threads;
    }

    /**
     * Checks a number of devices.
     *
     * @throws IllegalArgumentException if it is less than 1 or more than any machine has
     */
    public static int checkDevices(int devices) {
        if (devices < 1 || devices > MOST_DEVICES) {
            throw new IllegalArgumentException(
                    "Can't spread a model over " + devices + " devices: it takes 1 to " + MOST_DEVICES);
        }
        return devices;
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
