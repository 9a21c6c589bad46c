package dev.loupe.backend.reference;

import dev.loupe.array.DType;
import dev.loupe.array.HalfFloats;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import java.nio.ByteBuffer;

/**
 * A tensor in a Java array: row-major, without gaps, possibly shared with other tensors. It is written while
 * it is computed and never afterwards.
 *
 * <p>Most ops don't care which of the seven data types they work on. They {@link #load} some elements into
 * an array of doubles (if the type is a floating one) or longs (if not), compute there, and {@link #store}
 * the result, which rounds it to the type: a function of float32 numbers is computed in double and rounded once.
 */
final class HeapTensor implements TensorHandle {

    /** Elements of a Java array at most. */
    private static final int MOST = Integer.MAX_VALUE - 8;

    private final DType dtype;
    private final Shape shape;
    private final int size;
    private final Object array;

    private HeapTensor(DType dtype, Shape shape, Object array) {
        this.dtype = dtype;
        this.shape = shape;
        this.size = (int) shape.elements();
        this.array = array;
    }

    /**
     * A tensor of zeros.
     *
     * @throws OutOfTensorMemoryException if there is no room for it
     */
    static HeapTensor zeros(DType dtype, Shape shape) {
        if (shape.elements() > MOST) {
            throw new OutOfTensorMemoryException("The backend 'reference' can't hold a tensor " + dtype + " " + shape
                    + ": it has more elements than a Java array (" + MOST
                    + "). Use the backend 'pytorch', or run fewer or shorter sequences at once");
        }
        int size = (int) shape.elements();
        try {
            return new HeapTensor(
                    dtype,
                    shape,
                    switch (dtype) {
                        case FLOAT32 -> new float[size];
                        case FLOAT64 -> new double[size];
                        case FLOAT16, BFLOAT16 -> new short[size];
                        case INT64 -> new long[size];
                        case INT32 -> new int[size];
                        case BOOL -> new boolean[size];
                    });
        } catch (OutOfMemoryError e) {
            throw new OutOfTensorMemoryException(
                    "Out of memory for a tensor " + dtype + " " + shape + " of "
                            + shape.elements() * dtype.bytes() + " bytes in Java's heap, whose limit is "
                            + Runtime.getRuntime().maxMemory()
                            + " bytes",
                    "Give Java a larger one (-Xmx), or run fewer or shorter sequences at once",
                    e);
        }
    }

    /** A tensor with a copy of the data. */
    static HeapTensor of(HostTensor host) {
        HeapTensor tensor = zeros(host.dtype(), host.shape());
        int at = 0;
        for (ByteBuffer part : host.parts()) {
            tensor.read(part, at);
            at += part.capacity() / host.dtype().bytes();
        }
        return tensor;
    }

    /** A copy of the data for use elsewhere. */
    HostTensor toHost() {
        HostTensor host = HostTensor.allocateHeap(dtype, shape);
        int at = 0;
        for (ByteBuffer part : host.parts()) {
            write(part, at);
            at += part.capacity() / dtype.bytes();
        }
        return host;
    }

    /** Takes all elements of a buffer, from element {@code at} on. */
    private void read(ByteBuffer data, int at) {
        int count = data.capacity() / dtype.bytes();
        switch (dtype) {
            case FLOAT32 -> data.asFloatBuffer().get(floats(), at, count);
            case FLOAT64 -> data.asDoubleBuffer().get(doubles(), at, count);
            case FLOAT16, BFLOAT16 -> data.asShortBuffer().get((short[]) array, at, count);
            case INT64 -> data.asLongBuffer().get(longs(), at, count);
            case INT32 -> data.asIntBuffer().get((int[]) array, at, count);
            case BOOL -> {
                boolean[] values = (boolean[]) array;
                for (int i = 0; i < count; i++) {
                    values[at + i] = data.get(i) != 0;
                }
            }
        }
    }

    /** Fills a buffer with the elements from {@code at} on. */
    private void write(ByteBuffer data, int at) {
        int count = data.capacity() / dtype.bytes();
        switch (dtype) {
            case FLOAT32 -> data.asFloatBuffer().put(floats(), at, count);
            case FLOAT64 -> data.asDoubleBuffer().put(doubles(), at, count);
            case FLOAT16, BFLOAT16 -> data.asShortBuffer().put((short[]) array, at, count);
            case INT64 -> data.asLongBuffer().put(longs(), at, count);
            case INT32 -> data.asIntBuffer().put((int[]) array, at, count);
            case BOOL -> {
                boolean[] values = (boolean[]) array;
                for (int i = 0; i < count; i++) {
                    data.put(i, (byte) (values[at + i] ? 1 : 0));
                }
            }
        }
    }

