package dev.loupe.harvest.shard;

import java.util.Arrays;

/** A row of tokens that the model runs on, and which of its positions are kept. */
final class TokenRow {

    private final long number;
    private final long[] ids;
    private final long[] documents;
    private final int begin;
    private final int end;
    private final Cursor next;

    /**
     * A row.
     *
     * @param number counts rows of the data set, from 0
     * @param ids its tokens
     * @param documents the document of each token
     * @param begin the first position that is kept
     * @param end the position after the last that is kept
     * @param next where the row after it begins
     */
    TokenRow(long number, long[] ids, long[] documents, int begin, int end, Cursor next) {
        this.number = number;
        this.ids = ids;
        this.documents = documents;
        this.begin = begin;
        this.end = end;
        this.next = next;
    }

    long number() {
        return number;
    }

    int length() {
        return ids.length;
    }

    /** The ids themselves; not to be written to. */
    long[] ids() {
        return ids;
    }

    long id(int position) {
        return ids[position];
    }

    long document(int position) {
        return documents[position];
    }

    int begin() {
        return begin;
    }

    int end() {
        return end;
    }

    /** How many positions are kept. */
    int kept() {
        return end - begin;
    }

    Cursor next() {
        return next;
    }

    /** The same row, of which no more than so many positions are kept. */
    TokenRow keeping(int most) {
        return new TokenRow(number, ids, documents, begin, Math.min(end, begin + most), next);
    }

    @Override
    public String toString() {
        return "row " + number + " " + Arrays.toString(ids);
    }
}
