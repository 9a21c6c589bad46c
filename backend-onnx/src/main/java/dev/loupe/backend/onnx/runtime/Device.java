package dev.loupe.backend.onnx.runtime;

import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Placement;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * Where sessions run.
 *
 * @param name {@code cpu} or {@code cuda:N}
 * @param firstGpu number of the first GPU; −1 on the CPU
 * @param count over how many devices layers are spread
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Device(String name, int firstGpu, int count) {

    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

    /**
     * The device that was asked for.
     *
     * @throws BackendUnavailableException if ONNX Runtime knows no such device
     */
    public static Device of(BackendOptions options) {
        if (options.device().equals("cpu")) {
            if (options.devices() != 1) {
                throw new BackendUnavailableException("The CPU is one device, asked to spread over " + options.devices()
                        + "; ask for 1, or for cuda");
            }
            return new Device("cpu", -1, 1);
        }
        Matcher cuda = CUDA.matcher(options.device());
        if (!cuda.matches()) {
            throw new BackendUnavailableException("The backend 'onnx' runs on 'cpu', 'cuda' and 'cuda:N', asked for '"
                    + options.device() + "'; ask for one of these or choose another backend");
        }
        String number = cuda.group(1);
        int first = number == null ? 0 : Integer.parseInt(number);
        return new Device("cuda:" + first, first, options.devices());
    }

    /** Whether it is one, or several. */
    public boolean isGpu() {
        return firstGpu >= 0;
    }

    /** The number of the GPU for a part of a model; −1 on the CPU. */
    public int gpu(Placement placement) {
        return isGpu() ? firstGpu + placement.region() * count / placement.regions() : -1;
    }
}
