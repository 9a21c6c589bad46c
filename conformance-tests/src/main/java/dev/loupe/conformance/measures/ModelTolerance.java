package dev.loupe.conformance.measures;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.cases.Precision;
import java.util.Arrays;
import org.apiguardian.api.API;

/**
 * How far an activation inside a model may lie from the reference's: rounding errors of so many operations, one after
 * the other, measured against the largest number of the same activation.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ModelTolerance {

    /**
     * Units in the last place that one block of a transformer may add: about twenty roundings one after the other, some
     * of them of sums over a few dozen terms.
     */
    private static final double UNITS_PER_BLOCK = 40;

    private ModelTolerance() {}

    /**
     * The allowed distance of every element.
     *
     * @param blocks blocks that lie before the activation, the embedding counted as one
     */
    public static double[] allowed(HostTensor expected, DType type, int blocks) {
        int count = (int) expected.shape().elements();
        double largest = 0;
        for (int i = 0; i < count; i++) {
            double value = Math.abs(expected.getDouble(i));
            largest = Double.isFinite(value) ? Math.max(largest, value) : largest;
        }
        double bound = Precision.eps(type) * UNITS_PER_BLOCK * blocks * largest + Precision.smallestNormal(type);
        double[] allowed = new double[count];
        Arrays.fill(allowed, bound);
        return allowed;
    }

    /** Throws if an activation is too far from the reference's. */
    public static void check(
            String what, HostTensor found, HostTensor expected, int blocks, Measurements report, String where) {
        if (!found.shape().equals(expected.shape())) {
            throw new AssertionError(what + " has the shape " + found.shape() + ", expected " + expected.shape());
        }
        double[] allowed = found.dtype().isFloating() ? allowed(expected, found.dtype(), blocks) : null;
        Comparison comparison = Comparison.of(found, expected, allowed);
        report.measured("(whole blocks)", found.dtype(), comparison, where);
        comparison.check(what);
    }
}
