package dev.loupe.array;

import java.util.Arrays;
import org.apiguardian.api.API;

/** The sizes of a tensor's axes, outermost first. A scalar has rank 0. Immutable. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Shape {

    /** The shape of a scalar: no axes, one element. */
    public static final Shape SCALAR = new Shape(new long[0], 1);

    /** More elements than any tensor has: their bytes couldn't be counted. */
    private static final long TOO_MANY = 1L << 60;

    private final long[] sizes;
    private final long elements;

    private Shape(long[] sizes, long elements) {
        this.sizes = sizes;
        this.elements = elements;
    }

    /**
     * A shape of the given sizes.
     *
     * @throws IllegalArgumentException if a size is negative, or their product (without those that are 0) is 2^60 or more
     */
    public static Shape of(long... sizes) {
        long product = 1;
        boolean empty = false;
        for (long size : sizes) {
            if (size < 0) {
                throw new IllegalArgumentException("A size can't be negative: " + Arrays.toString(sizes));
            }
            empty |= size == 0;
            long factor = Math.max(size, 1);
            if (Math.multiplyHigh(product, factor) != 0 || product * factor < 0 || product * factor >= TOO_MANY) {
                throw new IllegalArgumentException("A tensor of the sizes " + Arrays.toString(sizes)
                        + " would have more elements than can be counted; it takes fewer than 2^60");
            }
            product *= factor;
        }
        return sizes.length == 0 ? SCALAR : new Shape(sizes.clone(), empty ? 0 : product);
    }

    /** The number of axes. */
    public int rank() {
        return sizes.length;
    }

    /**
     * The size of an axis.
     *
     * @param axis from 0, or negative, counted from the end
     * @throws IndexOutOfBoundsException if there is no such axis
     */
    public long size(int axis) {
        return sizes[Axes.normalize(axis, sizes.length)];
    }

    /** The number of elements: the product of the sizes, 1 for a scalar. */
    public long elements() {
        return elements;
    }

    /** A copy of the sizes. */
    public long[] toArray() {
        return sizes.clone();
    }

    /** A copy of this shape with one axis' size replaced. */
    public Shape with(int axis, long size) {
        long[] copy = sizes.clone();
        copy[Axes.normalize(axis, sizes.length)] = size;
        return of(copy);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(sizes, shape.sizes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(sizes);
    }

    /** The sizes in brackets: {@code [2, 13, 24]}. */
    @Override
    public String toString() {
        return Arrays.toString(sizes);
    }
}
