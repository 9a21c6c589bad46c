package dev.loupe.array;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.apiguardian.api.API;

/**
 * Numbers in this process' memory: how data travels into and out of backends. Row-major, in native byte order. Whoever
 * hands one over must not write to it afterwards.
 *
 * <p>A buffer holds at most 2 GiB, so a larger tensor lies in several, one after the other. Whoever takes tensors of
 * any size looks at {@link #parts} or goes {@link #from} element to element; {@link #data} is for the others.
 *
 * @param dtype the element type
 * @param shape the sizes
 * @param parts the bytes, {@code shape.elements() * dtype.bytes()} of them, in native order; heap or direct. All parts
 *     but the last hold equally many elements
 */
@API(status = API.Status.STABLE, since = "0.1")
public record HostTensor(DType dtype, Shape shape, List<ByteBuffer> parts) {

    /** Bytes that one part holds at most: 2 GiB but for a little, the limit of Java's buffers. */
    public static final int LARGEST_PART = Integer.MAX_VALUE - 8;

    private static final int CHUNK = 4096;

    /** Checks that the buffers hold as many bytes as the shape needs, and views them in native order. */
    public HostTensor {
        long needed = Math.multiplyExact(shape.elements(), dtype.bytes());
        long held = 0;
        List<ByteBuffer> views = new ArrayList<>(parts.size());
        for (ByteBuffer part : parts) {
            boolean last = views.size() == parts.size() - 1;
            if (!last && (part.capacity() != parts.get(0).capacity() || part.capacity() % dtype.bytes() != 0)) {
                throw new IllegalArgumentException("All parts of " + dtype + " " + shape
                        + " but the last should hold equally many elements, found buffers of "
                        + parts.stream().map(ByteBuffer::capacity).toList() + " bytes");
            }
            long taken = Math.max(0, Math.min(part.capacity(), needed - held));
            views.add(part.slice(0, (int) taken).order(ByteOrder.nativeOrder()));
            held += taken;
        }
        if (held < needed || parts.isEmpty()) {
            throw new IllegalArgumentException(dtype + " " + shape + " needs " + needed + " bytes, "
                    + (parts.size() == 1 ? "the buffer holds " : "the buffers hold ") + held);
        }
        parts = List.copyOf(views);
    }

    /**
     * A tensor in one buffer.
     *
     * @param data the bytes, from index 0 on
     */
    public HostTensor(DType dtype, Shape shape, ByteBuffer data) {
        this(dtype, shape, List.of(data));
    }

    /**
     * Bytes of a tensor that is to lie in one buffer.
     *
     * @throws IllegalArgumentException if they are more than one buffer can hold (2 GiB)
     */
    public static int byteSize(DType dtype, Shape shape) {
        long bytes = Math.multiplyExact(shape.elements(), dtype.bytes());
        if (bytes > LARGEST_PART) {
            throw new IllegalArgumentException("A tensor " + dtype + " " + shape + " of " + bytes
                    + " bytes is over the limit of 2 GiB for one buffer");
        }
        return (int) bytes;
    }

    /**
     * Zeros in direct memory.
     *
     * @throws OutOfTensorMemoryException if there is no room
     */
    public static HostTensor allocate(DType dtype, Shape shape) {
        return allocate(dtype, shape, LARGEST_PART);
    }

    /**
     * Zeros in direct memory, in parts of no more than so many bytes, which hold whole rows of the last axis if one
     * fits.
     *
     * @throws OutOfTensorMemoryException if there is no room
     */
    public static HostTensor allocate(DType dtype, Shape shape, int mostBytes) {
        return new HostTensor(dtype, shape, allocate(dtype, shape, mostBytes, ByteBuffer::allocateDirect));
    }

    /** Zeros in the Java heap. */
    public static HostTensor allocateHeap(DType dtype, Shape shape) {
        return new HostTensor(dtype, shape, allocate(dtype, shape, LARGEST_PART, ByteBuffer::allocate));
    }

