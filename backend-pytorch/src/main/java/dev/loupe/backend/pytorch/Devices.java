package dev.loupe.backend.pytorch;

import ai.djl.Device;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendUnavailableException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Chooses devices: the ones that were asked for or none. */
final class Devices {

    /** With it, a model can be spread over several "devices" on a machine that has one, to try the spreading out. */
    private static final String LOGICAL = PyTorchBackendProvider.LOGICAL_DEVICES;

    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

    private static final Path DRIVER = Path.of("/proc/driver/nvidia/version");

    private Devices() {}

    static List<TorchDevice> choose(TorchEngine engine, BackendOptions options) {
        Matcher cuda = CUDA.matcher(options.device());
        if (cuda.matches()) {
            return cuda(engine, options, cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1)));
        } else if (options.device().equals("cpu")) {
            return cpu(engine, options);
        }
        throw new BackendUnavailableException("The backend 'pytorch' has no device '" + options.device()
                + "'; it has cpu, cuda (the first GPU) and cuda:N");
    }

    private static List<TorchDevice> cpu(TorchEngine engine, BackendOptions options) {
        if (options.devices() == 1) {
            return List.of(engine.device("cpu", Device.cpu()));
        }
        int names = logical(options);
        if (options.devices() > names) {
            throw new BackendUnavailableException("The backend 'pytorch' was asked for " + options.devices()
                    + " devices from cpu on, but the CPU is one device. Ask for 1, or split it by name with the extra"
                    + " setting " + LOGICAL);
        }
        return split(engine, "cpu", Device.cpu(), options.devices());
    }

    private static List<TorchDevice> cuda(TorchEngine engine, BackendOptions options, int first) {
        if (!engine.builtForCuda()) {
            throw new BackendUnavailableException("The backend 'pytorch' was asked for '" + options.device()
                    + "', but libtorch " + engine.version()
                    + " here is built for the CPU. Install one for CUDA 12.8 (Python's"
                    + " torch==" + engine.version() + " has it) and name its folder 'lib' by PYTORCH_LIBRARY_PATH, see"
                    + " docs/gpu.md; or ask for cpu");
        }
        int gpus = engine.gpus();
        if (gpus > first && options.devices() > 1 && logical(options) >= options.devices()) {
            return split(engine, "cuda:" + first, Device.gpu(first), options.devices());
        }
        if (gpus < first + options.devices()) {
            throw new BackendUnavailableException("The backend 'pytorch' was asked for '" + options.device()
                    + "' (" + options.devices() + (options.devices() == 1 ? " GPU" : " GPUs") + " from cuda:" + first
                    + " on), but "
                    + (gpus == 0
                            ? noGpu(System.getenv("CUDA_VISIBLE_DEVICES"), Files.exists(DRIVER))
                            : "found " + gpus + " (cuda:0 to cuda:" + (gpus - 1)
                                    + "). Ask for what is there, or for cpu"));
        }
        List<TorchDevice> devices = new ArrayList<>();
        for (int i = first; i < first + options.devices(); i++) {
            devices.add(engine.device("cuda:" + i, Device.gpu(i)));
        }
        return devices;
    }

    /** Why there is no GPU, and what to do. */
    static String noGpu(@Nullable String visible, boolean driver) {
        if (visible != null && (visible.isBlank() || visible.strip().startsWith("-"))) {
            return "CUDA_VISIBLE_DEVICES is '" + visible
                    + "', which hides every GPU. Unset it, or set it to the numbers of" + " those to use";
        } else if (!driver) {
            return "this machine has no NVIDIA driver (no " + DRIVER + "). Install it, or ask for cpu";
        }
        return "found none, though there is an NVIDIA driver. Look what nvidia-smi says: the driver may be too old for"
                + " CUDA 12.8, or the container may not be given the GPU; or ask for cpu";
    }

    private static List<TorchDevice> split(TorchEngine engine, String name, Device device, int parts) {
        List<TorchDevice> devices = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            devices.add(engine.device(name + "/" + i, device));
        }
        return devices;
    }

    private static int logical(BackendOptions options) {
        String value = options.extra().getOrDefault(LOGICAL, "1");
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException e) {
            throw new BackendUnavailableException(
                    "The setting " + LOGICAL + " of the backend 'pytorch' is a number of devices, not '" + value + "'",
                    e);
        }
    }
}
