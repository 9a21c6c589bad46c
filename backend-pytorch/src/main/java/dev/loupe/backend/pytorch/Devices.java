package dev.loupe.backend.pytorch;

import ai.djl.Device;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Chooses devices: the ones that were asked for or none. */
final class Devices {

    /** With it, a model can be spread over several "devices" on a machine that has one, to try the spreading out. */
    private static final String LOGICAL = PyTorchBackendProvider.LOGICAL_DEVICES;

    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

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
            return List.of(engine.device("cpu", Device.cpu(), 0));
        }
        int names = logical(options);
        if (options.devices() > names) {
            throw new BackendUnavailableException("The backend 'pytorch' was asked for " + options.devices()
                    + " devices from cpu on, but the CPU is one device. Ask for 1, or split it by name with the extra"
                    + " setting " + LOGICAL);
        }
        return split(engine, "cpu", Device.cpu(), 0, options.devices());
    }

    private static List<TorchDevice> cuda(TorchEngine engine, BackendOptions options, int first) {
        if (!engine.builtForCuda()) {
            throw new BackendUnavailableException("The backend 'pytorch' was asked for '" + options.device()
                    + "', but libtorch " + engine.version()
                    + " here is built for the CPU. Install one for CUDA 12.8 (Python's"
                    + " torch==" + engine.version() + " has it) and name its folder 'lib' by PYTORCH_LIBRARY_PATH, see"
                    + " docs/gpu.md; or ask for cpu");
        }
        CudaDriver driver = CudaDriver.here();
        int gpus = driver.gpus();
        boolean splits = options.devices() > 1 && logical(options) >= options.devices();
        int needed = splits ? 1 : options.devices();
        if (gpus < first + needed) {
            throw notThere(options, first, needed, driver);
        }
        List<TorchDevice> devices = new ArrayList<>();
        for (int i = first; i < first + needed; i++) {
            String problem = engine.problemOf(Device.gpu(i));
            if (problem != null) {
                throw new BackendUnavailableException("The backend 'pytorch' was asked for '" + options.device()
                        + "', and libtorch " + engine.version() + " can't use cuda:" + i + ": " + problem
                        + ". See docs/gpu.md, or ask for cpu");
            }
            if (!splits) {
                devices.add(engine.device(
                        "cuda:" + i, Device.gpu(i), driver.memory().get(i)));
            }
        }
        return splits
                ? split(
                        engine,
                        "cuda:" + first,
                        Device.gpu(first),
                        driver.memory().get(first),
                        options.devices())
                : devices;
    }

    private static BackendUnavailableException notThere(
            BackendOptions options, int first, int needed, CudaDriver driver) {
        String problem = driver.problem();
        int gpus = driver.gpus();
        return new BackendUnavailableException("The backend 'pytorch' was asked for '" + options.device() + "' ("
                + needed + (needed == 1 ? " GPU" : " GPUs") + " from cuda:" + first + " on), but "
                + (problem != null
                        ? problem
                        : "there "
                                + (gpus == 1 ? "is 1 (cuda:0)" : "are " + gpus + " (cuda:0 to cuda:" + (gpus - 1) + ")")
                                + ". Ask for what is there, or for cpu"));
    }

    private static List<TorchDevice> split(
            TorchEngine engine, String name, Device device, long memoryBytes, int parts) {
        List<TorchDevice> devices = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            devices.add(engine.device(name + "/" + i, device, memoryBytes / parts));
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