    private static List<ByteBuffer> allocate(
            DType dtype, Shape shape, int mostBytes, IntFunction<ByteBuffer> allocator) {
        long left = Math.multiplyExact(shape.elements(), dtype.bytes());
        long row = shape.rank() == 0 ? dtype.bytes() : shape.size(-1) * dtype.bytes();
        long unit = row > 0 && row <= mostBytes ? row : dtype.bytes();
        long part = Math.max(1, mostBytes / unit) * unit;
        List<ByteBuffer> parts = new ArrayList<>();
        try {
            do {
                parts.add(allocator.apply((int) Math.min(part, left)));
                left -= part;
            } while (left > 0);
            return parts;
        } catch (OutOfMemoryError e) {
            throw new OutOfTensorMemoryException(
                    "Out of memory for the numbers of a tensor " + dtype + " " + shape + " in this process: "
                            + e.getMessage(),
                    "Read a slice of it at a time where that is possible, or give Java more memory (-Xmx for its heap,"
                            + " -XX:MaxDirectMemorySize outside of it, which otherwise is as much as the heap)",
                    e);
        }
    }

    /** All bytes. */
    public long bytes() {
        return shape.elements() * dtype.bytes();
    }

    /**
     * The bytes in one buffer: the only part itself, or a copy if there are several.
     *
     * @throws IllegalArgumentException if they are more than one buffer can hold (2 GiB)
     */
    public ByteBuffer data() {
        if (parts.size() == 1) {
            return parts.get(0);
        }
        ByteBuffer joined = ByteBuffer.allocateDirect(byteSize(dtype, shape)).order(ByteOrder.nativeOrder());
        for (ByteBuffer part : parts) {
            joined.put(part.duplicate().clear());
        }
        return joined.clear();
    }

    /**
     * What lies in one part from an element on: the memory itself, in native order.
     *
     * @param index of the element, in row-major order
     */
    public ByteBuffer from(long index) {
        ByteBuffer part = part(index);
        int start = within(index) * dtype.bytes();
        return part.slice(start, part.capacity() - start).order(ByteOrder.nativeOrder());
    }

    private ByteBuffer part(long index) {
        return parts.size() == 1 ? parts.get(0) : parts.get((int) (index / elementsInPart()));
    }

    private int within(long index) {
        return (int) (parts.size() == 1 ? index : index % elementsInPart());
    }

    private int elementsInPart() {
        return parts.get(0).capacity() / dtype.bytes();
    }

