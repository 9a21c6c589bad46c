package dev.loupe.examples.loops;

/** The error function, which the JDK doesn't have. */
final class ErrorFunction {

    private static final double TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

    private ErrorFunction() {}

    /** {@code 2/√π · ∫₀ˣ e^(−t²) dt}, to about 15 digits. */
    static double erf(double x) {
        double magnitude = Math.abs(x);
        if (Double.isNaN(x) || magnitude > 6) {
            return Double.isNaN(x) ? x : Math.signum(x);
        }
        return magnitude < 2.5 ? series(x) : Math.signum(x) * (1 - complement(magnitude));
    }

    /** Abramowitz and Stegun 7.1.6: all terms have one sign, so nothing cancels. */
    private static double series(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum;
    }

    /** Abramowitz and Stegun 7.1.14, a continued fraction for 1 − erf(x), from the inside out. */
    private static double complement(double x) {
        double fraction = x;
        for (int n = 60; n > 0; n--) {
            fraction = x + n / 2.0 / fraction;
        }
        return TWO_OVER_ROOT_PI / 2 * Math.exp(-x * x) / fraction;
    }
}