    /** The same elements in the same order under another shape; the array is shared. */
    HeapTensor withShape(Shape other) {
        return new HeapTensor(dtype, other, array);
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public Shape shape() {
        return shape;
    }

    /** The number of elements. */
    int size() {
        return size;
    }

    /** The array itself, of a float32 tensor. */
    float[] floats() {
        return (float[]) array;
    }

    /** The array itself, of a float64 tensor. */
    double[] doubles() {
        return (double[]) array;
    }

    /** The array itself, of an int64 tensor. */
    long[] longs() {
        return (long[]) array;
    }

    /** The array itself, whatever it is, for {@link System#arraycopy}. */
    Object array() {
        return array;
    }

    /** Reads {@code count} elements, every {@code step}-th from {@code start} on; of float32. */
    void load(int start, int step, float[] into, int count) {
        every(floats(), start, step, into, 0, count);
    }

    /** Reads {@code count} elements, every {@code step}-th from {@code start} on; of a floating type. */
    void load(int start, int step, double[] into, int count) {
        switch (dtype) {
            case FLOAT32 -> {
                float[] values = floats();
                for (int i = 0; i < count; i++) {
                    into[i] = values[start + i * step];
                }
            }
            case FLOAT64 -> every(doubles(), start, step, into, 0, count);
            case FLOAT16 -> {
                short[] values = (short[]) array;
                for (int i = 0; i < count; i++) {
                    into[i] = HalfFloats.fromFloat16(values[start + i * step]);
                }
            }
            case BFLOAT16 -> {
                short[] values = (short[]) array;
                for (int i = 0; i < count; i++) {
                    into[i] = HalfFloats.fromBfloat16(values[start + i * step]);
                }
            }
            default -> throw new IllegalStateException(dtype + " is not read as doubles");
        }
    }

    /**
     * Reads {@code count} elements, every {@code step}-th from {@code start} on; of an integer type, or bool
     * as 0 and 1.
     */
    void load(int start, int step, long[] into, int count) {
        switch (dtype) {
            case INT64 -> every(longs(), start, step, into, 0, count);
            case INT32 -> {
                int[] values = (int[]) array;
                for (int i = 0; i < count; i++) {
                    into[i] = values[start + i * step];
                }
            }
            case BOOL -> {
                boolean[] values = (boolean[]) array;
                for (int i = 0; i < count; i++) {
                    into[i] = values[start + i * step] ? 1 : 0;
                }
            }
            default -> throw new IllegalStateException(dtype + " is not read as longs");
        }
    }

    /** Writes {@code count} elements from {@code start} on, converted as {@link dev.loupe.graph.Op.Cast} says. */
    void store(double[] from, int start, int count) {
        switch (dtype) {
            case FLOAT32 -> {
                float[] values = floats();
                for (int i = 0; i < count; i++) {
                    values[start + i] = (float) from[i];
                }
            }
            case FLOAT64 -> System.arraycopy(from, 0, array, start, count);
            case FLOAT16 -> {
                short[] values = (short[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = HalfFloats.toFloat16(from[i]);
                }
            }
            case BFLOAT16 -> {
                short[] values = (short[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = HalfFloats.toBfloat16(from[i]);
                }
            }
            case INT64 -> {
                long[] values = longs();
                for (int i = 0; i < count; i++) {
                    values[start + i] = (long) from[i];
                }
            }
            case INT32 -> {
                int[] values = (int[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = (int) from[i];
                }
            }
            case BOOL -> {
                boolean[] values = (boolean[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = from[i] != 0;
                }
            }
        }
    }

    /** Writes {@code count} elements from {@code start} on, converted as {@link dev.loupe.graph.Op.Cast} says. */
    void store(long[] from, int start, int count) {
        switch (dtype) {
            case FLOAT32 -> {
                float[] values = floats();
                for (int i = 0; i < count; i++) {
                    values[start + i] = (float) from[i];
                }
            }
            case FLOAT64, FLOAT16, BFLOAT16 -> {
                double[] exact = new double[count];
                for (int i = 0; i < count; i++) {
                    exact[i] = (double) from[i];
                }
                store(exact, start, count);
            }
            case INT64 -> System.arraycopy(from, 0, array, start, count);
            case INT32 -> {
                int[] values = (int[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = (int) from[i];
                }
            }
            case BOOL -> {
                boolean[] values = (boolean[]) array;
                for (int i = 0; i < count; i++) {
                    values[start + i] = from[i] != 0;
                }
            }
        }
    }

    /** Copies {@code count} elements of a tensor of the same type, every {@code step}-th from {@code start} on. */
    void copy(HeapTensor from, int start, int step, int at, int count) {
        switch (dtype) {
            case FLOAT32 -> every(from.floats(), start, step, floats(), at, count);
            case FLOAT64 -> every(from.doubles(), start, step, doubles(), at, count);
            case INT64 -> every(from.longs(), start, step, longs(), at, count);
            default -> {
                if (step == 1) {
                    System.arraycopy(from.array, start, array, at, count);
                    return;
                }
                for (int i = 0; i < count; i++) {
                    System.arraycopy(from.array, start + i * step, array, at + i, 1);
                }
            }
        }
    }

    private static void every(float[] from, int start, int step, float[] into, int at, int count) {
        if (step == 1) {
            System.arraycopy(from, start, into, at, count);
            return;
        }
        for (int i = 0; i < count; i++) {
            into[at + i] = from[start + i * step];
        }
    }

    private static void every(double[] from, int start, int step, double[] into, int at, int count) {
        if (step == 1) {
            System.arraycopy(from, start, into, at, count);
            return;
        }
        for (int i = 0; i < count; i++) {
            into[at + i] = from[start + i * step];
        }
    }

    private static void every(long[] from, int start, int step, long[] into, int at, int count) {
        if (step == 1) {
            System.arraycopy(from, start, into, at, count);
            return;
        }
        for (int i = 0; i < count; i++) {
            into[at + i] = from[start + i * step];
        }
    }

    /** Sets every element to one number, converted to the data type. */
    void fill(double value) {
        double[] one = {value};
        store(one, 0, Math.min(1, size));
        for (int done = 1; done < size; done += Math.min(done, size - done)) {
            System.arraycopy(array, 0, array, done, Math.min(done, size - done));
        }
    }

    @Override
    public long nativeBytes() {
        return 0;
    }

    @Override
    public String device() {
        return ReferenceBackendProvider.DEVICE;
    }

    /** Nothing to do: the array goes when nobody refers to it. */
    @Override
    public void close() {}

    /** The type and shape, without the elements. */
    @Override
    public String toString() {
        return dtype + " " + shape;
    }
}
