package dev.loupe.harvest.shard;

import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.Packing;
import dev.loupe.harvest.job.Packing.Kind;
import dev.loupe.harvest.job.Packing.TooLong;
import dev.loupe.harvest.job.Positions;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource.Documents;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Documents, one after the other, as rows that the model runs on. */
final class RowReader {

    private final Documents documents;
    private final Packing packing;
    private final Positions positions;
    private final TextRules rules;
    private final int length;

    private Cursor cursor;
    /** When documents are joined: what is being cut, and the number that its tokens get. */
    private long @Nullable [] current;

    private long currentId;
    private int at;

    /**
     * A reader.
     *
     * @param documents opened where the cursor says
     */
    RowReader(HookedTransformer model, HarvestJob job, Documents documents, Cursor from) {
        this.documents = documents;
        this.packing = job.packing();
        this.positions = job.positions();
        this.rules = new TextRules(model, packing);
        this.cursor = from;
        this.length = packing.length() == 0 ? rules.context() : packing.length();
        if (length > rules.context()) {
            throw new IllegalArgumentException("Rows of " + length + " tokens are longer than the context of '"
                    + job.model() + "', which holds " + rules.context());
        }
        if (packing.kind() == Kind.CONCATENATE && length < (rules.prependBos() ? 2 : 1)) {
            throw new IllegalArgumentException(
                    "Rows of " + length + " tokens with BOS in front have no room for text; give 2 or more");
        }
    }

    double fraction() {
        return documents.fraction();
    }

    /** Where the next row begins. */
    Cursor cursor() {
        return cursor;
    }

    /** The next row; null at the end. */
    @Nullable
    TokenRow next() throws IOException {
        return packing.kind() == Kind.CONCATENATE ? nextJoined() : nextDocument();
    }

    private @Nullable TokenRow nextDocument() throws IOException {
        while (true) {
            Document document = documents.next();
            if (document == null) {
                return null;
            }
            long[] ids = rules.row(document);
            cursor = new Cursor(cursor.row(), cursor.document() + 1, 0);
            if (ids.length == 0) {
                continue;
            }
            if (ids.length > length) {
                if (packing.tooLong() == TooLong.REFUSE) {
                    throw new IllegalArgumentException(
                            document.place() + " has " + ids.length + " tokens, more than the "
                                    + length + " of a row. Take its first ones (--max-length " + length
                                    + "), join documents and cut them (--pack concatenate), or shorten it");
                }
                ids = Arrays.copyOf(ids, length);
            }
            long[] from = new long[ids.length];
            Arrays.fill(from, document.id());
            return row(ids, from, cursor);
        }
    }

    private TokenRow row(long[] ids, long[] from, Cursor after) {
        long number = cursor.row();
        cursor = new Cursor(number + 1, after.document(), after.offset());
        return new TokenRow(number, ids, from, positions.begin(ids.length), positions.end(ids.length), cursor);
    }

    private @Nullable TokenRow nextJoined() throws IOException {
        long[] ids = new long[length];
        long[] from = new long[length];
        int filled = rules.prependBos() ? 1 : 0;
        long document = cursor.document();
        while (filled < length) {
            long[] rest = current;
            if (rest == null) {
                rest = open(document);
                if (rest == null) {
                    return null;
                }
                current = rest;
            }
            int some = Math.min(length - filled, rest.length - at);
            System.arraycopy(rest, at, ids, filled, some);
            Arrays.fill(from, filled, filled + some, currentId);
            filled += some;
            at += some;
            if (at == rest.length) {
                current = null;
                at = 0;
                document++;
            }
        }
        if (rules.prependBos()) {
            ids[0] = rules.bos();
            from[0] = from[1];
        }
        return row(ids, from, new Cursor(cursor.row(), document, at));
    }

    /** The next document's tokens, EOS in front if it isn't the first; null at the end. */
    private long @Nullable [] open(long number) throws IOException {
        Document document = documents.next();
        if (document == null) {
            return null;
        }
        long[] ids = rules.encode(document);
        if (number > 0) {
            long[] joined = new long[ids.length + 1];
            joined[0] = rules.eos();
            System.arraycopy(ids, 0, joined, 1, ids.length);
            ids = joined;
        }
        currentId = document.id();
        // The harvest may have stopped in the middle of this document.
        at = number == cursor.document() ? (int) Math.min(cursor.offset(), ids.length) : 0;
        return ids;
    }
}
