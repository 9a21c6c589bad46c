package dev.loupe.examples.loops;

import com.google.auto.service.AutoService;
import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.plugin.SpiVersion;

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
