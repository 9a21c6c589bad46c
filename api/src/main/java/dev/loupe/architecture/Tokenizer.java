package dev.loupe.architecture;

import java.util.OptionalInt;
import org.apiguardian.api.API;

/** Turns text into token ids and back. Safe for use from many threads. */
@API(status = API.Status.STABLE, since = "0.1")
public interface Tokenizer {

    /**
     * The tokenizer of a checkpoint, without its weights.
     *
     * @param name as for a model; a directory may have nothing but a tokenizer's files
     * @throws IllegalArgumentException if there is none, or it can't be understood
     */
    static Tokenizer fromPretrained(String name) {
        return CheckpointLoader.installed(name).openTokenizer(name, LoadOptions.defaults());
    }

    /**
     * The ids of a text, with special tokens written in the text recognised, and none added.
     */
    long[] encode(String text);

    /** The text of some ids. */
    String decode(long[] ids, boolean skipSpecialTokens);

    /** The token as it stands in the vocabulary, or as text: what one id contributes, for display. */
    String tokenText(long id);

    /** Number of ids, added tokens included. */
    int vocabularySize();

    /** Begin-of-sequence id, if the tokenizer names one. */
    OptionalInt bosId();

    /** End-of-sequence id, if the tokenizer names one. */
    OptionalInt eosId();

    /** Padding id, if the tokenizer names one. */
    OptionalInt padId();

    /** Whether the tokenizer, used as its makers do, puts BOS first. */
    boolean addsBos();
}
