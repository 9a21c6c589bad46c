package dev.loupe.cli;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Two prompts that differ in what matters. */
final class PromptPairOptions {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--clean",
            required = true,
            paramLabel = "TEXT",
            description = "The prompt that gives the answer; - reads it from standard input.")
    @SuppressWarnings("NullAway.Init")
    private String clean;

    @Option(
            names = "--corrupt",
            required = true,
            paramLabel = "TEXT",
            description = "A prompt of as many tokens that gives the wrong one; - reads it from standard input.")
    @SuppressWarnings("NullAway.Init")
    private String corrupt;

    /** Their tokens, as many of one as of the other. */
    record Pair(Tokens clean, Tokens corrupt) {}

    private @Nullable String cleanText;
    private @Nullable String corruptText;

    /**
     * Finds out what was given; called before anything slow.
     *
     * @throws ParameterException if both are to come from standard input
     * @throws IllegalArgumentException if standard input isn't readable
     */
    void read() {
        if (StandardInput.isMeant(clean) && StandardInput.isMeant(corrupt)) {
            throw new ParameterException(
                    command.commandLine(), "Only one of --clean and --corrupt can come from standard input");
        }
        cleanText = StandardInput.orText(clean, command);
        corruptText = StandardInput.orText(corrupt, command);
    }

    /**
     * Their tokens, after {@link #read}.
     *
     * @throws IllegalArgumentException if they are the same, or of different length
     */
    Pair tokens(HookedTransformer model) {
        Tokens first = model.toTokens(Objects.requireNonNull(cleanText));
        Tokens second = model.toTokens(Objects.requireNonNull(corruptText));
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
