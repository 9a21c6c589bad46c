package dev.loupe.backend.onnx;

import com.google.auto.service.AutoService;
import dev.loupe.backend.onnx.runtime.OnnxRuntime;
import dev.loupe.spi.Availability;
import dev.loupe.spi.Backend;
import dev.loupe.spi.BackendOptions;
import dev.loupe.spi.BackendProvider;
import dev.loupe.spi.BackendUnavailableException;
import dev.loupe.spi.SpiVersion;

/** Offers ONNX Runtime as the backend {@code onnx}. */
@AutoService(BackendProvider.class)
public final class OnnxBackendProvider implements BackendProvider {

    static final String ID = "onnx";

    /** For {@link java.util.ServiceLoader}. */
    public OnnxBackendProvider() {}

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public int priority(String device) {
        return device.equals("cpu") ? 300 : 100;
    }

    @Override
    public Availability probe() {
        return new Availability.Available("ONNX Runtime");
    }

    @Override
    public Backend open(BackendOptions options) {
        if (!options.device().equals("cpu")) {
            throw new BackendUnavailableException("cpu only");
        }
        int threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
        return new OnnxBackend("cpu", OnnxRuntime.start("cpu", threads));
    }
}
