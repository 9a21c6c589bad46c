package dev.loupe.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Numbers in this process' memory: how data travels into and out of backends. Row-major, in native byte
 * order, from the buffer's index 0 on. Whoever hands one over must not write to it afterwards.
 *
 * @param dtype the element type
 * @param shape the sizes
 * @param data the bytes, at least {@code shape.elements() * dtype.bytes()} of them, in native order; heap or
 *     direct
 */
public record HostTensor(DType dtype, Shape shape, ByteBuffer data) {

    /** Checks that the buffer holds as many bytes as the shape needs, and views it in native order. */
    public HostTensor {
        long needed = byteSize(dtype, shape);
        if (data.capacity() < needed) {
            throw new IllegalArgumentException(
                    dtype + " " + shape + " needs " + needed + " bytes, the buffer holds " + data.capacity());
        }
        data = data.slice(0, (int) needed).order(ByteOrder.nativeOrder());
    }

    /**
     * Bytes of a tensor.
     *
     * @throws IllegalArgumentException if they are more than one buffer can hold (2 GiB)
     */
    public static int byteSize(DType dtype, Shape shape) {
        long bytes = Math.multiplyExact(shape.elements(), dtype.bytes());
        if (bytes > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("A tensor " + dtype + " " + shape + " of " + bytes
                    + " bytes is over the limit of 2 GiB for one tensor");
        }
        return (int) bytes;
    }

    /** Zeros in direct memory. */
    public static HostTensor allocate(DType dtype, Shape shape) {
        return new HostTensor(dtype, shape, ByteBuffer.allocateDirect(byteSize(dtype, shape)));
    }

    /** Zeros in the Java heap. */
    public static HostTensor allocateHeap(DType dtype, Shape shape) {
        return new HostTensor(dtype, shape, ByteBuffer.allocate(byteSize(dtype, shape)));
    }

    /** A float32 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, float... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.FLOAT32, shape);
        tensor.data.asFloatBuffer().put(elements);
        return tensor;
    }

    /** A float64 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, double... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.FLOAT64, shape);
        tensor.data.asDoubleBuffer().put(elements);
        return tensor;
    }

    /** An int64 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, long... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.INT64, shape);
        tensor.data.asLongBuffer().put(elements);
        return tensor;
    }

    /** A bool tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, boolean... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.BOOL, shape);
        for (int i = 0; i < elements.length; i++) {
            tensor.data.put(i, (byte) (elements[i] ? 1 : 0));
        }
        return tensor;
    }

    private static void checkCount(Shape shape, int count) {
        if (shape.elements() != count) {
            throw new IllegalArgumentException(
                    "Shape " + shape + " holds " + shape.elements() + " elements, got " + count);
        }
    }

    /** One element, in row-major order, as a double; bool as 0 or 1. */
    public double getDouble(int index) {
        return switch (dtype) {
            case FLOAT32 -> data.getFloat(index * 4);
            case FLOAT64 -> data.getDouble(index * 8);
            case FLOAT16 -> HalfFloats.fromFloat16(data.getShort(index * 2));
            case BFLOAT16 -> HalfFloats.fromBfloat16(data.getShort(index * 2));
            case INT64 -> data.getLong(index * 8);
            case INT32 -> data.getInt(index * 4);
            case BOOL -> data.get(index);
        };
    }

    /** Sets one element while the tensor is being filled; floats are rounded to nearest even. */
    public void setDouble(int index, double value) {
        switch (dtype) {
            case FLOAT32 -> data.putFloat(index * 4, (float) value);
            case FLOAT64 -> data.putDouble(index * 8, value);
            case FLOAT16 -> data.putShort(index * 2, HalfFloats.toFloat16(value));
            case BFLOAT16 -> data.putShort(index * 2, HalfFloats.toBfloat16(value));
            case INT64 -> data.putLong(index * 8, (long) value);
            case INT32 -> data.putInt(index * 4, (int) value);
            case BOOL -> data.put(index, (byte) (value != 0 ? 1 : 0));
        }
    }

    /** The same numbers in another data type, as {@link dev.loupe.graph.Op.Cast} converts them. */
    public HostTensor to(DType other) {
        if (other == dtype) {
            return this;
        }
        HostTensor result = allocate(other, shape);
        int count = (int) shape.elements();
        for (int i = 0; i < count; i++) {
            if (dtype.isFloating()) {
                result.setDouble(i, getDouble(i));
            } else {
                result.setLong(i, getLong(i));
            }
        }
        return result;
    }

    /** One element as a long; bool as 0 or 1, fractions are cut off. A double would not hold every long. */
    private long getLong(int index) {
        return switch (dtype) {
            case INT64 -> data.getLong(index * 8);
            case INT32 -> data.getInt(index * 4);
            default -> (long) getDouble(index);
        };
    }

    private void setLong(int index, long value) {
        switch (dtype) {
            case FLOAT32 -> data.putFloat(index * 4, (float) value);
            case INT64 -> data.putLong(index * 8, value);
            case INT32 -> data.putInt(index * 4, (int) value);
            default -> setDouble(index, (double) value);
        }
    }

    /** The elements as floats, in row-major order. */
    public float[] toFloatArray() {
        float[] result = new float[(int) shape.elements()];
        if (dtype == DType.FLOAT32) {
            data.asFloatBuffer().get(result);
        } else {
            for (int i = 0; i < result.length; i++) {
                result[i] = (float) getDouble(i);
            }
        }
        return result;
    }

    /** The elements as doubles, in row-major order. */
    public double[] toDoubleArray() {
        double[] result = new double[(int) shape.elements()];
        for (int i = 0; i < result.length; i++) {
            result[i] = getDouble(i);
        }
        return result;
    }

    /** The elements as longs, in row-major order; fractions are cut off. */
    public long[] toLongArray() {
        long[] result = new long[(int) shape.elements()];
        for (int i = 0; i < result.length; i++) {
            result[i] = getLong(i);
        }
        return result;
    }

    /** The shape and type, without the elements. */
    @Override
    public String toString() {
        return "HostTensor " + dtype + " " + shape;
    }
}
