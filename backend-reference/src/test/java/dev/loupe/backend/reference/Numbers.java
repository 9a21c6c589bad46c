package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;

/** Tensors for tests, made and compared index by index. */
final class Numbers {

    private Numbers() {}

    /** Gives an element for an index. */
    @FunctionalInterface
    interface At {
        double at(long[] index);
    }

    /** The tensor whose elements the function gives. */
    static HostTensor build(DType dtype, Shape shape, At function) {
        HostTensor tensor = HostTensor.allocate(dtype, shape);
        long[] index = new long[shape.rank()];
        for (int i = 0; i < shape.elements(); i++) {
            long rest = i;
            for (int axis = index.length - 1; axis >= 0; axis--) {
                index[axis] = rest % shape.size(axis);
                rest /= shape.size(axis);
            }
            tensor.setDouble(i, function.at(index));
        }
        return tensor;
    }

    /** Numbers between -4 and 4 (whole ones if the type is, 0 and 1 for bool). */
    static HostTensor random(DType dtype, long seed, long... sizes) {
        SplittableRandom random = new SplittableRandom(seed);
        return build(dtype, Shape.of(sizes), index -> switch (dtype) {
            case BOOL -> random.nextInt(2);
            case INT32, INT64 -> random.nextInt(-4, 5);
            default -> random.nextDouble(-4, 4);
        });
    }

    /** A tensor of rank 1. */
    static HostTensor vector(DType dtype, double... elements) {
        return build(dtype, Shape.of(elements.length), index -> elements[(int) index[0]]);
    }

    /** The same elements under another shape. */
    static HostTensor shaped(HostTensor tensor, long... sizes) {
        return new HostTensor(tensor.dtype(), Shape.of(sizes), tensor.data());
    }

    /** The element at an index. */
    static double at(HostTensor tensor, long... index) {
        long position = 0;
        for (int axis = 0; axis < index.length; axis++) {
            position = position * tensor.shape().size(axis) + index[axis];
        }
        return tensor.getDouble((int) position);
    }

    /** The element of a tensor that broadcasts, at an index of the whole. */
    static double broadcastAt(HostTensor tensor, long[] index) {
        int rank = tensor.shape().rank();
        long[] own = new long[rank];
        for (int axis = 0; axis < rank; axis++) {
            long wanted = index[index.length - rank + axis];
            own[axis] = tensor.shape().size(axis) == 1 ? 0 : wanted;
        }
        return at(tensor, own);
    }

    /** Checks the type, the shape and every element to the last bit; all NaNs count as one. */
    static void assertSame(HostTensor found, HostTensor expected) {
        if (found.dtype() == DType.INT64) {
            long[] left = found.toLongArray();
            long[] right = expected.toLongArray();
            assertAll(found, expected, i -> left[i] == right[i]);
        } else {
            double[] left = found.toDoubleArray();
            double[] right = expected.toDoubleArray();
            assertAll(found, expected, i -> Double.compare(left[i], right[i]) == 0);
        }
    }

    /** Checks the type, the shape, and that no element is further off than the tolerance; NaN is near NaN alone. */
    static void assertNear(HostTensor found, HostTensor expected, double tolerance) {
        double[] left = found.toDoubleArray();
        double[] right = expected.toDoubleArray();
        assertAll(
                found,
                expected,
                i -> Double.compare(left[i], right[i]) == 0 || Math.abs(left[i] - right[i]) <= tolerance);
    }

    private static void assertAll(HostTensor found, HostTensor expected, IntPredicate fits) {
        assertThat(found.dtype()).as("data type").isEqualTo(expected.dtype());
        assertThat(found.shape()).as("shape").isEqualTo(expected.shape());
        int count = (int) found.shape().elements();
        for (int i = 0; i < count; i++) {
            if (!fits.test(i)) {
                fail("element %d of %s: found %s, expected %s", i, found, found.getDouble(i), expected.getDouble(i));
            }
        }
    }
}
