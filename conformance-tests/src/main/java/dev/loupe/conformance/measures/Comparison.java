package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Precision;
import java.util.Arrays;
import java.util.Locale;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * How what was found differs from what is expected: the worst error, as a fraction of what is allowed, and the first
 * element that differs by more than is allowed.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Comparison {

    private final HostTensor found;
    private final HostTensor expected;
    private final double @Nullable [] allowed;
    private long firstBad = -1;
    private int bad;
    private double worstFraction;
    private double worstError;
    private double worstUlps;

    private Comparison(HostTensor found, HostTensor expected, double @Nullable [] allowed) {
        this.found = found;
        this.expected = expected;
        this.allowed = allowed;
    }

    /**
     * Compares element by element.
     *
     * @param expected of any data type; what the type of {@code found} can't hold counts as what it rounds to
     * @param allowed the largest allowed distance of each element; null if all must be equal
     */
    public static Comparison of(HostTensor found, HostTensor expected, double @Nullable [] allowed) {
        Comparison comparison = new Comparison(found, expected, allowed);
        boolean exactLongs = !found.dtype().isFloating() && !expected.dtype().isFloating();
        if (exactLongs) {
            comparison.compareLongs();
        } else {
            comparison.compareDoubles();
        }
        return comparison;
    }

    private void compareLongs() {
        long[] have = found.toLongArray();
        long[] want = expected.toLongArray();
        for (int i = 0; i < have.length; i++) {
            if (have[i] != want[i]) {
                note(i, true, Math.abs((double) have[i] - want[i]), Double.POSITIVE_INFINITY, 0);
            }
        }
    }

    private void compareDoubles() {
        int count = (int) found.shape().elements();
        for (int i = 0; i < count; i++) {
            double have = found.getDouble(i);
            double want = expected.getDouble(i);
            double limit = allowed == null ? 0 : allowed[i];
            if (have == want || Double.isNaN(have) && Double.isNaN(want)) {
                continue;
            }
            double rounded = found.dtype().isFloating() ? Precision.round(want, found.dtype()) : want;
            if (have == rounded && (limit == 0 || Double.isInfinite(rounded))) {
                continue;
            }
            double error = Math.abs(have - want);
            if (Double.isNaN(error) || Double.isInfinite(error)) {
                note(i, !nearOverflow(have, want, limit), error, Double.POSITIVE_INFINITY, 0);
            } else {
                double fraction = limit == 0 ? Double.POSITIVE_INFINITY : error / limit;
                double ulps = found.dtype().isFloating() ? error / Precision.ulp(want, found.dtype()) : error;
                note(i, error > limit, error, fraction, ulps);
            }
        }
    }

    /** Whether one is infinite and the other so near to the largest number that rounding may decide. */
    private boolean nearOverflow(double have, double want, double limit) {
        if (Double.isNaN(have) || Double.isNaN(want) || Math.signum(have) != Math.signum(want)) {
            return false;
        }
        double largest = Precision.largest(found.dtype());
        double finite = Math.min(Math.abs(have), Math.abs(want));
        return !Double.isInfinite(want) && finite + limit >= largest;
    }

    private void note(int index, boolean isBad, double error, double fraction, double ulps) {
        if (isBad) {
            bad++;
            if (firstBad < 0) {
                firstBad = index;
            }
        }
        if (fraction > worstFraction && (isBad || fraction <= 1)) {
            worstFraction = fraction;
            worstError = error;
        }
        worstUlps = Math.max(worstUlps, ulps);
    }

    /** Number of elements compared. */
    public long elements() {
        return found.shape().elements();
    }

    /** Whether every element is as near as is allowed. */
    boolean isGood() {
        return bad == 0;
    }

    /** The largest error as a fraction of what is allowed there. */
    public double worstFraction() {
        return worstFraction;
    }

    /** That error itself. */
    public double worstError() {
        return worstError;
    }

    /** The largest error in units in the last place of the expected number. */
    public double worstUlps() {
        return worstUlps;
    }

    /**
     * Throws if an element is too far off.
     *
     * @throws AssertionError naming the first such element, what it is and what it should be
     */
    public void check(String what) {
        if (isGood()) {
            return;
        }
        int i = (int) firstBad;
        Object have = show(found, i);
        Object want = show(expected, i);
        String limit = allowed == null || allowed[i] == 0
                ? "exactly"
                : "within " + brief(allowed[i]) + " (off by "
                        + brief(Math.abs(found.getDouble(i) - expected.getDouble(i))) + ")";
        throw new AssertionError(what + ": element " + Arrays.toString(position(i, found.shape())) + " of "
                + found.shape() + " is " + have + ", expected " + want + " " + limit + "; " + bad + " of " + elements()
                + " elements are off, the worst by " + brief(worstError)
                + (allowed == null ? "" : ", " + brief(worstFraction) + " times what is allowed"));
    }

    private static String brief(double value) {
        return String.format(Locale.ROOT, "%.3g", value);
    }

    private static Object show(HostTensor tensor, int i) {
        if (tensor.dtype() == DType.INT64) {
            return tensor.toLongArray()[i];
        }
        return tensor.getDouble(i);
    }

    private static long[] position(long flat, Shape shape) {
        long[] position = new long[shape.rank()];
        long rest = flat;
        for (int axis = shape.rank() - 1; axis >= 0; axis--) {
            position[axis] = rest % shape.size(axis);
            rest /= shape.size(axis);
        }
        return position;
    }
}
