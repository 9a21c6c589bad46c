package dev.loupe.architectures.processing;

import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import org.ejml.data.DMatrixRMaj;
import org.jspecify.annotations.Nullable;

/**
 * A weight that is being changed in place: a matrix, or a vector as a matrix of one row. Sums are in double
 * precision, whatever the elements are stored in.
 */
final class WeightMatrix {

    private final HostTensor tensor;
    private final int rows;
    private final int columns;
    private final @Nullable FloatBuffer floats;
    private final @Nullable DoubleBuffer doubles;

    /** A view of a float32 or float64 tensor of rank 1 or 2, which is written to. */
    WeightMatrix(HostTensor tensor) {
        this.tensor = tensor;
        this.columns = Math.toIntExact(tensor.shape().size(-1));
        this.rows = columns == 0 ? 0 : Math.toIntExact(tensor.shape().elements() / columns);
        switch (tensor.dtype()) {
            case FLOAT32 -> {
                floats = tensor.data().asFloatBuffer();
                doubles = null;
            }
            case FLOAT64 -> {
                floats = null;
                doubles = tensor.data().asDoubleBuffer();
            }
            default -> throw new IllegalArgumentException("Weights are processed in float32 or float64, not " + tensor);
        }
    }

    /** A vector of the same data type. */
    WeightMatrix vectorLike(double[] elements) {
        WeightMatrix vector = new WeightMatrix(HostTensor.allocate(tensor.dtype(), Shape.of(elements.length)));
        vector.setRow(0, elements);
        return vector;
    }

    HostTensor tensor() {
        return tensor;
    }

    private double get(int index) {
        return floats != null ? floats.get(index) : doubles != null ? doubles.get(index) : Double.NaN;
    }

    private void set(int index, double value) {
        if (floats != null) {
            floats.put(index, (float) value);
        } else if (doubles != null) {
            doubles.put(index, value);
        }
    }

    double[] row(int row) {
        double[] elements = new double[columns];
        for (int column = 0; column < columns; column++) {
            elements[column] = get(row * columns + column);
        }
        return elements;
    }

    private void setRow(int row, double[] elements) {
        for (int column = 0; column < columns; column++) {
            set(row * columns + column, elements[column]);
        }
    }

    /** Multiplies each row by its factor. */
    void scaleRows(double[] factors) {
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int index = row * columns + column;
                set(index, get(index) * factors[row]);
            }
        }
    }

    /** Adds to every row. */
    void addToRows(double[] summand) {
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int index = row * columns + column;
                set(index, get(index) + summand[column]);
            }
        }
    }

    /** Row vector times this. */
    double[] multipliedFromLeft(double[] vector) {
        double[] product = new double[columns];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                product[column] += vector[row] * get(row * columns + column);
            }
        }
        return product;
    }

    /** Subtracts from each row its mean. */
    void centreRows() {
        for (int row = 0; row < rows; row++) {
            double sum = 0;
            for (int column = 0; column < columns; column++) {
                sum += get(row * columns + column);
            }
            double mean = sum / columns;
            for (int column = 0; column < columns; column++) {
                int index = row * columns + column;
                set(index, get(index) - mean);
            }
        }
    }

    /** Subtracts from each column its mean. */
    void centreColumns() {
        double[] shift = new double[columns];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                shift[column] -= get(row * columns + column) / rows;
            }
        }
        addToRows(shift);
    }

    /** A copy of a block of this. */
    DMatrixRMaj block(int firstRow, int rowCount, int firstColumn, int columnCount) {
        DMatrixRMaj block = new DMatrixRMaj(rowCount, columnCount);
        for (int row = 0; row < rowCount; row++) {
            for (int column = 0; column < columnCount; column++) {
                block.unsafe_set(row, column, get((firstRow + row) * columns + firstColumn + column));
            }
        }
        return block;
    }

    /** Overwrites a block of this with rows of another matrix, from {@code sourceRow} on. */
    void setBlock(int firstRow, int rowCount, int firstColumn, DMatrixRMaj source, int sourceRow) {
        for (int row = 0; row < rowCount; row++) {
            for (int column = 0; column < source.getNumCols(); column++) {
                set((firstRow + row) * columns + firstColumn + column, source.unsafe_get(sourceRow + row, column));
            }
        }
    }
}
