package dev.loupe.backend.reference;

import com.google.auto.service.AutoService;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.plugin.SpiVersion;
import org.apiguardian.api.API;

/** Offers the pure-Java backend, {@code reference}. It runs wherever Java does, on the CPU only. */
@AutoService(BackendProvider.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ReferenceBackendProvider implements BackendProvider {

    static final String ID = "reference";
    static final String DEVICE = "cpu";

    /** For {@link java.util.ServiceLoader}. */
    public ReferenceBackendProvider() {}

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
        return device.equals(DEVICE) ? 100 : 0;
    }

    @Override
    public Availability probe() {
        return new Availability.Available(
                "pure Java " + Runtime.version().feature() + " on " + System.getProperty("os.arch") + ", device cpu");
    }

    @Override
    public Backend open(BackendOptions options) {
        if (!options.device().equals(DEVICE)) {
            throw new BackendUnavailableException("The backend 'reference' runs on the device 'cpu' only, asked for '"
                    + options.device() + "'; ask for 'cpu' or choose another backend");
        }
        if (options.devices() != 1) {
            throw new BackendUnavailableException("The backend 'reference' runs on one device, asked to spread over "
                    + options.devices() + "; ask for 1 or choose another backend");
        }
        int threads = options.threads() == 0 ? BackendOptions.physicalCores() : options.threads();
        return new ReferenceBackend(new Workers(threads));
    }
}
