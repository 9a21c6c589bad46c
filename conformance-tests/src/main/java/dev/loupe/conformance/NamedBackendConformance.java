package dev.loupe.conformance;

import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Backends;
import dev.loupe.conformance.kit.Reproduction;
import dev.loupe.conformance.kit.Session;
import dev.loupe.plugin.Plugin;
import org.jspecify.annotations.Nullable;

/** The kit for a backend that is named by its id: what {@link ConformanceRunner} runs. */
final class NamedBackendConformance extends BackendConformanceKit {

    private @Nullable BackendProvider provider;

    @Override
    Plugin open(KitSettings.Settings settings) {
        provider = find(settings.backend());
        return super.open(settings);
    }

    @Override
    protected BackendProvider provider() {
        return KitSettings.started(provider);
    }

    @Override
    Session.Reproduce reproduce(KitSettings.Settings settings) {
        String command = settings.command();
        if (command.isEmpty()) {
            return Reproduction.ofBackend(settings.backend(), settings.device());
        }
        return (only, seed) -> command + " --only " + only + " --seed " + seed;
    }

    /**
     * The provider of that id.
     *
     * @throws IllegalArgumentException if there is none, with all that were found
     */
    static BackendProvider find(String id) {
        for (Backends.Seen seen : Backends.all()) {
            BackendProvider candidate = seen.provider();
            if (seen.id().equals(id) && candidate != null) {
                return candidate;
            }
        }
        throw new IllegalArgumentException(
                "There is no working provider of a backend '" + id + "' on the class path.\n" + Backends.report());
    }
}
