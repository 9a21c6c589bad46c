package dev.loupe.harvest.job;

import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Which positions of each row are kept, written as Python slices are: {@code :} all, {@code 1:} all but the first, {@code
 * -1} the last, {@code 2:5}. Negative ones count from the row's end. A row that is too short for them gives fewer, or none.
 *
 * @param from the first position kept; null for the first there is
 * @param to the one after the last position kept; null for as many as there are
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Positions(@Nullable Integer from, @Nullable Integer to) {

    private static final Pattern SLICE = Pattern.compile("(-?\\d{1,9})?:(-?\\d{1,9})?");
    private static final Pattern ONE = Pattern.compile("-?\\d{1,9}");

    /** Every position. */
    public static Positions all() {
        return new Positions(null, null);
    }

    /** The last position of each row. */
    public static Positions last() {
        return new Positions(-1, null);
    }

    /**
     * Reads what {@link #toString} writes.
     *
     * @throws IllegalArgumentException if it is no slice
     */
    public static Positions parse(String text) {
        String bare = text.strip();
        if (ONE.matcher(bare).matches()) {
            int position = Integer.parseInt(bare);
            return new Positions(position, position == -1 ? null : Integer.valueOf(position + 1));
        }
        Matcher slice = SLICE.matcher(bare);
        if (!slice.matches()) {
            throw new IllegalArgumentException(
                    "Positions are a slice such as ':', '1:', '-1' or '2:5'; found '" + text + "'");
        }
        return new Positions(number(slice.group(1)), number(slice.group(2)));
    }

    private static @Nullable Integer number(@Nullable String digits) {
        return digits == null ? null : Integer.valueOf(digits);
    }

    /** The first position that is kept of a row of so many. */
    public int begin(int length) {
        return bounded(Objects.requireNonNullElse(from, 0), length);
    }

    /** The position after the last that is kept of a row of so many; not before {@link #begin}. */
    public int end(int length) {
        return Math.max(begin(length), bounded(Objects.requireNonNullElse(to, length), length));
    }

    private static int bounded(int position, int length) {
        return Math.max(0, Math.min(length, position < 0 ? position + length : position));
    }

    @Override
    public String toString() {
        return (from == null ? "" : from) + ":" + (to == null ? "" : to);
    }
}
