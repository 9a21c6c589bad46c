package dev.loupe.cli;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import picocli.CommandLine.Option;

/** Two prompts that differ in what matters. */
final class PromptPairOptions {

    @Option(names = "--clean", required = true, paramLabel = "TEXT", description = "The prompt that gives the answer.")
    @SuppressWarnings("NullAway.Init")
    private String clean;

    @Option(
            names = "--corrupt",
            required = true,
            paramLabel = "TEXT",
            description = "A prompt of as many tokens that gives the wrong one.")
    @SuppressWarnings("NullAway.Init")
    private String corrupt;

    /** Their tokens, as many of one as of the other. */
    record Pair(Tokens clean, Tokens corrupt) {}

    /**
     * Their tokens.
     *
     * @throws IllegalArgumentException if they are the same, or of different length
     */
    Pair tokens(HookedTransformer model) {
        Tokens first = model.toTokens(clean);
        Tokens second = model.toTokens(corrupt);
        if (first.positions() != second.positions()) {
            throw new IllegalArgumentException(
                    "The prompts must have as many tokens as each other; the clean one has " + first.positions() + " "
                            + model.toStrTokens(first.row(0)) + ", the corrupted one " + second.positions() + " "
                            + model.toStrTokens(second.row(0)));
        }
        if (first.equals(second)) {
            throw new IllegalArgumentException("The clean and the corrupted prompt are the same: give a corrupted one"
                    + " that leads to the wrong answer, such as with the names exchanged");
        }
        return new Pair(first, second);
    }
}
