package dev.loupe.model;

import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Between text and tokens: the tokenizer, and the habits that belong to the model rather than to it. */
final class TextTokens {

    private final TransformerConfig config;
    private final @Nullable Tokenizer tokenizer;
    private final String problem;

    TextTokens(TransformerConfig config, @Nullable Tokenizer tokenizer, String problem) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.problem = problem;
    }

    Tokenizer tokenizer() {
        if (tokenizer == null) {
            throw new IllegalStateException("'" + config.modelName() + "' has no tokenizer, so it works with token ids"
                    + " only" + (problem.isEmpty() ? "" : ": " + problem));
        }
        return tokenizer;
    }

    boolean hasTokenizer() {
        return tokenizer != null;
    }

    /** BOS, or EOS where there is none. */
    long bos() {
        Tokenizer known = tokenizer;
        Long fromConfig = config.bosId();
        if (known != null && known.bosId().isPresent()) {
            return known.bosId().getAsInt();
        }
        if (fromConfig != null) {
            return fromConfig;
        }
        return eos().orElseThrow(() -> new IllegalStateException("'" + config.modelName()
                + "' has neither a BOS nor an EOS token; ask for tokens without a BOS in front"));
    }

    OptionalInt eos() {
        Tokenizer known = tokenizer;
        if (known != null && known.eosId().isPresent()) {
            return known.eosId();
        }
        return config.eosIds().stream().mapToInt(Long::intValue).sorted().findFirst();
    }

    /**
     * Padding, or EOS where there is none, or 0: what stands at padded places has no effect, but it is looked up, so
     * an id that the model has no embedding for doesn't count.
     */
    long pad() {
        Tokenizer known = tokenizer;
        if (known != null && known.padId().isPresent() && isKnown(known.padId().getAsInt())) {
            return known.padId().getAsInt();
        }
        return filler();
    }

    /** EOS, or 0 where there is none or the model has no embedding for it. */
    long filler() {
        OptionalInt end = eos();
        return end.isPresent() && isKnown(end.getAsInt()) ? end.getAsInt() : 0;
    }

    /**
     * What ends a generated sequence, and what stands behind its end: EOS.
     *
     * @param chosen ids to end at; if there are none, all that the config and the tokenizer name
     * @throws IllegalArgumentException if a chosen one is outside the vocabulary
     */
    Generation.Ends ends(List<Long> chosen) {
        if (chosen.isEmpty()) {
            Set<Long> ids = new HashSet<>(config.eosIds());
            eos().ifPresent(id -> ids.add((long) id));
            return new Generation.Ends(ids, eos().isPresent() ? filler() : pad());
        }
        for (long id : chosen) {
            if (id >= config.dVocab()) {
                throw new IllegalArgumentException("EOS id " + id + " is out of range: '" + config.modelName()
                        + "' has ids from 0 to " + (config.dVocab() - 1));
            }
        }
        OptionalInt own = eos();
        boolean ownFills = chosen.size() > 1 && own.isPresent() && isKnown(own.getAsInt());
        return new Generation.Ends(Set.copyOf(chosen), ownFills ? own.getAsInt() : chosen.get(0));
    }

    private boolean isKnown(int id) {
        return id >= 0 && id < config.dVocab();
    }

    long[] encode(String text, boolean prependBos) {
        long[] ids = tokenizer().encode(text);
        if (!prependBos || (ids.length > 0 && ids[0] == bos())) {
            return ids;
        }
        long[] withBos = new long[ids.length + 1];
        withBos[0] = bos();
        System.arraycopy(ids, 0, withBos, 1, ids.length);
        return withBos;
    }

    Tokens encode(List<String> texts, boolean prependBos, boolean padLeft) {
        List<long[]> rows = new ArrayList<>();
        for (String text : texts) {
            long[] row = encode(text, prependBos);
            if (row.length == 0) {
                throw new IllegalArgumentException("The prompt is empty: \"" + text + "\" has no tokens."
                        + " Give some text, or prepend the BOS token.");
            }
            rows.add(row);
        }
        return rows.size() == 1 ? Tokens.of(rows.get(0)) : Tokens.pad(rows, pad(), padLeft);
    }

    List<String> strings(long[] ids) {
        List<String> strings = new ArrayList<>();
        for (long id : ids) {
            strings.add(tokenizer().tokenText(id));
        }
        return strings;
    }

    long single(String text) {
        long[] ids = tokenizer().encode(text);
        if (ids.length != 1) {
            // In the middle of a text it may be one: a tokenizer that puts a space in front has two with " Mary".
            long[] inside = text.isEmpty() ? ids : continuation(text);
            if (inside.length != 1) {
                throw new IllegalArgumentException(
                        "\"" + text + "\" isn't one token but " + inside.length + ": " + strings(inside) + hint(text));
            }
            return inside[0];
        }
        return ids[0];
    }

    private String hint(String text) {
        if (text.isBlank()) {
            return "";
        }
        if (Character.isWhitespace(text.charAt(0))) {
            String bare = text.substring(1);
            return continuation(bare).length == 1 ? "; \"" + bare + "\", without the space, is one" : "";
        }
        return continuation(" " + text).length == 1
                ? "; \" " + text + "\", with a space in front, is one"
                : "; words inside a sentence usually begin with a space";
    }

    /** The ids of a text as it stands behind another, where no tokenizer puts a space in front of it by itself. */
    long[] continuation(String text) {
        long[] ids = tokenizer().encode(text);
        int spaces = leadingSpaces(text);
        if (leadingSpaces(ids) <= spaces) {
            return ids;
        }
        long[] other;
        if (spaces > 0) {
            other = tokenizer().encode(text.substring(1));
        } else {
            // Behind a line break, which is a token of its own, nothing is put.
            long[] line = tokenizer().encode("\n");
            long[] behind = tokenizer().encode("\n" + text);
            boolean apart = behind.length > line.length && Arrays.equals(line, 0, line.length, behind, 0, line.length);
            other = apart ? Arrays.copyOfRange(behind, line.length, behind.length) : ids;
        }
        return leadingSpaces(other) == spaces ? other : ids;
    }

    private int leadingSpaces(long[] ids) {
        int spaces = 0;
        for (long id : ids) {
            String piece = tokenizer().tokenText(id);
            int here = leadingSpaces(piece);
            spaces += here;
            if (here < piece.length()) {
                break;
            }
        }
        return spaces;
    }

    private static int leadingSpaces(String text) {
        int spaces = 0;
        while (spaces < text.length() && text.charAt(spaces) == ' ') {
            spaces++;
        }
        return spaces;
    }

    /** Documents one behind the other, EOS between, in rows of one length; what is left over is dropped. */
    Tokens concatenated(List<String> texts, int length, boolean prependBos) {
        int room = prependBos ? length - 1 : length;
        if (room < 1) {
            throw new IllegalArgumentException("Rows of " + length + " tokens"
                    + (prependBos ? " with BOS in front" : "") + " have no room for text");
        }
        long end = eos().orElseThrow(() ->
                new IllegalStateException("'" + config.modelName() + "' has no EOS token to put between documents"));
        LongStream.Builder all = LongStream.builder();
        for (int i = 0; i < texts.size(); i++) {
            if (i > 0) {
                all.add(end);
            }
            for (long id : tokenizer().encode(texts.get(i))) {
                all.add(id);
            }
        }
        long[] ids = all.build().toArray();
        int rows = ids.length / room;
        if (rows == 0) {
            throw new IllegalArgumentException("The " + texts.size() + " texts have " + ids.length
                    + " tokens together, which don't fill a row of " + room + "; give more text or shorter rows");
        }
        long[][] cut = new long[rows][length];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(ids, row * room, cut[row], length - room, room);
            if (prependBos) {
                cut[row][0] = bos();
            }
        }
        return Tokens.of(cut);
    }

    int position(long id, long[] ids, boolean last) {
        int found = -1;
        for (int i = 0; i < ids.length && (last || found < 0); i++) {
            if (ids[i] == id) {
                found = i;
            }
        }
        if (found < 0) {
            throw new IllegalArgumentException("Token " + id + (tokenizer == null ? "" : " " + strings(new long[] {id}))
                    + " doesn't stand in " + (tokenizer == null ? Arrays.toString(ids) : strings(ids)));
        }
        return found;
    }
}
