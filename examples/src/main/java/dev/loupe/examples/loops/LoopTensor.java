package dev.loupe.examples.loops;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;

/**
 * A tensor in Java arrays: floating-point numbers as doubles, rounded to the data type; whole numbers and bools as
 * longs. Never written to once it is given out, so two tensors may share an array.
 */
final class LoopTensor implements TensorHandle {

    private static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

    private final DType dtype;
    private final Shape shape;
    private double[] doubles;
    private long[] longs;

    private LoopTensor(DType dtype, Shape shape, double[] doubles, long[] longs) {
        this.dtype = dtype;
        this.shape = shape;
        this.doubles = doubles;
        this.longs = longs;
    }

    /**
     * Zeros, to be filled.
     *
     * @throws OutOfTensorMemoryException if there is no room for them
     */
    static LoopTensor zeros(DType dtype, Shape shape) {
        if (shape.elements() > LONGEST_ARRAY) {
            throw new OutOfTensorMemoryException("The backend 'loops' can't hold a tensor " + dtype + " " + shape
                    + ": it has more elements than a Java array (" + LONGEST_ARRAY + ")");
        }
        int count = (int) shape.elements();
        try {
            return dtype.isFloating()
                    ? new LoopTensor(dtype, shape, new double[count], new long[0])
                    : new LoopTensor(dtype, shape, new double[0], new long[count]);
        } catch (OutOfMemoryError e) {
            throw new OutOfTensorMemoryException(
                    "Java's heap has no room for a tensor " + dtype + " " + shape + "; give it more with -Xmx", e);
        }
    }

    /** A copy of data that came from outside. */
    static LoopTensor of(HostTensor data) {
        LoopTensor tensor = zeros(data.dtype(), data.shape());
        for (int i = 0; i < tensor.count(); i++) {
            if (data.dtype().isFloating()) {
                tensor.doubles[i] = data.getDouble(i);
            } else if (data.dtype() == DType.INT64) {
                tensor.longs[i] = data.data().getLong(i * Long.BYTES);
            } else {
                tensor.longs[i] = (long) data.getDouble(i);
            }
        }
        return tensor;
    }

    /** A copy for outside. */
    HostTensor toHost() {
        HostTensor data = HostTensor.allocateHeap(dtype, shape);
        for (int i = 0; i < count(); i++) {
            if (dtype == DType.INT64) {
                data.data().putLong(i * Long.BYTES, longs[i]);
            } else {
                data.setDouble(i, get(i));
            }
        }
        return data;
    }

    /** The same elements under another shape. */
    LoopTensor withShape(Shape other) {
        return new LoopTensor(dtype, other, doubles, longs);
    }

    int count() {
        return (int) shape.elements();
    }

    boolean isFloating() {
        return dtype.isFloating();
    }

    /** An element as a floating-point number. */
    double get(int index) {
        return isFloating() ? doubles[index] : longs[index];
    }

    /** An element of whole numbers or bools. */
    long getLong(int index) {
        return longs[index];
    }

    /** Sets an element while the tensor is being filled, rounded to the data type. */
    void set(int index, double value) {
        doubles[index] = dtype == DType.FLOAT32 ? (float) value : value;
    }

    /** Sets an element of whole numbers or bools while the tensor is being filled. */
    void setLong(int index, long value) {
        longs[index] = dtype == DType.INT32 ? (int) value : value;
    }

    /** Copies an element of a tensor of the same data type. */
    void copy(int index, LoopTensor source, int from) {
        if (isFloating()) {
            doubles[index] = source.doubles[from];
        } else {
            longs[index] = source.longs[from];
        }
    }

    /** The flat index of a position, in which axes of size 1 count for every index and leading axes may be left out. */
    int broadcastIndex(int[] position) {
        int flat = 0;
        int skipped = position.length - shape.rank();
        for (int axis = 0; axis < shape.rank(); axis++) {
            int size = (int) shape.size(axis);
            flat = flat * size + (size == 1 ? 0 : position[skipped + axis]);
        }
        return flat;
    }

    /** The flat index of a position. */
    int index(int[] position) {
        int flat = 0;
        for (int axis = 0; axis < position.length; axis++) {
            flat = flat * (int) shape.size(axis) + position[axis];
        }
        return flat;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Shape shape() {
        return shape;
    }

    @Override
    public long nativeBytes() {
        return 0;
    }

    @Override
    public String device() {
        return LoopsBackendProvider.DEVICE;
    }

    @Override
    public void close() {
        // Lets go of the arrays even if somebody holds on to the handle.
        doubles = new double[0];
        longs = new long[0];
    }
}