    /** A float32 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, float... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.FLOAT32, shape);
        tensor.data().asFloatBuffer().put(elements);
        return tensor;
    }

    /** A float64 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, double... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.FLOAT64, shape);
        tensor.data().asDoubleBuffer().put(elements);
        return tensor;
    }

    /** An int64 tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, long... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.INT64, shape);
        tensor.data().asLongBuffer().put(elements);
        return tensor;
    }

    /** A bool tensor of the given elements, copied. */
    public static HostTensor of(Shape shape, boolean... elements) {
        checkCount(shape, elements.length);
        HostTensor tensor = allocate(DType.BOOL, shape);
        for (int i = 0; i < elements.length; i++) {
            tensor.data().put(i, (byte) (elements[i] ? 1 : 0));
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
    public double getDouble(long index) {
        ByteBuffer part = part(index);
        int i = within(index);
        return switch (dtype) {
            case FLOAT32 -> part.getFloat(i * 4);
            case FLOAT64 -> part.getDouble(i * 8);
            case FLOAT16 -> HalfFloats.fromFloat16(part.getShort(i * 2));
            case BFLOAT16 -> HalfFloats.fromBfloat16(part.getShort(i * 2));
            case INT64 -> part.getLong(i * 8);
            case INT32 -> part.getInt(i * 4);
            case BOOL -> part.get(i);
        };
    }

    /** Sets one element while the tensor is being filled; floats are rounded to nearest even. */
    public void setDouble(long index, double value) {
        ByteBuffer part = part(index);
        int i = within(index);
        switch (dtype) {
            case FLOAT32 -> part.putFloat(i * 4, (float) value);
            case FLOAT64 -> part.putDouble(i * 8, value);
            case FLOAT16 -> part.putShort(i * 2, HalfFloats.toFloat16(value));
            case BFLOAT16 -> part.putShort(i * 2, HalfFloats.toBfloat16(value));
            case INT64 -> part.putLong(i * 8, (long) value);
            case INT32 -> part.putInt(i * 4, (int) value);
            case BOOL -> part.put(i, (byte) (value != 0 ? 1 : 0));
        }
    }

    /** The same numbers in another data type, as {@link dev.loupe.graph.Op.Cast} converts them. */
    public HostTensor to(DType other) {
        if (other == dtype) {
            return this;
        }
        HostTensor result = allocate(other, shape);
        copyTo(result);
        return result;
    }

    /**
     * Writes the same numbers to a tensor that is being filled, in its data type, as {@link dev.loupe.graph.Op.Cast}
     * converts them.
     *
     * @param target of the same shape
     * @throws IllegalArgumentException if it has another
     */
    public void copyTo(HostTensor target) {
        if (!target.shape.equals(shape)) {
            throw new IllegalArgumentException(this + " doesn't fit into " + target);
        }
        if (dtype == DType.FLOAT32 && target.dtype.isSixteenBits()) {
            narrow(target);
            return;
        }
        long count = shape.elements();
        for (long i = 0; i < count; i++) {
            if (dtype.isFloating()) {
                target.setDouble(i, getDouble(i));
            } else {
                target.setLong(i, getLong(i));
            }
        }
    }

    /** By way of arrays, whose loops are compiled in a fraction of the time that those over buffers take. */
    private void narrow(HostTensor target) {
        float[] wide = new float[(int) Math.min(CHUNK, shape.elements())];
        short[] narrow = new short[wide.length];
        long count = shape.elements();
        for (long at = 0; at < count; ) {
            FloatBuffer from = from(at).asFloatBuffer();
            ShortBuffer to = target.from(at).asShortBuffer();
            int some = Math.min(wide.length, Math.min(from.remaining(), to.remaining()));
            from.get(wide, 0, some);
            for (int i = 0; i < some; i++) {
                narrow[i] =
                        target.dtype == DType.BFLOAT16 ? HalfFloats.toBfloat16(wide[i]) : HalfFloats.toFloat16(wide[i]);
            }
            to.put(narrow, 0, some);
            at += some;
        }
    }

    /** One element as a long; bool as 0 or 1, fractions are cut off. A double would not hold every long. */
    private long getLong(long index) {
        ByteBuffer part = part(index);
        int i = within(index);
        return switch (dtype) {
            case INT64 -> part.getLong(i * 8);
            case INT32 -> part.getInt(i * 4);
            default -> (long) getDouble(index);
        };
    }

    private void setLong(long index, long value) {
        ByteBuffer part = part(index);
        int i = within(index);
        switch (dtype) {
            case FLOAT32 -> part.putFloat(i * 4, (float) value);
            case INT64 -> part.putLong(i * 8, value);
            case INT32 -> part.putInt(i * 4, (int) value);
            default -> setDouble(index, (double) value);
        }
    }

    /**
     * Checks that a tensor of that type and shape fits into a Java array.
     *
     * @throws IllegalArgumentException if it has more elements
     */
    public static void checkFitsIntoArray(DType dtype, Shape shape) {
        if (shape.elements() > LARGEST_PART) {
            throw new IllegalArgumentException("A tensor " + dtype + " " + shape
                    + " has more elements than a Java array can hold (2^31); take a slice of it and read that");
        }
    }

    private <T> T array(IntFunction<T> maker) {
        checkFitsIntoArray(dtype, shape);
        try {
            return maker.apply((int) shape.elements());
        } catch (OutOfMemoryError e) {
            throw new OutOfTensorMemoryException(
                    "Out of memory for a Java array of the " + shape.elements() + " elements of a tensor " + dtype + " "
                            + shape + ": " + e.getMessage(),
                    "Read a slice of it at a time, or give Java a larger heap (-Xmx)",
                    e);
        }
    }

    /**
     * The elements as floats, in row-major order.
     *
     * @throws OutOfTensorMemoryException if there is no room for them
     */
    public float[] toFloatArray() {
        float[] result = array(float[]::new);
        if (dtype == DType.FLOAT32) {
            int at = 0;
            for (ByteBuffer part : parts) {
                int count = part.capacity() / Float.BYTES;
                part.asFloatBuffer().get(result, at, count);
                at += count;
            }
        } else {
            for (int i = 0; i < result.length; i++) {
                result[i] = (float) getDouble(i);
            }
        }
        return result;
    }

    /** The elements as doubles, in row-major order. */
    public double[] toDoubleArray() {
        double[] result = array(double[]::new);
        if (dtype == DType.FLOAT32) {
            int at = 0;
            for (ByteBuffer part : parts) {
                FloatBuffer floats = part.asFloatBuffer();
                for (int i = 0; i < floats.capacity(); i++) {
                    result[at++] = floats.get(i);
                }
            }
        } else {
            for (int i = 0; i < result.length; i++) {
                result[i] = getDouble(i);
            }
        }
        return result;
    }

    /** The elements as longs, in row-major order; fractions are cut off. */
    public long[] toLongArray() {
        long[] result = array(long[]::new);
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
