package dev.loupe.analysis.factored;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;

/** The matrices in the last two axes of a tensor, read into float64 once and handed out one by one. */
final class MatrixBatch {

    private final double[] numbers;
    private final long[] leading;
    private final int rows;
    private final int columns;

    private MatrixBatch(double[] numbers, long[] leading, int rows, int columns) {
        this.numbers = numbers;
        this.leading = leading;
        this.rows = rows;
        this.columns = columns;
    }

    static MatrixBatch of(Tensor tensor) {
        double[] numbers = tensor.toDoubleArray();
        for (double number : numbers) {
            if (!Double.isFinite(number)) {
                throw new IllegalArgumentException("A matrix with NaN or infinite entries can't be decomposed: "
                        + tensor.describe() + " has " + number);
            }
        }
        long[] sizes = tensor.shape().toArray();
        return new MatrixBatch(numbers, Arrays.copyOf(sizes, sizes.length - 2), (int) sizes[sizes.length - 2], (int)
                sizes[sizes.length - 1]);
    }

    /** The matrix at a row-major index into a batch whose leading sizes this one's broadcast to. */
    DMatrixRMaj get(int index, long[] batch) {
        long rest = index;
        long place = 0;
        long stride = 1;
        for (int axis = batch.length - 1; axis >= 0; axis--) {
            long coordinate = rest % batch[axis];
            rest /= batch[axis];
            int own = axis - (batch.length - leading.length);
            if (own >= 0) {
                place += leading[own] == 1 ? 0 : coordinate * stride;
                stride *= leading[own];
            }
        }
        int from = Math.toIntExact(place * rows * columns);
        return DMatrixRMaj.wrap(rows, columns, Arrays.copyOfRange(numbers, from, from + rows * columns));
    }

    /** float64 numbers as a tensor beside another one: in its data type, or float32 if that is narrower. */
    static Tensor upload(double[] numbers, Shape shape, Tensor like) {
        DType dtype = like.dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
        HostTensor host = HostTensor.allocate(dtype, shape);
        for (int i = 0; i < numbers.length; i++) {
            host.setDouble(i, numbers[i]);
        }
        return like.factory().of(host);
    }
}
