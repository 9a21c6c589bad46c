package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.Arrays;

/**
 * Matrix products: finds the matrices in the stacks, cuts each product into tiles and spreads those over the
 * threads. {@link FloatTile} and {@link DoubleTile} do the arithmetic, in the inputs' own precision.
 *
 * <p>An element of a product is a sum over k that is taken in one fixed order, whatever tile the element is
 * in. So neither the number of threads nor the other rows of a batch show in it.
 */
final class MatMul {

    /** Most rows and columns of a tile. Some 64 rows share the work of packing the right matrix. */
    private static final int TILE_ROWS = 64;

    private static final int TILE_COLUMNS = 512;

    /** Multiplications that make up a thread's block, at least. */
    private static final long BLOCK = 1 << 18;

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

    /** The sizes of a product {@code [rows, k] x [k, columns]}. */
    record Sizes(int rows, int k, int columns) {}

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
        int width = tileColumns(sizes.columns);
        int down = ceilDiv(sizes.rows, TILE_ROWS);
        int across = ceilDiv(sizes.columns, width);
        long work = (long) Math.min(sizes.rows, TILE_ROWS) * width * sizes.k;
        int tilesPerBlock = (int) Math.max(1, BLOCK / work);
        workers.forBlocks(lefts.length * down * across, tilesPerBlock, (from, to) -> {
            TileKernel kernel = a.dtype() == DType.FLOAT32
                    ? new FloatTile(a.floats(), b.floats(), out.floats(), sizes, TILE_ROWS, width)
                    : new DoubleTile(a.doubles(), b.doubles(), out.doubles(), sizes, TILE_ROWS, width);
            for (int tile = from; tile < to; tile++) {
                int matrix = tile / (down * across);
                int row = tile / across % down * TILE_ROWS;
                int column = tile % across * width;
                kernel.add(
                        (lefts[matrix] * sizes.rows + row) * sizes.k,
                        rights[matrix] * sizes.k * sizes.columns + column,
                        (matrix * sizes.rows + row) * sizes.columns + column,
                        Math.min(TILE_ROWS, sizes.rows - row),
                        Math.min(width, sizes.columns - column));
            }
        });
    }

    /** Columns of a tile, such that the threads get about equally many. */
    private int tileColumns(int columns) {
        int tiles = workers.threads() * ceilDiv(columns, TILE_COLUMNS * workers.threads());
        int wholeVectors = ceilDiv(ceilDiv(columns, tiles), 16) * 16;
        return Math.max(64, wholeVectors);
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }
}
