package dev.loupe.examples.loops;

import com.google.auto.service.AutoService;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.plugin.SpiVersion;

/** Offers {@link LoopsBackend}. */
@AutoService(BackendProvider.class)
public final class LoopsBackendProvider implements BackendProvider {

    static final String ID = "loops";
    static final String DEVICE = "cpu";

    /** For {@link java.util.ServiceLoader}. */
    public LoopsBackendProvider() {}

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int spiVersion() {
        return SpiVersion.CURRENT;
    }

    @Override
    public Availability probe() {
        return new Availability.Available("plain loops on device cpu");
    }

    @Override
    public Backend open(BackendOptions options) {
        checkDevice(ID, options);
        return new LoopsBackend();
    }

    /** Refuses every device but the one that these loops run on. */
    static void checkDevice(String id, BackendOptions options) {
        if (!options.device().equals(DEVICE) || options.devices() != 1) {
            throw new BackendUnavailableException("The backend '" + id + "' runs on one device, 'cpu'; asked for '"
                    + options.device() + "' and " + options.devices() + " devices. Ask for 'cpu'.");
        }
    }
}
