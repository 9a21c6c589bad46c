package dev.loupe.backend.reference;

import java.util.Arrays;

/**
 * Matrix products in float. The innermost loop adds four scaled rows of the right matrix to a row of sums.
 *
 * <p>The rows are copied into arrays of their own, so that the loop reads all of them at one index: only then
 * can HotSpot tell that what it writes is not what it reads next, and use vector instructions, which makes it
 * four times as fast. Eight rows at once, or two rows of sums, are more than HotSpot (17) turns into vectors.
 * Multiplications and additions are rounded one by one: a fused multiply-add would be no faster here and would
 * make the bits depend on the processor, or take microseconds on one that lacks it.
 */
final class FloatTile implements TileKernel {

    /** Rows of the right matrix that are added at once. */
    private static final int DEPTH = 4;

    private final float[] a;
    private final float[] b;
    private final float[] out;
    private final MatMul.Sizes sizes;
    private final float[][] sums;
    private final float[][] packed;

    /** For tiles of the product of a and b, at most so large. */
    FloatTile(float[] a, float[] b, float[] out, MatMul.Sizes sizes, int mostRows, int mostColumns) {
        this.a = a;
        this.b = b;
        this.out = out;
        this.sizes = sizes;
        this.sums = new float[Math.min(mostRows, sizes.rows())][mostColumns];
        this.packed = new float[DEPTH][mostColumns];
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
    private void addScaledRows(int left, int depth, float[] sum, int columns) {
        float a0 = a[left];
        float a1 = depth > 1 ? a[left + 1] : 0;
        float a2 = depth > 2 ? a[left + 2] : 0;
        float a3 = depth > 3 ? a[left + 3] : 0;
        float[] b0 = packed[0];
        float[] b1 = packed[1];
        float[] b2 = packed[2];
        float[] b3 = packed[3];
        for (int j = 0; j < columns; j++) {
            sum[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
        }
    }
}
