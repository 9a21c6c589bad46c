package dev.loupe.architectures.checkpoint;

import dev.loupe.array.HostTensor;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/**
 * Some rows of a stored matrix, on their way to being columns. In tiles that stay in the nearest cache, which strides
 * through all rows would leave at every step, and by way of arrays, whose loops are compiled in a fraction of the time
 * that those over buffers take. One serves band after band: arrays for each would have Java's heap grow with the model.
 */
abstract sealed class TransposedBand {

    /** Columns of a band that are turned at once. */
    private static final int TILE = 32;

    private int band;
    private int columns;

    private TransposedBand() {}

    /**
     * Holds no rows yet.
     *
     * @param width bytes of an element: 2, 4 or 8
     */
    static TransposedBand of(int width) {
        return switch (width) {
            case 2 -> new Shorts();
            case 4 -> new Ints();
            default -> new Longs();
        };
    }

    /**
     * Takes some rows in place of those before.
     *
     * @param from the elements, row by row, in native order
     * @param rows how many rows
     * @param length elements of a row
     */
    void take(ByteBuffer from, int rows, int length) {
        band = rows;
        columns = length;
        read(from, rows * length, TILE * rows);
    }

    /** Reads so many elements, and sees to it that a tile has room for so many. */
    abstract void read(ByteBuffer from, int count, int tileSize);

    /**
     * Writes them as columns.
     *
     * @param result has as many rows as are wanted of the stored columns
     * @param first which column of the result the first row becomes
     * @param width how many columns the result has
     */
    void writeTo(HostTensor result, int first, int width) {
        int kept = (int) Math.min(columns, result.shape().size(0));
        // A buffer for every column would be garbage several times the size of the model.
        boolean inOnePart = result.parts().size() == 1;
        if (inOnePart) {
            into(result.parts().get(0));
        }
        for (int column = 0; column < kept; column += TILE) {
            int count = Math.min(TILE, kept - column);
            turn(column, count);
            for (int i = 0; i < count; i++) {
                long at = (long) (column + i) * width + first;
                if (!inOnePart) {
                    into(result.from(at));
                }
                write(i, inOnePart ? (int) at : 0);
            }
        }
    }

    /** Fills the tile, column by column, from one on. */
    abstract void turn(int column, int count);

    /** Says where columns are written. */
    abstract void into(ByteBuffer to);

    /** Writes a column of the tile, from an element on. */
    abstract void write(int column, int at);

    int band() {
        return band;
    }

    int columns() {
        return columns;
    }

    private static final class Shorts extends TransposedBand {
        private short[] stored = {};
        private short[] tile = {};
        private ShortBuffer target = ShortBuffer.allocate(0);

        @Override
        void read(ByteBuffer from, int count, int tileSize) {
            stored = stored.length < count ? new short[count] : stored;
            tile = tile.length < tileSize ? new short[tileSize] : tile;
            from.asShortBuffer().get(stored, 0, count);
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
        void into(ByteBuffer to) {
            target = to.asShortBuffer();
        }

        @Override
        void write(int column, int at) {
            target.put(at, tile, column * band(), band());
        }
    }

    private static final class Ints extends TransposedBand {
        private int[] stored = {};
        private int[] tile = {};
        private IntBuffer target = IntBuffer.allocate(0);

        @Override
        void read(ByteBuffer from, int count, int tileSize) {
            stored = stored.length < count ? new int[count] : stored;
            tile = tile.length < tileSize ? new int[tileSize] : tile;
            from.asIntBuffer().get(stored, 0, count);
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
        void into(ByteBuffer to) {
            target = to.asIntBuffer();
        }

        @Override
        void write(int column, int at) {
            target.put(at, tile, column * band(), band());
        }
    }

    private static final class Longs extends TransposedBand {
        private long[] stored = {};
        private long[] tile = {};
        private LongBuffer target = LongBuffer.allocate(0);

        @Override
        void read(ByteBuffer from, int count, int tileSize) {
            stored = stored.length < count ? new long[count] : stored;
            tile = tile.length < tileSize ? new long[tileSize] : tile;
            from.asLongBuffer().get(stored, 0, count);
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
        void into(ByteBuffer to) {
            target = to.asLongBuffer();
        }

        @Override
        void write(int column, int at) {
            target.put(at, tile, column * band(), band());
        }
    }
}
