package dev.loupe.backend.reference;

import java.util.Arrays;

/**
 * Matrix products in double: {@link FloatTile}, which explains itself, with another type.
 */
final class DoubleTile implements TileKernel {

    /** Rows of the right matrix that are added at once. */
    private static final int DEPTH = 4;

    private final double[] a;
    private final double[] b;
    private final double[] out;
    private final MatMul.Sizes sizes;
    private final double[][] sums;
    private final double[][] packed;

    /** For tiles of the product of a and b, at most so large. */
    DoubleTile(double[] a, double[] b, double[] out, MatMul.Sizes sizes, int mostRows, int mostColumns) {
        this.a = a;
        this.b = b;
        this.out = out;
        this.sizes = sizes;
        this.sums = new double[Math.min(mostRows, sizes.rows())][mostColumns];
        this.packed = new double[DEPTH][mostColumns];
    }

    @Override
    public void add(int left, int right, int at, int rows, int columns) {
        for (int row = 0; row < rows; row++) {
            System.arraycopy(out, at + row * sizes.columns(), sums[row], 0, columns);
        }
        for (int k = 0; k < sizes.k(); k += DEPTH) {
            int depth = Math.min(DEPTH, sizes.k() - k);
            pack(right + k * sizes.columns(), depth, columns);
            for (int row = 0; row < rows; row++) {
                addScaledRows(left + row * sizes.k() + k, depth, sums[row], columns);
            }
        }
        for (int row = 0; row < rows; row++) {
            System.arraycopy(sums[row], 0, out, at + row * sizes.columns(), columns);
        }
    }

    /** Copies the tile's part of some rows of b; zeros for the rows that would come after the last. */
    private void pack(int right, int depth, int columns) {
        for (int i = 0; i < depth; i++) {
            System.arraycopy(b, right + i * sizes.columns(), packed[i], 0, columns);
        }
        for (int i = depth; i < DEPTH; i++) {
            Arrays.fill(packed[i], 0);
        }
    }

    /** Adds to a row of sums the packed rows, scaled by consecutive elements of a. */
    private void addScaledRows(int left, int depth, double[] sum, int columns) {
        double a0 = a[left];
        double a1 = depth > 1 ? a[left + 1] : 0;
        double a2 = depth > 2 ? a[left + 2] : 0;
        double a3 = depth > 3 ? a[left + 3] : 0;
        double[] b0 = packed[0];
        double[] b1 = packed[1];
        double[] b2 = packed[2];
        double[] b3 = packed[3];
        for (int j = 0; j < columns; j++) {
            sum[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
        }
    }
}
