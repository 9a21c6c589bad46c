package dev.loupe.architectures.checkpoint;

import dev.loupe.array.HostTensor;
import java.nio.ByteBuffer;

/**
 * Some rows of a stored matrix, on their way to being columns. In tiles that stay in the nearest cache, which strides
 * through all rows would leave at every step, and by way of arrays, whose loops are compiled in a fraction of the time
 * that those over buffers take.
 */
abstract sealed class TransposedBand {

    /** Columns of a band that are turned at once. */
    private static final int TILE = 32;

    private final int band;
    private final int columns;

    private TransposedBand(int band, int columns) {
        this.band = band;
        this.columns = columns;
    }

    /**
     * Some rows.
     *
     * @param width bytes of an element: 2, 4 or 8
     * @param from the elements, row by row, in native order
     */
    static TransposedBand of(int width, ByteBuffer from, int band, int columns) {
        return switch (width) {
            case 2 -> new Shorts(from, band, columns);
            case 4 -> new Ints(from, band, columns);
            default -> new Longs(from, band, columns);
        };
    }

    /**
     * Writes them as columns.
     *
     * @param result has as many rows as are wanted of the stored columns
     * @param first which column of the result the first row becomes
     * @param width how many columns the result has
     */
    void writeTo(HostTensor result, int first, int width) {
        int kept = (int) Math.min(columns, result.shape().size(0));
        for (int column = 0; column < kept; column += TILE) {
            int count = Math.min(TILE, kept - column);
            turn(column, count);
            for (int i = 0; i < count; i++) {
                write(i, result.from((long) (column + i) * width + first));
            }
        }
    }

    /** Fills the tile, column by column, from one on. */
    abstract void turn(int column, int count);

    /** Writes a column of the tile. */
    abstract void write(int column, ByteBuffer to);

    int band() {
        return band;
    }

    int columns() {
        return columns;
    }

    private static final class Shorts extends TransposedBand {
        private final short[] stored;
        private final short[] tile;

        Shorts(ByteBuffer from, int band, int columns) {
            super(band, columns);
            stored = new short[band * columns];
            tile = new short[TILE * band];
            from.asShortBuffer().get(stored);
        }

        @Override
        void turn(int column, int count) {
            int band = band();
            for (int row = 0; row < band; row++) {
                int at = row * columns() + column;
                for (int i = 0; i < count; i++) {
                    tile[i * band + row] = stored[at + i];
                }
            }
        }

        @Override
        void write(int column, ByteBuffer to) {
            to.asShortBuffer().put(tile, column * band(), band());
        }
    }

    private static final class Ints extends TransposedBand {
        private final int[] stored;
        private final int[] tile;

        Ints(ByteBuffer from, int band, int columns) {
            super(band, columns);
            stored = new int[band * columns];
            tile = new int[TILE * band];
            from.asIntBuffer().get(stored);
        }

        @Override
        void turn(int column, int count) {
            int band = band();
            for (int row = 0; row < band; row++) {
                int at = row * columns() + column;
                for (int i = 0; i < count; i++) {
                    tile[i * band + row] = stored[at + i];
                }
            }
        }

        @Override
        void write(int column, ByteBuffer to) {
            to.asIntBuffer().put(tile, column * band(), band());
        }
    }

    private static final class Longs extends TransposedBand {
        private final long[] stored;
        private final long[] tile;

        Longs(ByteBuffer from, int band, int columns) {
            super(band, columns);
            stored = new long[band * columns];
            tile = new long[TILE * band];
            from.asLongBuffer().get(stored);
        }

        @Override
        void turn(int column, int count) {
            int band = band();
            for (int row = 0; row < band; row++) {
                int at = row * columns() + column;
                for (int i = 0; i < count; i++) {
                    tile[i * band + row] = stored[at + i];
                }
            }
        }

        @Override
        void write(int column, ByteBuffer to) {
            to.asLongBuffer().put(tile, column * band(), band());
        }
    }
}
