package dev.loupe.harvest.source;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** One document of a data set: a text, or the ids of its tokens. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Document {

    private final long id;
    private final String place;
    private final @Nullable String text;
    private final long @Nullable [] tokens;

    private Document(long id, String place, @Nullable String text, long @Nullable [] tokens) {
        this.id = id;
        this.place = place;
        this.text = text;
        this.tokens = tokens;
    }

    /**
     * A text.
     *
     * @param id the number that is written beside its tokens
     * @param place where it comes from, for messages: {@code corpus.txt, line 3}
     */
    public static Document text(long id, String place, String text) {
        return new Document(id, place, text, null);
    }

    /**
     * Token ids, which are used as they are.
     *
     * @param id the number that is written beside its tokens
     * @param place where it comes from, for messages: {@code tokens.txt, line 3}
     */
    public static Document tokens(long id, String place, long... tokens) {
        return new Document(id, place, null, tokens.clone());
    }

    /** The number that is written beside its tokens. */
    public long id() {
        return id;
    }

    /** Where it comes from, for messages. */
    public String place() {
        return place;
    }

    /** The text; null if the document is token ids. */
    public @Nullable String text() {
        return text;
    }

    /** The token ids; null if the document is a text. */
    public long @Nullable [] tokens() {
        return tokens == null ? null : tokens.clone();
    }

    @Override
    public String toString() {
        return place;
    }
}
