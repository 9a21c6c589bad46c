package dev.loupe.tensor;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Answers;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.graph.Op;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.List;
import java.util.Random;
import org.apiguardian.api.API;

/** Makes tensors on one backend. */
@API(status = API.Status.STABLE, since = "0.1")
public final class TensorFactory {

    private final Backend backend;

    /** A factory for tensors on the backend. */
    public TensorFactory(Backend backend) {
        this.backend = backend;
    }

    /** The backend. */
    public Backend backend() {
        return backend;
    }

    /**
     * A tensor from host memory, which must not be written to afterwards.
     *
     * @throws UnsupportedOperationException if the backend doesn't have the data type
     */
    public Tensor of(HostTensor data) {
        if (!backend.capabilities().dtypes().contains(data.dtype())) {
            throw new UnsupportedOperationException("Backend '" + backend.id() + "' on " + backend.device()
                    + " doesn't have " + data.dtype() + "; it has "
                    + backend.capabilities().dtypes());
        }
        return Tensor.wrap(backend, Answers.upload(backend, data, Placement.ANYWHERE));
    }

    /** A float32 tensor. */
    public Tensor of(float[] elements, long... shape) {
        return of(HostTensor.of(shapeOr(shape, elements.length), elements));
    }

    /** A float64 tensor. */
    public Tensor of(double[] elements, long... shape) {
        return of(HostTensor.of(shapeOr(shape, elements.length), elements));
    }

    /** An int64 tensor. */
    public Tensor of(long[] elements, long... shape) {
        return of(HostTensor.of(shapeOr(shape, elements.length), elements));
    }

    /** A bool tensor. */
    public Tensor of(boolean[] elements, long... shape) {
        return of(HostTensor.of(shapeOr(shape, elements.length), elements));
    }

    private static Shape shapeOr(long[] shape, int count) {
        return shape.length == 0 && count != 1 ? Shape.of(count) : Shape.of(shape);
    }

    /** A float32 scalar. */
    public Tensor scalar(float number) {
        return full(DType.FLOAT32, number);
    }

    /** A tensor filled with one number. */
    public Tensor full(DType dtype, double number, long... shape) {
        List<Tensor> result = Tensor.execute(backend, new Op.Full(dtype, Shape.of(shape), number), List.of());
        return result.get(0);
    }

    /** Zeros. */
    public Tensor zeros(DType dtype, long... shape) {
        return full(dtype, 0, shape);
    }

    /** Ones. */
    public Tensor ones(DType dtype, long... shape) {
        return full(dtype, 1, shape);
    }

    /**
     * int64: {@code 0, 1, …, end-1}.
     *
     * @throws IllegalArgumentException if the end is negative
     */
    public Tensor arange(long end) {
        if (end < 0) {
            throw new IllegalArgumentException("arange counts from 0 up to an end, which can't be " + end);
        }
        HostTensor numbers = HostTensor.allocate(DType.INT64, Shape.of(end));
        long next = 0;
        for (ByteBuffer part : numbers.parts()) {
            LongBuffer longs = part.asLongBuffer();
            while (longs.hasRemaining()) {
                longs.put(next++);
            }
        }
        return of(numbers);
    }

    /** Normally distributed float32 numbers, mean 0 and variance 1, the same for the same seed everywhere. */
    public Tensor randn(long seed, long... shape) {
        Random random = new Random(seed);
        HostTensor numbers = HostTensor.allocate(DType.FLOAT32, Shape.of(shape));
        long count = numbers.shape().elements();
        for (long i = 0; i < count; i++) {
            numbers.setDouble(i, random.nextGaussian());
        }
        return of(numbers);
    }
}
