package dev.loupe.examples.loops;

import com.google.auto.service.AutoService;
import dev.loupe.spi.Availability;
import dev.loupe.spi.Backend;
import dev.loupe.spi.BackendOptions;
import dev.loupe.spi.BackendProvider;
import dev.loupe.spi.SpiVersion;

/** Offers {@link CompiledLoopsBackend}. */
@AutoService(BackendProvider.class)
public final class CompiledLoopsBackendProvider implements BackendProvider {

    static final String ID = "compiled-loops";

    /** For {@link java.util.ServiceLoader}. */
    public CompiledLoopsBackendProvider() {}

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
        return new Availability.Available("plain loops, compiled, on device cpu");
    }

    @Override
    public Backend open(BackendOptions options) {
        LoopsBackendProvider.checkDevice(ID, options);
        return new CompiledLoopsBackend();
    }
}
