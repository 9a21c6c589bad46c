package dev.loupe.harvest.job;

import java.util.Locale;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * How documents become rows that the model runs on.
 *
 * @param kind whether documents are joined
 * @param length tokens of a row, BOS included: of every row when documents are joined, of the longest otherwise; 0 for as
 *     many as the model's context holds
 * @param prependBos whether texts, and joined rows, get BOS in front; null for the model's own habit
 * @param tooLong what becomes of a document that is longer than a row, where documents aren't joined
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Packing(Kind kind, int length, @Nullable Boolean prependBos, TooLong tooLong) {

    /** Whether documents are joined. */
    public enum Kind {
        /** Each document is a row of its own. */
        DOCUMENTS,
        /**
         * Documents are joined, EOS between them, and cut into rows of one length; what doesn't fill the last row is
         * dropped: the original's {@code tokenize_and_concatenate}.
         */
        CONCATENATE;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What becomes of a document that is longer than a row. */
    public enum TooLong {
        /** Its first tokens are taken. */
        TRUNCATE,
        /** The harvest stops with an error that names the document. */
        REFUSE;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Checks the length. */
    public Packing {
        if (length < 0) {
            throw new IllegalArgumentException("A row can't have " + length
                    + " tokens; give 1 or more, or 0 for as many as the model's context holds");
        }
    }

    /** Each document is a row; one that is longer than the model's context is an error. */
    public static Packing documents() {
        return new Packing(Kind.DOCUMENTS, 0, null, TooLong.REFUSE);
    }

    /** Each document is a row, of which no more than so many tokens are taken. */
    public static Packing truncated(int length) {
        return new Packing(Kind.DOCUMENTS, length, null, TooLong.TRUNCATE);
    }

    /** Documents joined, and cut into rows of so many tokens. */
    public static Packing concatenated(int length) {
        return new Packing(Kind.CONCATENATE, length, null, TooLong.TRUNCATE);
    }

    /** The same with BOS in front or without. */
    public Packing withPrependBos(@Nullable Boolean prepend) {
        return new Packing(kind, length, prepend, tooLong);
    }
}
