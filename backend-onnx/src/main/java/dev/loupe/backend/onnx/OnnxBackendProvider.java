package dev.loupe.backend.onnx;

import com.google.auto.service.AutoService;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.onnx.execution.OnnxBackend;
import dev.loupe.backend.onnx.runtime.Device;
import dev.loupe.backend.onnx.runtime.OnnxRuntime;
import dev.loupe.plugin.SpiVersion;
import org.apiguardian.api.API;

/**
 * Offers ONNX Runtime as the backend {@code onnx}: on the CPU, and on CUDA if {@code onnxruntime_gpu} stands on the
 * class path in place of {@code onnxruntime}.
 */
@AutoService(BackendProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OnnxBackendProvider implements BackendProvider {

    /** For {@link java.util.ServiceLoader}. */
    public OnnxBackendProvider() {}

    @Override
    public String id() {
        return OnnxBackend.ID;
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    // On CUDA the Java interface of ONNX Runtime passes everything between sessions through main memory.
    @Override
    public int priority(String device) {
        return device.equals("cpu") ? 300 : 150;
    }

    @Override
    public Availability probe() {
        return new Installation(OnnxBackendProvider.class.getClassLoader()).probe();
    }

    @Override
    public Backend open(BackendOptions options) {
        Device device = Device.of(options);
        if (probe() instanceof Availability.Unavailable unavailable) {
            throw new BackendUnavailableException(
                    "The backend 'onnx' can't be opened: " + unavailable.detail() + "; " + unavailable.remedy(),
                    unavailable.cause());
        }
        int threads = options.threads() == 0 ? BackendOptions.physicalCores() : options.threads();
        try {
            UnpackedLibraries.use();
            OnnxRuntime runtime = OnnxRuntime.start(device.name(), threads);
            if (device.isGpu()) {
                runtime.requireCuda(device.firstGpu(), device.count());
            }
            return new OnnxBackend(device, runtime);
        } catch (LinkageError | IllegalStateException e) {
            throw new BackendUnavailableException(
                    "The backend 'onnx' can't be opened on '" + device.name() + "': " + e.getMessage(), e);
        }
    }
}
