package dev.loupe.model;

import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A batch of token sequences of one length, [batch, pos], with padding marked.
 *
 * <p>Immutable. Rows are never empty of real tokens, and their real tokens stand together: padding is at the left or
 * at the right end.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Tokens {

    private final long[][] ids;
    private final boolean[][] mask;

    private Tokens(long[][] ids, boolean[][] mask) {
        this.ids = ids;
        this.mask = mask;
    }

    /** A batch of rows of equal length, without padding: one row for each argument. */
    public static Tokens of(long[]... rows) {
        boolean[][] mask = new boolean[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            mask[i] = new boolean[rows[i].length];
            Arrays.fill(mask[i], true);
        }
        return of(rows, mask);
    }

    /**
     * A batch with padding.
     *
     * @param ids [batch][pos]
     * @param mask [batch][pos], true at real tokens
     * @throws IllegalArgumentException if the batch or a row is empty, rows differ in length, or a row's real tokens
     *     don't stand together
     */
    public static Tokens of(long[][] ids, boolean[][] mask) {
        if (ids.length == 0) {
            throw new IllegalArgumentException("The batch is empty: give at least one sequence of tokens");
        }
        if (mask.length != ids.length) {
            throw new IllegalArgumentException("The mask has " + mask.length + " rows, the tokens " + ids.length);
        }
        long[][] idsCopy = new long[ids.length][];
        boolean[][] maskCopy = new boolean[ids.length][];
        for (int i = 0; i < ids.length; i++) {
            if (ids[i].length == 0) {
                throw new IllegalArgumentException("The prompt is empty: sequence " + i
                        + " has no tokens. Give at least one, such as the BOS token.");
            }
            if (ids[i].length != ids[0].length || mask[i].length != ids[0].length) {
                throw new IllegalArgumentException("Rows must have one length: row 0 has " + ids[0].length
                        + " tokens, row " + i + " has " + ids[i].length + " and a mask of " + mask[i].length);
            }
            checkTogether(mask[i], i);
            idsCopy[i] = ids[i].clone();
            maskCopy[i] = mask[i].clone();
        }
        return new Tokens(idsCopy, maskCopy);
    }

    private static void checkTogether(boolean[] mask, int row) {
        int changes = 0;
        boolean any = false;
        for (int i = 0; i < mask.length; i++) {
            any |= mask[i];
            changes += i > 0 && mask[i] != mask[i - 1] ? 1 : 0;
        }
        if (!any || changes > (mask[0] ? 1 : 2)) {
            throw new IllegalArgumentException("Row " + row + " of the mask " + Arrays.toString(mask)
                    + (any ? " has gaps between its real tokens" : " has no real token"));
        }
    }

    /**
     * Rows of different lengths, padded to the longest.
     *
     * @param left whether padding goes to the left
     */
    public static Tokens pad(List<long[]> rows, long padId, boolean left) {
        int longest = rows.stream().mapToInt(row -> row.length).max().orElse(0);
        long[][] ids = new long[rows.size()][longest];
        boolean[][] mask = new boolean[rows.size()][longest];
        for (int i = 0; i < ids.length; i++) {
            long[] row = rows.get(i);
            if (row.length == 0) {
                throw new IllegalArgumentException("The prompt is empty: sequence " + i
                        + " has no tokens. Give at least one, such as the BOS token.");
            }
            int start = left ? longest - row.length : 0;
            Arrays.fill(ids[i], padId);
            System.arraycopy(row, 0, ids[i], start, row.length);
            Arrays.fill(mask[i], start, start + row.length, true);
        }
        return of(ids, mask);
    }

    /** Number of sequences. */
    public int batch() {
        return ids.length;
    }

    /** Number of positions, padding included. */
    public int positions() {
        return ids[0].length;
    }

    /** One id. */
    public long id(int row, int position) {
        return ids[row][position];
    }

    /** Whether a position holds a real token. */
    public boolean isReal(int row, int position) {
        return mask[row][position];
    }

    /** A copy of one row, padding included. */
    public long[] row(int row) {
        return ids[row].clone();
    }

    /** The position of the last real token of a row. */
    public int lastReal(int row) {
        return lastReal(mask[row]);
    }

    /** The last place at which there is a real token; −1 if there is none. */
    static int lastReal(boolean[] mask) {
        int last = mask.length - 1;
        while (last >= 0 && !mask[last]) {
            last--;
        }
        return last;
    }

    /** The real tokens of one row. */
    public long[] realTokens(int row) {
        long[] real = new long[ids[row].length];
        int count = 0;
        for (int i = 0; i < real.length; i++) {
            if (mask[row][i]) {
                real[count++] = ids[row][i];
            }
        }
        return Arrays.copyOf(real, count);
    }

    /** A copy of the ids, [batch][pos]. */
    public long[][] ids() {
        long[][] copy = new long[ids.length][];
        Arrays.setAll(copy, this::row);
        return copy;
    }

    /** A copy of the mask, [batch][pos]. */
    public boolean[][] mask() {
        boolean[][] copy = new boolean[mask.length][];
        Arrays.setAll(copy, i -> mask[i].clone());
        return copy;
    }

    /** Whether some position is padding. */
    public boolean hasPadding() {
        for (boolean[] row : mask) {
            for (boolean real : row) {
                if (!real) {
                    return true;
                }
            }
        }
        return false;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Tokens tokens
                && Arrays.deepEquals(ids, tokens.ids)
                && Arrays.deepEquals(mask, tokens.mask);
    }

    @Override
    public int hashCode() {
        return Arrays.deepHashCode(ids);
    }

    @Override
    public String toString() {
        return "Tokens " + Arrays.deepToString(ids) + (hasPadding() ? " with padding" : "");
    }
}
