package dev.loupe.harvest.reduce;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.harvest.shard.Layout;
import java.util.Map;

/** Reads a shard's numbers token by token, and what reducers saved. */
final class TokenNumbers {

    private TokenNumbers() {}

    /** Fills a row with one token's numbers. */
    static void read(HostTensor values, int token, double[] row) {
        long at = (long) token * row.length;
        if (values.dtype() == DType.FLOAT32 && values.parts().size() == 1) {
            java.nio.ByteBuffer bytes = values.parts().get(0);
            int first = Math.toIntExact(at * Float.BYTES);
            for (int i = 0; i < row.length; i++) {
                row[i] = bytes.getFloat(first + i * Float.BYTES);
            }
            return;
        }
        for (int i = 0; i < row.length; i++) {
            row[i] = values.getDouble(at + i);
        }
    }

    /**
     * An array that was saved.
     *
     * @throws IllegalArgumentException if it isn't there or hasn't so many elements
     */
    static HostTensor saved(Map<String, HostTensor> arrays, String name, long elements) {
        HostTensor array = arrays.get(name);
        if (array == null || array.shape().elements() != elements) {
            throw new IllegalArgumentException("What a reducer saved is damaged: '" + name + "' is "
                    + (array == null ? "missing" : "of shape " + array.shape()) + ", expected " + elements
                    + " numbers");
        }
        return array;
    }

    static double[] doubles(Map<String, HostTensor> arrays, String name, long elements) {
        return saved(arrays, name, elements).toDoubleArray();
    }

    static long[] longs(Map<String, HostTensor> arrays, String name, long elements) {
        return saved(arrays, name, elements).toLongArray();
    }

    /** Numbers in the shape of one token of a point. */
    static HostTensor perUnit(Layout.Point point, double[] numbers) {
        return HostTensor.of(unitShape(point), numbers);
    }

    static HostTensor perUnit(Layout.Point point, long[] numbers) {
        return HostTensor.of(unitShape(point), numbers);
    }

    private static Shape unitShape(Layout.Point point) {
        return Shape.of(point.shape().stream().mapToLong(Long::longValue).toArray());
    }

    static HostTensor scalar(long number) {
        return HostTensor.of(Shape.of(1), number);
    }
}
