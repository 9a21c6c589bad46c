package dev.loupe.architecture;

import dev.loupe.plugin.SpiVersion;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** Finds architectures on the class path. */
public final class Architectures {

    private static final System.Logger LOG = System.getLogger(Architectures.class.getName());

    private Architectures() {}

    /** Every architecture that could be loaded; one that couldn't is logged as a warning. */
    public static List<ArchitectureProvider> all() {
        List<ArchitectureProvider> found = new ArrayList<>();
        Iterator<ServiceLoader.Provider<ArchitectureProvider>> providers =
                ServiceLoader.load(ArchitectureProvider.class).stream().iterator();
        while (true) {
            try {
                if (!providers.hasNext()) {
                    return found;
                }
                ArchitectureProvider provider = providers.next().get();
                if (provider.spiVersion() == SpiVersion.CURRENT) {
                    found.add(provider);
                } else {
                    LOG.log(
                            System.Logger.Level.WARNING,
                            "Architecture ''{0}'' was compiled against version {1} of the interface, this is {2}",
                            provider.id(),
                            provider.spiVersion(),
                            SpiVersion.CURRENT);
                }
            } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
                LOG.log(System.Logger.Level.WARNING, "An architecture provider couldn't be loaded", e);
            }
        }
    }

    /**
     * The architecture of that id.
     *
     * @throws IllegalArgumentException if it isn't on the class path; lists those that are
     */
    public static ArchitectureProvider byId(String id) {
        for (ArchitectureProvider provider : all()) {
            if (provider.id().equals(id)) {
                return provider;
            }
        }
        throw new IllegalArgumentException("There is no architecture '" + id + "' on the class path; installed are "
                + ids() + ". Add the artifact that has it (dev.loupe:loupe-architectures has gpt2, llama, mistral,"
                + " gpt-neox, qwen2, qwen3, gemma2, gemma3).");
    }

    /**
     * The architecture that accepts a checkpoint's config.
     *
     * @throws IllegalArgumentException if none does, or several do; says what the config said
     */
    public static ArchitectureProvider accepting(CheckpointConfig config) {
        List<ArchitectureProvider> accepting =
                all().stream().filter(provider -> provider.accepts(config)).toList();
        if (accepting.size() == 1) {
            return accepting.get(0);
        }
        String said = "model_type '" + config.modelType() + "', architectures " + config.architectures();
        if (accepting.isEmpty()) {
            throw new IllegalArgumentException("No installed architecture accepts " + config.source() + " (" + said
                    + "). Installed are " + ids()
                    + ". An architecture is a plugin: add the artifact that has this one, or write it.");
        }
        throw new IllegalArgumentException("Several architectures accept " + config.source() + " (" + said + "): "
                + accepting.stream().map(ArchitectureProvider::id).toList());
    }

    private static List<String> ids() {
        return all().stream().map(ArchitectureProvider::id).sorted().toList();
    }
}
