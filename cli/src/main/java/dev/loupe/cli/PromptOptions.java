package dev.loupe.cli;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** What to run on: a text, on the command line or from standard input, or token ids. */
final class PromptOptions {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Parameters(
            arity = "0..*",
            paramLabel = "PROMPT",
            description = "The text, in quotation marks. - reads it from standard input.")
    private final List<String> words = new ArrayList<>();

    @Option(names = "--prompt", paramLabel = "TEXT", description = "The text, said in another way.")
    private @Nullable String prompt;

    @Option(
            names = "--tokens",
            paramLabel = "IDS",
            description = "Token ids instead, used as they are: '5,6,7'; '5,6,7;8,9,10' is a batch of two.")
    private @Nullable String tokens;

    @Option(
            names = "--attention-mask",
            paramLabel = "MASK",
            description = "1 for real tokens, 0 for padding: '1,1,1;0,1,1'. Goes with --tokens.")
    private @Nullable String attentionMask;

    @Option(
            names = "--prepend-bos",
            arity = "0..1",
            fallbackValue = "true",
            paramLabel = "true|false",
            description = "Whether a BOS token goes in front of the text; the model's habit unless given.")
    private @Nullable Boolean prependBos;

    private @Nullable String text;
    private @Nullable Tokens ids;

    /**
     * Finds out what was given; called before anything slow.
     *
     * @throws ParameterException if that isn't one text or one batch of tokens
     * @throws IllegalArgumentException if it is empty, or unreadable
     */
    void read() {
        requireOne();
        String ofIds = tokens;
        if (ofIds != null) {
            ids = ids(ofIds, attentionMask);
            return;
        }
        if (attentionMask != null) {
            throw new UsageException("--attention-mask goes with --tokens, not with a text");
        }
        String given = prompt != null ? prompt : words.get(0);
        String found = StandardInput.orText(given, command);
        if (found.isEmpty()) {
            throw new UsageException("The prompt is empty; give some text, or a BOS token alone with --tokens");
        }
        text = found;
    }

    private void requireOne() {
        if (words.size() > 1) {
            throw misused("The prompt is " + words.size()
                    + " arguments; text of several words goes in quotation marks: \""
                    + String.join(" ", words).replace("\"", "\\\"") + "\"");
        }
        List<String> given = new ArrayList<>();
        words.forEach(word -> given.add("'" + Failures.shortened(word) + "'"));
        if (prompt != null) {
            given.add("--prompt");
        }
        if (tokens != null) {
            given.add("--tokens");
        }
        if (given.size() > 1) {
            throw misused("One prompt is needed; " + String.join(" and ", given) + " are several");
        }
        if (given.isEmpty()) {
            throw misused("There is no prompt: give a text in quotation marks, - for standard input, or"
                    + " --prompt TEXT, or --tokens 5,6,7");
        }
    }

    /** The first sequence as a page shows it: as text, or as ids if the model has no tokenizer. */
    static String text(HookedTransformer model, Tokens tokens) {
        long[] ids = tokens.row(0);
        return model.tokenizer().isPresent() ? model.toString(ids, true) : String.join(" ", TokenTexts.of(model, ids));
    }

    private ParameterException misused(String message) {
        return new ParameterException(command.commandLine(), message);
    }

    private static Tokens ids(String text, @Nullable String maskText) {
        List<long[]> rows = parse("--tokens", "5,6,7;8,9,10", text);
        if (maskText == null) {
            boolean equal = rows.stream().allMatch(row -> row.length == rows.get(0).length);
            return UsageException.read(
                    "--tokens", () -> equal ? Tokens.of(rows.toArray(new long[0][])) : Tokens.pad(rows, 0, true));
        }
        List<long[]> maskRows = parse("--attention-mask", "1,1,1;0,1,1", maskText);
        boolean[][] mask = new boolean[maskRows.size()][];
        for (int i = 0; i < mask.length; i++) {
            mask[i] = new boolean[maskRows.get(i).length];
            for (int j = 0; j < mask[i].length; j++) {
                long value = maskRows.get(i)[j];
                if (value != 0 && value != 1) {
                    throw new UsageException("--attention-mask holds 0 and 1, found " + value);
                }
                mask[i][j] = value == 1;
            }
        }
        return UsageException.read("--attention-mask", () -> Tokens.of(rows.toArray(new long[0][]), mask));
    }

    /** The tokens; rows of different lengths are padded on the left, so that the last position is the last token. */
    Tokens tokens(HookedTransformer model) {
        if (ids == null && text == null) {
            read();
        }
        Tokens given = ids;
        String found = text;
        if (given != null || found == null) {
            return Objects.requireNonNull(given);
        }
        boolean bos = prependBos == null ? model.config().defaultPrependBos() : prependBos;
        return model.toTokens(found, bos);
    }

    /** The tokens, for a command that looks at one text. */
    Tokens single(HookedTransformer model) {
        Tokens all = tokens(model);
        if (all.batch() != 1) {
            throw misused("'" + command.qualifiedName() + "' looks at one text, and --tokens has " + all.batch()
                    + " rows; give one");
        }
        if (!all.isReal(0, 0) || all.lastReal(0) != all.positions() - 1) {
            throw misused("A single row of --tokens needs no padding; leave it out");
        }
        return all;
    }

    /** What was given, for a heading. */
    String title() {
        String found = text;
        if (found != null) {
            return found;
        }
        Tokens given = ids;
        return "tokens "
                + (given == null
                        ? ""
                        : Arrays.stream(given.row(0)).mapToObj(Long::toString).collect(Collectors.joining(", ")));
    }

    /**
     * Rows of whole numbers.
     *
     * @param form what the option should look like
     */
    static List<long[]> parse(String option, String form, String text) {
        List<long[]> rows = new ArrayList<>();
        for (String row : text.split(";", -1)) {
            String[] parts = row.isBlank() ? new String[0] : row.split(",", -1);
            long[] numbers = new long[parts.length];
            for (int i = 0; i < parts.length; i++) {
                try {
                    numbers[i] = Long.parseLong(parts[i].strip());
                } catch (NumberFormatException e) {
                    throw new UsageException(option + " should look like " + form + "; '" + parts[i] + "' in '" + text
                            + "' is no whole number");
                }
            }
            rows.add(numbers);
        }
        return rows;
    }
}
