package dev.loupe.architecture;

/**
 * A well-known checkpoint.
 *
 * @param alias the short name: {@code gpt2-small}
 * @param repository where it is on the Hugging Face Hub: {@code openai-community/gpt2}
 */
public record PretrainedModel(String alias, String repository) {}
