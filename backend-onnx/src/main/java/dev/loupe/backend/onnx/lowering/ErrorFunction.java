package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;

/**
 * The error function. The runtime has no kernel in float64, so there it is composed, to within a few units in the
 * last place of 1: below 1 its power series, above it {@code 1 - exp(-x²)·f(x)}, with {@code f(x) = exp(x²)·erfc(x)}
 * as a polynomial in {@code t = (x-2.5)/(x+2.5)}, in which f is nearly straight.
 */
final class ErrorFunction {

    private static final double MIDDLE = 2.5;
    private static final double FIRST = 1;
    private static final double LAST = 6; // erf(6) is 1 in float64
    private static final double CENTRE = (t(FIRST) + t(LAST)) / 2;
    private static final double RADIUS = (t(LAST) - t(FIRST)) / 2;
    private static final int SERIES_TERMS = 20; // 1/(20!·41) is far below an ulp
    private static final int DEGREE = 16;

    private static final double[] SERIES = series();
    private static final double[] SCALED_COMPLEMENT = scaledComplement();

    private ErrorFunction() {}

    /** The error function of a value of the type of the site's first input. */
    static String write(LoweringSite at, String value) {
        if (at.dtype() != DType.FLOAT64) {
            return at.node("Erf", value);
        }
        String x = at.node("Min", at.node("Abs", value), at.scalar(LAST));
        String square = at.node("Mul", x, x);
        String near = at.node("Mul", x, polynomial(at, SERIES, square));
        String t = at.node("Div", at.node("Sub", x, at.scalar(MIDDLE)), at.node("Add", x, at.scalar(MIDDLE)));
        String tail = at.node(
                "Mul", at.node("Exp", at.node("Neg", square)), polynomial(at, SCALED_COMPLEMENT, centred(at, t)));
        String far = at.node("Sub", at.scalar(1), tail);
        String magnitude = at.where(at.node("Less", x, at.scalar(FIRST)), near, far);
        return at.where(at.node("Less", value, at.scalar(0)), at.node("Neg", magnitude), magnitude);
    }

    private static String polynomial(LoweringSite at, double[] coefficients, String x) {
        String sum = at.scalar(coefficients[coefficients.length - 1]);
        for (int i = coefficients.length - 2; i >= 0; i--) {
            sum = at.node("Add", at.node("Mul", sum, x), at.scalar(coefficients[i]));
        }
        return sum;
    }

    private static double t(double x) {
        return (x - MIDDLE) / (x + MIDDLE);
    }

    private static String centred(LoweringSite at, String t) {
        return at.node("Div", at.node("Sub", t, at.scalar(CENTRE)), at.scalar(RADIUS));
    }

    /** {@code erf(x) = x·Σ c_n·x^2n} with {@code c_n = 2/√π·(-1)^n/(n!·(2n+1))}. */
    private static double[] series() {
        double[] coefficients = new double[SERIES_TERMS];
        double factor = 2 / Math.sqrt(Math.PI);
        for (int n = 0; n < SERIES_TERMS; n++) {
            coefficients[n] = factor / (2 * n + 1);
            factor = -factor / (n + 1);
        }
        return coefficients;
    }

    /** Coefficients, in powers of t centred to [-1, 1], of the polynomial that agrees with f at Chebyshev's points. */
    private static double[] scaledComplement() {
        int points = DEGREE + 1;
        double[] chebyshev = new double[points];
        for (int i = 0; i < points; i++) {
            double angle = Math.PI * (i + 0.5) / points;
            double t = CENTRE + RADIUS * Math.cos(angle);
            double value = complement(MIDDLE * (1 + t) / (1 - t));
            for (int n = 0; n < points; n++) {
                chebyshev[n] += (n == 0 ? 1.0 : 2.0) / points * value * Math.cos(n * angle);
            }
        }
        return powers(chebyshev);
    }

    /** {@code exp(x²)·erfc(x)} for x from 1 on, by the continued fraction {@code 1/√π / (x + ½/(x + 1/(x + …)))}. */
    private static double complement(double x) {
        double rest = x;
        for (int n = 400; n > 0; n--) {
            rest = x + n / 2.0 / rest;
        }
        return 1 / Math.sqrt(Math.PI) / rest;
    }

    // T_0 = 1, T_1 = u, T_n = 2u·T_(n-1) - T_(n-2).
    private static double[] powers(double[] chebyshev) {
        int size = chebyshev.length;
        double[] sum = new double[size];
        double[] before = new double[size];
        double[] current = new double[size];
        before[0] = 1;
        current[1] = 1;
        sum[0] = chebyshev[0];
        for (int n = 1; n < size; n++) {
            for (int i = 0; i <= n; i++) {
                sum[i] += chebyshev[n] * current[i];
            }
            double[] next = new double[size];
            for (int i = 0; i < size; i++) {
                next[i] = (i == 0 ? 0 : 2 * current[i - 1]) - before[i];
            }
            before = current;
            current = next;
        }
        return sum;
    }
}
