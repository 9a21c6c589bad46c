package dev.loupe.graph;

import dev.loupe.tensor.Axes;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.Shape;
import java.util.Arrays;
import java.util.Map;

/** What is known of a value before it is computed: its data type and its sizes, symbolic ones included. */
public final class TensorType {

    private final DType dtype;
    private final Dim[] dims;

    private TensorType(DType dtype, Dim[] dims) {
        this.dtype = dtype;
        this.dims = dims;
    }

    /** A type of the given sizes. */
    public static TensorType of(DType dtype, Dim... dims) {
        return new TensorType(dtype, dims.clone());
    }

    /** A type of fixed sizes. */
    public static TensorType of(DType dtype, Shape shape) {
        return new TensorType(dtype, Dim.all(shape.toArray()));
    }

    /** The data type. */
    public DType dtype() {
        return dtype;
    }

    /** The number of axes. */
    public int rank() {
        return dims.length;
    }

    /** The size of an axis; a negative axis counts from the end. */
    public Dim dim(int axis) {
        return dims[Axes.normalize(axis, dims.length)];
    }

    /** A copy of the sizes. */
    public Dim[] dims() {
        return dims.clone();
    }

    /** The same sizes with another data type. */
    public TensorType withDType(DType other) {
        return other == dtype ? this : new TensorType(other, dims);
    }

    /** Whether every size is a number. */
    public boolean isFixed() {
        for (Dim dim : dims) {
            if (!dim.isFixed()) {
                return false;
            }
        }
        return true;
    }

    /**
     * The sizes as numbers.
     *
     * @throws IllegalStateException if one is symbolic
     */
    public Shape shape() {
        long[] sizes = new long[dims.length];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = dims[i].value();
        }
        return Shape.of(sizes);
    }

    /** The sizes as numbers, once the symbols are known. */
    public Shape resolve(Map<String, Long> symbolValues) {
        long[] sizes = new long[dims.length];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = dims[i].resolve(symbolValues);
        }
        return Shape.of(sizes);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TensorType type && dtype == type.dtype && Arrays.equals(dims, type.dims);
    }

    @Override
    public int hashCode() {
        return dtype.hashCode() * 31 + Arrays.hashCode(dims);
    }

    /** For example {@code float32 [batch, pos, 768]}. */
    @Override
    public String toString() {
        return dtype + " " + Arrays.toString(dims);
    }
}
