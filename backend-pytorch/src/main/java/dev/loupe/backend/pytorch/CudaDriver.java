package dev.loupe.backend.pytorch;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What NVIDIA's driver says of the GPUs. The driver's own library is asked, which lies where the system finds it, and
 * heeds {@code CUDA_VISIBLE_DEVICES}. DJL asks CUDA's runtime library, which it doesn't find where a libtorch from
 * elsewhere has brought its own: there it would see neither a GPU nor how much memory it has.
 *
 * @param memory bytes of each GPU that can be seen
 * @param problem why none can be seen, and what to do; null if one can
 */
record CudaDriver(List<Long> memory, @Nullable String problem) {

    /** The driver's functions, by its own names. Each gives 0, or the number of an error. */
    interface Functions extends Library {

        /** Begins. */
        int cuInit(int flags);

        /** The newest CUDA that it can run, as 12080 for 12.8. */
        int cuDriverGetVersion(int[] version);

        /** How many GPUs can be seen. */
        int cuDeviceGetCount(int[] count);

        /** A GPU's handle, by its number. */
        int cuDeviceGet(int[] handle, int number);

        /** Bytes of memory, by handle. */
        @SuppressWarnings("MemberName") // the driver's
        int cuDeviceTotalMem_v2(long[] bytes, int handle);
    }

    /** A driver for this runs what is built for any later CUDA 12. */
    private static final int CUDA_12 = 12_000;

    private static final int NO_DEVICE = 100;
    private static final int CANT_SAY = 999;
    private static final String LIBRARY = Platform.isWindows() ? "nvcuda" : "libcuda.so.1";

    /** Asks once, as the driver itself does: what it shows to a process stays the same. */
    private static final class Here {
        private static final CudaDriver ANSWER =
                ask(() -> Native.load(LIBRARY, Functions.class), System.getenv("CUDA_VISIBLE_DEVICES"));
    }

    /** Copies the list. */
    CudaDriver {
        memory = List.copyOf(memory);
    }

    /** What the driver here says. */
    static CudaDriver here() {
        return Here.ANSWER;
    }

    /**
     * Asks a driver.
     *
     * @param library loads its library
     * @param visible the environment variable {@code CUDA_VISIBLE_DEVICES}, null if it isn't set
     */
    static CudaDriver ask(Supplier<Functions> library, @Nullable String visible) {
        Functions driver;
        try {
            driver = library.get();
        } catch (LinkageError e) {
            return none("this machine has no NVIDIA driver (no library " + LIBRARY
                    + "). Install it (nvidia-smi then lists the GPUs), or ask for cpu");
        }
        int[] answer = new int[1];
        int error = driver.cuInit(0);
        if (error == 0) {
            error = driver.cuDeviceGetCount(answer);
        }
        if (error == 0 && answer[0] > 0) {
            int gpus = answer[0];
            int version = driver.cuDriverGetVersion(answer) == 0 ? answer[0] : CUDA_12;
            return version < CUDA_12
                    ? none("its NVIDIA driver is one for CUDA " + version / 1000 + "." + version % 1000 / 10
                            + ", and libtorch is built for CUDA 12.8. Install a newer driver, or ask for cpu")
                    : new CudaDriver(memory(driver, gpus), null);
        } else if (visible != null && hidesAll(visible)) {
            return none("CUDA_VISIBLE_DEVICES is '" + visible
                    + "', which hides every GPU. Unset it, or set it to the numbers of those to use (0,1)");
        } else if (error == 0 || error == NO_DEVICE) {
            return none("no GPU can be seen, though there is an NVIDIA driver"
                    + (visible == null ? "" : " (CUDA_VISIBLE_DEVICES is '" + visible + "')")
                    + ". Look what nvidia-smi lists; a container has to be given the GPU; or ask for cpu");
        }
        return none("the NVIDIA driver doesn't start (its error " + (error < 0 ? CANT_SAY : error)
                + "). Look whether nvidia-smi works; after an update of the driver the machine wants a restart; or ask"
                + " for cpu");
    }

    // Numbers and names in a list; whatever is none of them ends it.
    private static boolean hidesAll(String visible) {
        String first = visible.strip();
        return first.isEmpty()
                || first.startsWith("-")
                || first.startsWith(",")
                || first.equals("none")
                || first.equals("void");
    }

    private static List<Long> memory(Functions driver, int gpus) {
        List<Long> memory = new ArrayList<>();
        for (int i = 0; i < gpus; i++) {
            int[] handle = new int[1];
            long[] bytes = new long[1];
            boolean known = driver.cuDeviceGet(handle, i) == 0 && driver.cuDeviceTotalMem_v2(bytes, handle[0]) == 0;
            memory.add(known ? bytes[0] : 0);
        }
        return memory;
    }

    private static CudaDriver none(String problem) {
        return new CudaDriver(List.of(), problem);
    }

    /** How many GPUs can be seen. */
    int gpus() {
        return memory.size();
    }

    /** In a few words, for who looks what there is. */
    String describe() {
        return problem != null
                ? "no GPU: " + problem
                : gpus() + (gpus() == 1 ? " GPU" : " GPUs") + " of "
                        + String.join(
                                ", ",
                                memory.stream()
                                        .map(bytes -> (bytes >> 30) + " GiB")
                                        .toList());
    }
}
