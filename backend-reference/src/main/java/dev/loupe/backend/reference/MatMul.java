package dev.loupe.backend.reference;

import dev.loupe.tensor.DType;
import dev.loupe.tensor.Shape;
import java.util.Arrays;

/**
 * Matrix products. The output is cut into tiles, which are spread over the threads; within a tile, rows of
 * the right matrix are scaled and added to a row of the output, so that the innermost loop runs over
 * consecutive elements and the compiler can use vector instructions.
 *
 * <p>An element of the product is a sum over k, taken in one fixed order whatever the tiles, the other rows
 * and columns, and the number of threads; in the inputs' own precision.
 */
final class MatMul {

    /** Rows and columns of a tile. */
    private static final int TILE_ROWS = 128;

    private static final int TILE_COLUMNS = 512;

    /** Multiplications that make up a thread's block, at least. */
    private static final long BLOCK = 1 << 19;

    private final Workers workers;

    MatMul(Workers workers) {
        this.workers = workers;
    }

    /** {@code [..., n, k] x [..., k, m] -> [..., n, m]}. */
    HeapTensor product(HeapTensor a, HeapTensor b, Shape shape) {
        HeapTensor out = HeapTensor.zeros(a.dtype(), shape);
        Shape left = a.shape();
        Shape right = b.shape();
        int k = (int) left.size(-1);
        int columns = (int) right.size(-1);
        if (leading(right).elements() == 1) {
            // One right matrix for all: the left ones, one below the other, are a single tall one.
            int rows = columns == 0 ? 0 : out.size() / columns;
            run(a, b, out, new Sizes(rows, k, columns), new int[1], new int[1]);
        } else {
            Sizes sizes = new Sizes((int) left.size(-2), k, columns);
            int[] lefts = matrices(leading(left), leading(shape));
            int[] rights = matrices(leading(right), leading(shape));
            run(a, b, out, sizes, lefts, rights);
        }
        return out;
    }

    /** {@code x·weight + bias}. */
    HeapTensor linear(HeapTensor x, HeapTensor weight, HeapTensor bias, Shape shape) {
        HeapTensor out = HeapTensor.zeros(x.dtype(), shape);
        int columns = bias.size();
        int rows = columns == 0 ? 0 : out.size() / columns;
        for (int row = 0; row < rows; row++) {
            out.copy(bias, 0, 1, row * columns, columns);
        }
        run(x, weight, out, new Sizes(rows, weight.size() / Math.max(1, columns), columns), new int[1], new int[1]);
        return out;
    }

    /** A product {@code [rows, k] x [k, columns]}. */
    private record Sizes(int rows, int k, int columns) {}

    private static Shape leading(Shape shape) {
        return Shape.of(Arrays.copyOf(shape.toArray(), shape.rank() - 2));
    }

    /** For each matrix of a broadcast stack, the number of the matrix it is in the stack as it lies in memory. */
    private static int[] matrices(Shape stack, Shape broadcast) {
        int[] numbers = new int[(int) broadcast.elements()];
        Walk walk = Walk.broadcast(broadcast, stack);
        walk.forRuns(0, numbers.length, numbers.length, (at, count, starts) -> {
            for (int i = 0; i < count; i++) {
                numbers[at + i] = starts[0] + i * walk.step(0);
            }
        });
        return numbers;
    }

    /** Adds to matrix i of the output the product of the left and the right matrix with the given numbers. */
    private void run(HeapTensor a, HeapTensor b, HeapTensor out, Sizes sizes, int[] lefts, int[] rights) {
        if (out.size() == 0 || sizes.k == 0) {
            return;
        }
        int down = (sizes.rows + TILE_ROWS - 1) / TILE_ROWS;
        int across = (sizes.columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
        long work = (long) Math.min(sizes.rows, TILE_ROWS) * Math.min(sizes.columns, TILE_COLUMNS) * sizes.k;
        int tilesPerBlock = (int) Math.max(1, BLOCK / work);
        workers.forBlocks(lefts.length * down * across, tilesPerBlock, (from, to) -> {
            for (int tile = from; tile < to; tile++) {
                int matrix = tile / (down * across);
                int row = tile / across % down * TILE_ROWS;
                int column = tile % across * TILE_COLUMNS;
                int rows = Math.min(TILE_ROWS, sizes.rows - row);
                int columns = Math.min(TILE_COLUMNS, sizes.columns - column);
                int aStart = (lefts[matrix] * sizes.rows + row) * sizes.k;
                int bStart = rights[matrix] * sizes.k * sizes.columns + column;
                int outStart = (matrix * sizes.rows + row) * sizes.columns + column;
                if (out.dtype() == DType.FLOAT32) {
                    floatTile(a.floats(), aStart, b.floats(), bStart, out.floats(), outStart, sizes, rows, columns);
                } else {
                    doubleTile(a.doubles(), aStart, b.doubles(), bStart, out.doubles(), outStart, sizes, rows, columns);
                }
            }
        });
    }

    private static void floatTile(
            float[] a,
            int aStart,
            float[] b,
            int bStart,
            float[] out,
            int outStart,
            Sizes sizes,
            int rows,
            int columns) {
        int n = sizes.columns;
        int k = 0;
        for (; k + 4 <= sizes.k; k += 4) {
            for (int row = 0; row < rows; row++) {
                int left = aStart + row * sizes.k + k;
                int right = bStart + k * n;
                addRows(a[left], a[left + 1], a[left + 2], a[left + 3], b, right, n, out, outStart + row * n, columns);
            }
        }
        for (; k < sizes.k; k++) {
            for (int row = 0; row < rows; row++) {
                addRow(a[aStart + row * sizes.k + k], b, bStart + k * n, out, outStart + row * n, columns);
            }
        }
    }

    private static void addRows(
            float a0, float a1, float a2, float a3, float[] b, int right, int n, float[] out, int at, int columns) {
        int b1 = right + n;
        int b2 = b1 + n;
        int b3 = b2 + n;
        for (int j = 0; j < columns; j++) {
            out[at + j] += (a0 * b[right + j] + a1 * b[b1 + j]) + (a2 * b[b2 + j] + a3 * b[b3 + j]);
        }
    }

    private static void addRow(float a, float[] b, int right, float[] out, int at, int columns) {
        for (int j = 0; j < columns; j++) {
            out[at + j] += a * b[right + j];
        }
    }

    private static void doubleTile(
            double[] a,
            int aStart,
            double[] b,
            int bStart,
            double[] out,
            int outStart,
            Sizes sizes,
            int rows,
            int columns) {
        int n = sizes.columns;
        for (int k = 0; k < sizes.k; k++) {
            for (int row = 0; row < rows; row++) {
                double scale = a[aStart + row * sizes.k + k];
                int right = bStart + k * n;
                int at = outStart + row * n;
                for (int j = 0; j < columns; j++) {
                    out[at + j] += scale * b[right + j];
                }
            }
        }
    }
}
