package dev.loupe.architecture;

import java.util.List;

/**
 * Turns a name into a checkpoint. Found by {@link java.util.ServiceLoader}; Loupe's own reads bundled models,
 * local directories and the Hugging Face Hub.
 */
public interface CheckpointLoader {

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

    /** Names of the models that come with the loader, loadable without a network. */
    List<String> bundled();
}
