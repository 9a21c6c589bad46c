package dev.loupe.harvest.shard;

import org.apiguardian.api.API;

/**
 * A place between two rows of a data set, at which a harvest can go on.
 *
 * @param row the number of the row that comes next
 * @param document how many documents to pass over, empty ones counted
 * @param offset how many tokens of the next document to pass over, the EOS in front of it counted
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Cursor(long row, long document, long offset) {

    /** The beginning. */
    public static Cursor start() {
        return new Cursor(0, 0, 0);
    }

    /** Checks that nothing is negative. */
    public Cursor {
        if (row < 0 || document < 0 || offset < 0) {
            throw new IllegalArgumentException(
                    "Row " + row + ", document " + document + ", offset " + offset + " is no place in a data set");
        }
    }
}
