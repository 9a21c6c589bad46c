package dev.loupe.architecture;

import dev.loupe.plugin.Discovered;
import dev.loupe.plugin.Plugin;
import dev.loupe.plugin.Plugins;
import dev.loupe.plugin.SpiVersion;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Turns a name into a checkpoint. Found by {@link java.util.ServiceLoader}; Loupe's own reads bundled models,
 * local directories and the Hugging Face Hub.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface CheckpointLoader extends Plugin {

    /**
     * The loader on the class path.
     *
     * @param name what is to be loaded, for the message
     * @throws IllegalStateException if there is none, or several
     */
    static CheckpointLoader installed(String name) {
        List<Discovered<CheckpointLoader>> found = all();
        List<CheckpointLoader> loaders = Plugins.usable(found);
        if (loaders.isEmpty()) {
            throw new IllegalStateException("Nothing on the class path can load '" + name
                    + "'. Add the artifact dev.loupe:loupe-architectures."
                    + (found.isEmpty() ? "" : "\nFound, but of no use: " + found));
        }
        if (loaders.size() > 1) {
            throw new IllegalStateException("Several checkpoint loaders are on the class path: "
                    + loaders.stream().map(CheckpointLoader::id).toList() + "; keep one");
        }
        return loaders.get(0);
    }

    /** The loaders on the class path, whether they can be used or not. */
    static List<Discovered<CheckpointLoader>> all() {
        return Plugins.find(CheckpointLoader.class);
    }

    @Override
    default int spiVersion() {
        return SpiVersion.CURRENT;
    }

    /**
     * Opens a checkpoint.
     *
     * @param name a bundled model, a directory, an alias, or a repository on the Hub
     * @throws IllegalArgumentException if there is no such model or it can't be understood; says what was looked
     *     for, what was found and what to do
     */
    Checkpoint open(String name, LoadOptions options);

    /**
     * What a model is, before any of its weights are read.
     *
     * @param architecture builds its graph
     * @param config as the checkpoint has it, without processing
     */
    record Description(ArchitectureProvider architecture, TransformerConfig config) {}

    /**
     * Tells what a model is. Loupe's own loader reads its config alone, and fetches no weights.
     *
     * @throws IllegalArgumentException as {@link #open} does
     */
    default Description describe(String name, LoadOptions options) {
        try (Checkpoint checkpoint = open(name, options)) {
            return new Description(checkpoint.architecture(), checkpoint.config());
        }
    }

    /**
     * Opens the tokenizer of a checkpoint alone.
     *
     * @param name as in {@link #open}
     * @throws IllegalArgumentException if there is none, or it can't be understood; says why
     */
    default Tokenizer openTokenizer(String name, LoadOptions options) {
        try (Checkpoint checkpoint = open(name, options)) {
            return checkpoint
                    .tokenizer()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "'" + name + "' has no tokenizer: " + checkpoint.tokenizerProblem()));
        }
    }

    /** Names of the models that come with the loader, loadable without a network. */
    List<String> bundled();
}
