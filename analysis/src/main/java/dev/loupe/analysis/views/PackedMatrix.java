package dev.loupe.analysis.views;

/**
 * A matrix of shares in two letters a number, so that pages of many patterns stay small: 4096 steps from 0 to 1, so each
 * number is right to 0.00013. Of a matrix that is zero above its diagonal only the rest is written, row by row.
 */
final class PackedMatrix {

    /** Letters that JSON and HTML leave as they are, in the order of their numbers. */
    private static final String DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

    private static final int STEPS = DIGITS.length() * DIGITS.length() - 1;

    private PackedMatrix() {}

    /** Whether all numbers are shares. */
    static boolean fits(double[][] values) {
        for (double[] row : values) {
            for (double value : row) {
                if (!(value >= 0 && value <= 1 + 1e-4)) {
                    return false;
                }
            }
        }
        return true;
    }

    static String of(double[][] values) {
        boolean triangle = isTriangle(values);
        StringBuilder text = new StringBuilder(triangle ? "t" : "s");
        for (int row = 0; row < values.length; row++) {
            int width = triangle ? row + 1 : values[row].length;
            for (int column = 0; column < width; column++) {
                int number = (int) Math.round(Math.min(1, values[row][column]) * STEPS);
                text.append(DIGITS.charAt(number / DIGITS.length())).append(DIGITS.charAt(number % DIGITS.length()));
            }
        }
        return text.toString();
    }

    private static boolean isTriangle(double[][] values) {
        for (int row = 0; row < values.length; row++) {
            if (values[row].length != values.length) {
                return false;
            }
            for (int column = row + 1; column < values.length; column++) {
                if (values[row][column] != 0) {
                    return false;
                }
            }
        }
        return true;
    }
}
