package dev.loupe.graph;

import dev.loupe.array.Axes;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.Arrays;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What is known of a value before it is computed: its data type and its sizes, symbolic ones included. */
@API(status = API.Status.STABLE, since = "0.1")
public final class TensorType {

    private final DType dtype;
    private final Dim[] dims;

    /** The sizes as numbers, if this was made from them or somebody has asked. */
    private @Nullable Shape made;

    private TensorType(DType dtype, Dim[] dims, @Nullable Shape made) {
        this.dtype = dtype;
        this.dims = dims;
        this.made = made;
    }

    /** A type of the given sizes. */
    public static TensorType of(DType dtype, Dim... dims) {
        return new TensorType(dtype, dims.clone(), null);
    }

    /** A type of fixed sizes. */
    public static TensorType of(DType dtype, Shape shape) {
        Dim[] dims = new Dim[shape.rank()];
        for (int i = 0; i < dims.length; i++) {
            dims[i] = Dim.of(shape.size(i));
        }
        return new TensorType(dtype, dims, shape);
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
        return other == dtype ? this : new TensorType(other, dims, made);
    }

    /** Whether the sizes are the same, whatever the data types. */
    boolean hasSizesOf(TensorType other) {
        return dims == other.dims || Arrays.equals(dims, other.dims);
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
     * @throws IllegalArgumentException if there are more elements than can be counted
     */
    public Shape shape() {
        Shape known = made;
        if (known != null) {
            return known;
        }
        long[] sizes = new long[dims.length];
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = dims[i].value();
        }
        known = Shape.of(sizes);
        made = known;
        return known;
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
