package dev.loupe.architecture;

import dev.loupe.plugin.Discovered;
import dev.loupe.plugin.Plugins;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** Finds architectures on the class path. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Architectures {

    private static final System.Logger LOG = System.getLogger(Architectures.class.getName());

    private Architectures() {}

    /** Every architecture on the class path, whether it can be used or not. */
    public static List<Discovered<ArchitectureProvider>> discovered() {
        return Plugins.find(ArchitectureProvider.class);
    }

    /** Every architecture that can be used; one that can't is logged as a warning. */
    public static List<ArchitectureProvider> all() {
        List<Discovered<ArchitectureProvider>> found = discovered();
        for (Discovered<ArchitectureProvider> architecture : found) {
            Discovered.Problem problem = architecture.problem();
            if (problem != null) {
                LOG.log(System.Logger.Level.WARNING, "Architecture " + architecture, problem.cause());
            }
        }
        return Plugins.usable(found);
    }

    /**
     * The architecture of that id.
     *
     * @throws IllegalArgumentException if it isn't on the class path, lists those that are; if it can't be used, says
     *     why; or if several have the id
     */
    public static ArchitectureProvider byId(String id) {
        List<Discovered<ArchitectureProvider>> found = discovered();
        List<Discovered<ArchitectureProvider>> named = Plugins.named(id, found);
        if (named.size() > 1) {
            throw new IllegalArgumentException("Several architectures call themselves '" + id + "': "
                    + named.stream().map(Discovered::className).toList() + "; take all but one off the class path");
        }
        for (Discovered<ArchitectureProvider> architecture : named) {
            if (architecture.plugin() == null) {
                throw new IllegalArgumentException("Architecture " + architecture);
            }
            return architecture.plugin();
        }
        List<String> useless = found.stream()
                .filter(architecture -> architecture.problem() != null)
                .map(Discovered::toString)
                .toList();
        throw new IllegalArgumentException("There is no architecture '" + id + "' on the class path; installed are "
                + ids() + ". Add the artifact that has it (dev.loupe:loupe-architectures has gpt2, llama, mistral,"
                + " gpt-neox, qwen2, qwen3, gemma2, gemma3)."
                + (useless.isEmpty() ? "" : "\nFound, but of no use:\n  " + String.join("\n  ", useless)));
    }

    /**
     * The architecture that accepts a checkpoint's config.
     *
     * @throws IllegalArgumentException if none does, or several do; says what the config said
     */
    public static ArchitectureProvider accepting(CheckpointConfig config) {
        List<String> failed = new ArrayList<>();
        List<ArchitectureProvider> accepting = all().stream()
                .filter(provider -> accepts(provider, config, failed))
                .toList();
        if (accepting.size() == 1) {
            return accepting.get(0);
        }
        String said = "model_type '" + config.modelType() + "', architectures " + config.architectures();
        if (accepting.isEmpty()) {
            throw new IllegalArgumentException("No installed architecture accepts " + config.source() + " (" + said
                    + "). Installed are " + ids()
                    + ". An architecture is a plugin: add the artifact that has this one, or write it."
                    + (failed.isEmpty() ? "" : "\n" + String.join("\n", failed)));
        }
        throw new IllegalArgumentException("Several architectures accept " + config.source() + " (" + said + "): "
                + accepting.stream()
                        .map(provider -> "'" + provider.id() + "' ("
                                + provider.getClass().getName() + ")")
                        .toList()
                + "; take all but one off the class path");
    }

    // One that fails is reported, and doesn't hide the others.
    private static boolean accepts(ArchitectureProvider provider, CheckpointConfig config, List<String> failed) {
        try {
            return Plugins.ask(provider, "accepts", () -> provider.accepts(config));
        } catch (RuntimeException e) {
            failed.add(String.valueOf(e.getMessage()));
            LOG.log(System.Logger.Level.WARNING, e.getMessage(), e);
            return false;
        }
    }

    /** The well-known checkpoints of an architecture; none, and a warning, if it can't tell. */
    @API(status = API.Status.INTERNAL, since = "0.1")
    public static List<PretrainedModel> pretrained(ArchitectureProvider provider) {
        try {
            return List.copyOf(Plugins.ask(provider, "pretrained", provider::pretrained));
        } catch (RuntimeException e) {
            LOG.log(System.Logger.Level.WARNING, "Architecture '" + provider.id() + "' can't tell its checkpoints", e);
            return List.of();
        }
    }

    private static List<String> ids() {
        return all().stream().map(ArchitectureProvider::id).sorted().toList();
    }
}
