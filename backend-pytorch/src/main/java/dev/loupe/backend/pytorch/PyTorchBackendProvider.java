package dev.loupe.backend.pytorch;

import com.google.auto.service.AutoService;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.plugin.SpiVersion;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Offers libtorch, through DJL's PyTorch engine, under the id {@code pytorch}: on the devices {@code cpu}, {@code
 * cuda} (the first NVIDIA GPU) and {@code cuda:N}. A GPU needs a libtorch for CUDA, named by {@code PYTORCH_LIBRARY_PATH};
 * {@code docs/gpu.md} says which.
 *
 * <p>The number of threads ({@link BackendOptions#threads()}) is libtorch's, one number for the whole process: the
 * backend that was opened last with a number says how many; if none did, {@code OMP_NUM_THREADS} or {@code
 * MKL_NUM_THREADS}, else there are as many as {@linkplain BackendOptions#physicalCores physical cores}. Where other programs keep the processors busy, set the
 * environment variable {@code OMP_WAIT_POLICY=PASSIVE}: threads that wait for each other otherwise burn time.
 *
 * <p>Several devices ({@link BackendOptions#devices()}) hold a model's layers one after the other, as a pipeline.
 * The extra setting {@code logical-devices} = n splits one device into n names, to try that out.
 */
@AutoService(BackendProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class PyTorchBackendProvider implements BackendProvider {

    /** A setting: into how many names to split the device that was asked for. */
    static final String LOGICAL_DEVICES = "logical-devices";

    /** Found by {@link java.util.ServiceLoader}. */
    public PyTorchBackendProvider() {}

    @Override
    public String id() {
        return "pytorch";
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public int priority(String device) {
        return device.startsWith("cuda") ? 400 : 200;
    }

    @Override
    public Set<String> settings() {
        return Set.of(LOGICAL_DEVICES);
    }

    @Override
    public Availability probe() {
        return NativeLibraries.probe();
    }

    @Override
    public Backend open(BackendOptions options) {
        if (probe() instanceof Availability.Unavailable missing) {
            throw new BackendUnavailableException(
                    "The backend 'pytorch' is not available: " + missing.detail() + "; " + missing.remedy(),
                    missing.cause());
        }
        return PyTorchBackends.open(options);
    }
}
