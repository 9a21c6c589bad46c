package dev.loupe.analysis.views;

import dev.loupe.tensor.Tensor;

/** Checked copies of the numbers that views hold. */
final class Matrices {

    private Matrices() {}

    static double[][] of(Tensor tensor) {
        if (tensor.rank() != 2) {
            throw new IllegalArgumentException(
                    "A heat map shows a matrix [rows, columns], got " + tensor.shape() + "; choose a part with get()");
        }
        double[] flat = tensor.toDoubleArray();
        int columns = (int) tensor.size(1);
        double[][] rows = new double[(int) tensor.size(0)][columns];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(flat, row * columns, rows[row], 0, columns);
        }
        return rows;
    }

    static double[][] copy(double[][] values) {
        double[][] copy = new double[values.length][];
        for (int row = 0; row < copy.length; row++) {
            copy[row] = values[row].clone();
        }
        return copy;
    }

    static void requireSize(String title, double[][] values, int rows, int columns) {
        if (values.length != rows) {
            throw new IllegalArgumentException(
                    "'" + title + "' has " + values.length + " rows of numbers and " + rows + " row labels");
        }
        for (double[] row : values) {
            if (row.length != columns) {
                throw new IllegalArgumentException(
                        "'" + title + "' has " + row.length + " numbers in a row and " + columns + " column labels");
            }
        }
    }
}
