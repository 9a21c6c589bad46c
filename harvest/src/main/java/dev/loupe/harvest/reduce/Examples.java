package dev.loupe.harvest.reduce;

import java.util.Arrays;
import org.apiguardian.api.API;

/**
 * The places at which some units are most active: of each unit the highest numbers over 0, the highest first. Where numbers
 * are equal, the earlier place comes first, so that the order in which places are offered doesn't matter.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Examples {

    /** Tokens that are shown in front of the place. */
    public static final int BEFORE = 12;

    /** Tokens that are shown behind the place. */
    public static final int AFTER = 4;

    /** Ids of the tokens around a place. */
    static final int CONTEXT = BEFORE + 1 + AFTER;

    private final int units;
    private final int most;
    private final int[] count;
    private final double[] values;
    private final long[] documents;
    private final long[] rows;
    private final int[] positions;
    private final int[] contexts;

    /** Where the tokens around a place are found. */
    @FunctionalInterface
    public interface Context {
        /** The id so many tokens behind the place (in front of it if negative); −1 if there is none. */
        int id(int offset);
    }

    /**
     * None yet.
     *
     * @param units how many units
     * @param most how many places are kept for each
     */
    public Examples(int units, int most) {
        if (most < 1 || most > 10_000) {
            throw new IllegalArgumentException("1 to 10,000 examples can be kept of each unit, asked for " + most);
        }
        int places = Math.multiplyExact(units, most);
        this.units = units;
        this.most = most;
        this.count = new int[units];
        this.values = new double[places];
        this.documents = new long[places];
        this.rows = new long[places];
        this.positions = new int[places];
        this.contexts = new int[Math.multiplyExact(places, CONTEXT)];
    }

    /** How many units there are. */
    public int units() {
        return units;
    }

    /** How many places are kept for each unit at most. */
    public int most() {
        return most;
    }

    /** How many places are known of a unit. */
    public int count(int unit) {
        return count[unit];
    }

    /** The number at a unit's n-th place. */
    public double value(int unit, int n) {
        return values[unit * most + n];
    }

    /** The document of a unit's n-th place. */
    public long document(int unit, int n) {
        return documents[unit * most + n];
    }

    /** The row of a unit's n-th place. */
    public long row(int unit, int n) {
        return rows[unit * most + n];
    }

    /** The position of a unit's n-th place in its row. */
    public int position(int unit, int n) {
        return positions[unit * most + n];
    }

    /** The ids around a unit's n-th place, {@link #BEFORE} in front of it, {@link #AFTER} behind; −1 where there is none. */
    public int[] context(int unit, int n) {
        int at = (unit * most + n) * CONTEXT;
        return Arrays.copyOfRange(contexts, at, at + CONTEXT);
    }

    /** Takes a place in if it is among the best. */
    public void offer(int unit, double value, long document, long row, int position, Context context) {
        if (!(value > 0)) {
            return;
        }
        int first = unit * most;
        int known = count[unit];
        if (known == most && !before(value, document, row, position, first + most - 1)) {
            return;
        }
        int at = first + Math.min(known, most - 1);
        while (at > first && before(value, document, row, position, at - 1)) {
            move(at - 1, at);
            at--;
        }
        values[at] = value;
        documents[at] = document;
        rows[at] = row;
        positions[at] = position;
        for (int i = 0; i < CONTEXT; i++) {
            contexts[at * CONTEXT + i] = context.id(i - BEFORE);
        }
        count[unit] = Math.min(most, known + 1);
    }

    private boolean before(double value, long document, long row, int position, int other) {
        if (value != values[other]) {
            return value > values[other];
        }
        if (document != documents[other]) {
            return document < documents[other];
        }
        return row != rows[other] ? row < rows[other] : position < positions[other];
    }

    private void move(int from, int to) {
        values[to] = values[from];
        documents[to] = documents[from];
        rows[to] = rows[from];
        positions[to] = positions[from];
        System.arraycopy(contexts, from * CONTEXT, contexts, to * CONTEXT, CONTEXT);
    }
}
