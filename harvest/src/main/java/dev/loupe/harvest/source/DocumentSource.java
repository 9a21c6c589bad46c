package dev.loupe.harvest.source;

import java.io.Closeable;
import java.io.IOException;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A data set: documents in an order that is the same each time. A harvest that was interrupted opens it again where it
 * stopped, so whoever implements this gives the same documents again.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface DocumentSource {

    /** What to call it in messages: a file's name. */
    String name();

    /**
     * What tells one content from another, such as size and check sum of a file: a harvest isn't resumed with other
     * documents than it was begun with.
     *
     * @throws IOException if it can't be read
     */
    String fingerprint() throws IOException;

    /**
     * Opens it.
     *
     * @param first how many documents to pass over, empty ones counted
     * @throws IOException if it can't be read; the message says why
     */
    Documents open(long first) throws IOException;

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
