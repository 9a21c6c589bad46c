package dev.loupe.backend.onnx.host;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.nio.ByteBuffer;

/**
 * Copies elements that lie at regular distances into a row-major block: what slices, repetitions and
 * replacements come down to.
 */
final class Strided {

    private final ByteBuffer from;
    private final ByteBuffer to;
    private final int width; // bytes of an element
    private final long[] sizes;
    private final long[] fromStrides; // in elements
    private final long[] toStrides;

    private Strided(HostTensor from, HostTensor to, long[] sizes, long[] fromStrides, long[] toStrides) {
        this.from = from.data();
        this.to = to.data();
        this.width = from.dtype().bytes();
        this.sizes = sizes;
        this.fromStrides = fromStrides;
        this.toStrides = toStrides;
    }

    /** Distances between neighbours along each axis of a row-major tensor, in elements. */
    static long[] strides(Shape shape) {
        long[] strides = new long[shape.rank()];
        long product = 1;
        for (int i = strides.length - 1; i >= 0; i--) {
            strides[i] = product;
            product *= shape.size(i);
        }
        return strides;
    }

    /**
     * Copies a block.
     *
     * @param sizes the block's sizes
     * @param fromStart first element to read
     * @param fromStrides distances in {@code from}
     * @param toStart first element to write
     * @param toStrides distances in {@code to}
     */
    static void copy(
            HostTensor from,
            int fromStart,
            long[] fromStrides,
            HostTensor to,
            int toStart,
            long[] toStrides,
            long[] sizes) {
        for (long size : sizes) {
            if (size == 0) {
                return;
            }
        }
        new Strided(from, to, sizes, fromStrides, toStrides).copy(0, fromStart, toStart);
    }

    private void copy(int axis, long read, long write) {
        long run = contiguousFrom(axis);
        if (run > 0) {
            to.put((int) write * width, from, (int) read * width, (int) run * width);
        } else if (axis == sizes.length - 1) {
            row(read, write);
        } else {
            for (long i = 0; i < sizes[axis]; i++) {
                copy(axis + 1, read + i * fromStrides[axis], write + i * toStrides[axis]);
            }
        }
    }

    /** Elements of the block from an axis on, if they lie side by side on both sides; otherwise 0. */
    private long contiguousFrom(int axis) {
        long product = 1;
        for (int i = sizes.length - 1; i >= axis; i--) {
            if (sizes[i] != 1 && (fromStrides[i] != product || toStrides[i] != product)) {
                return 0;
            }
            product *= sizes[i];
        }
        return product;
    }

    private void row(long read, long write) {
        int last = sizes.length - 1;
        int readStep = (int) fromStrides[last] * width;
        int writeStep = (int) toStrides[last] * width;
        int readAt = (int) read * width;
        int writeAt = (int) write * width;
        int count = (int) sizes[last];
        switch (width) {
            case 8 -> {
                for (int i = 0; i < count; i++) {
                    to.putLong(writeAt + i * writeStep, from.getLong(readAt + i * readStep));
                }
            }
            case 4 -> {
                for (int i = 0; i < count; i++) {
                    to.putInt(writeAt + i * writeStep, from.getInt(readAt + i * readStep));
                }
            }
            case 2 -> {
                for (int i = 0; i < count; i++) {
                    to.putShort(writeAt + i * writeStep, from.getShort(readAt + i * readStep));
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    to.put(writeAt + i * writeStep, from.get(readAt + i * readStep));
                }
            }
        }
    }
}
