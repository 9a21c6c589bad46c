package dev.loupe.architecture;

import java.util.List;
import java.util.ServiceLoader;

/**
 * Turns a name into a checkpoint. Found by {@link java.util.ServiceLoader}; Loupe's own reads bundled models,
 * local directories and the Hugging Face Hub.
 */
public interface CheckpointLoader {

    /**
     * The loader on the class path.
     *
     * @param name what is to be loaded, for the message
     * @throws IllegalStateException if there is none, or several
     */
    static CheckpointLoader installed(String name) {
        List<CheckpointLoader> loaders = ServiceLoader.load(CheckpointLoader.class).stream()
                .map(ServiceLoader.Provider::get)
                .toList();
        if (loaders.isEmpty()) {
            throw new IllegalStateException("Nothing on the class path can load '" + name
                    + "'. Add the artifact dev.loupe:loupe-architectures.");
        }
        if (loaders.size() > 1) {
            throw new IllegalStateException("Several checkpoint loaders are on the class path: "
                    + loaders.stream().map(CheckpointLoader::id).toList() + "; keep one");
        }
        return loaders.get(0);
    }

    /** The loader's name, for messages. */
    String id();

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
