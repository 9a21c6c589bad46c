package dev.loupe.harvest.source;

import java.io.Closeable;
import java.io.IOException;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A data set: documents in an order that is the same each time. A harvest that was interrupted reads it again, and
 * compares what it has passed before.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface DocumentSource {

    /** What to call it in messages: a file's name. */
    String name();

    /**
     * Opens it at its beginning.
     *
     * @throws IOException if it can't be read; the message says why
     */
    Documents open() throws IOException;

    /** Documents one after the other. */
    interface Documents extends Closeable {

        /**
         * The next document; null at the end.
         *
         * @throws IOException if it can't be read; the message says where and why
         */
        @Nullable
        Document next() throws IOException;

        /** How much of the source has been read, between 0 and 1; NaN if that isn't known. */
        default double fraction() {
            return Double.NaN;
        }
    }
}
