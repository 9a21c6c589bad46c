package dev.loupe.cli;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** What to run on: text or token ids. */
final class PromptOptions {

    @ArgGroup(exclusive = true, multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    Input input;

    /** One of the two. */
    static final class Input {
        @Option(names = "--prompt", paramLabel = "TEXT", description = "The text.")
        @Nullable
        String prompt;

        @Option(
                names = "--tokens",
                paramLabel = "IDS",
                description = "Token ids, used as they are: '5,6,7;8,9,10' is a batch of two.")
        @Nullable
        String tokens;
    }

    @Option(
            names = "--attention-mask",
            paramLabel = "MASK",
            description = "1 for real tokens, 0 for padding: '1,1,1;0,1,1'. Goes with --tokens.")
    @Nullable
    String attentionMask;

    @Option(
            names = "--prepend-bos",
            arity = "0..1",
            fallbackValue = "true",
            paramLabel = "true|false",
            description = "Whether a BOS token goes in front of the text; the model's habit unless given.")
    @Nullable
    Boolean prependBos;

    /** The tokens; rows of different lengths are padded on the left, so that the last position is the last token. */
    Tokens tokens(HookedTransformer model) {
        String text = input.prompt;
        if (text != null) {
            if (attentionMask != null) {
                throw new IllegalArgumentException("--attention-mask goes with --tokens, not with --prompt");
            }
            boolean bos = prependBos == null ? model.config().defaultPrependBos() : prependBos;
            if (text.isEmpty()) {
                throw new IllegalArgumentException("The prompt is empty; give some text");
            }
            return model.toTokens(text, bos);
        }
        List<long[]> rows = parse("--tokens", input.tokens == null ? "" : input.tokens);
        if (attentionMask == null) {
            boolean equal = rows.stream().allMatch(row -> row.length == rows.get(0).length);
            return equal ? Tokens.of(rows.toArray(new long[0][])) : Tokens.pad(rows, 0, true);
        }
        List<long[]> maskRows = parse("--attention-mask", attentionMask);
        boolean[][] mask = new boolean[maskRows.size()][];
        for (int i = 0; i < mask.length; i++) {
            mask[i] = new boolean[maskRows.get(i).length];
            for (int j = 0; j < mask[i].length; j++) {
                long value = maskRows.get(i)[j];
                if (value != 0 && value != 1) {
                    throw new IllegalArgumentException("--attention-mask holds 0 and 1, found " + value);
                }
                mask[i][j] = value == 1;
            }
        }
        return Tokens.of(rows.toArray(new long[0][]), mask);
    }

    static List<long[]> parse(String option, String text) {
        List<long[]> rows = new ArrayList<>();
        for (String row : text.split(";", -1)) {
            String[] parts = row.isBlank() ? new String[0] : row.split(",", -1);
            long[] numbers = new long[parts.length];
            for (int i = 0; i < parts.length; i++) {
                try {
                    numbers[i] = Long.parseLong(parts[i].strip());
                } catch (NumberFormatException e) {
                    throw new IllegalArgumentException(
                            option + " should look like 5,6,7;8,9,10; '" + parts[i] + "' is no whole number", e);
                }
            }
            rows.add(numbers);
        }
        return rows;
    }
}
