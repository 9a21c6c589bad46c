package dev.loupe.model;

import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
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
            String hint = text.isEmpty() || Character.isWhitespace(text.charAt(0))
                    ? ""
                    : tokenizer().encode(" " + text).length == 1
                            ? "; \" " + text + "\", with a space in front, is one"
                            : "; words inside a sentence usually begin with a space";
            throw new IllegalArgumentException(
                    "\"" + text + "\" isn't one token but " + ids.length + ": " + strings(ids) + hint);
        }
        return ids[0];
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
                    + " doesn't stand in " + (tokenizer == null ? java.util.Arrays.toString(ids) : strings(ids)));
        }
        return found;
    }
}
