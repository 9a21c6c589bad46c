package dev.loupe.architectures.processing;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;

/**
 * A weight that is being changed in place: a matrix, or a vector as a matrix of one row. Sums are in double
 * precision, whatever the elements are stored in.
 */
final class WeightMatrix {

    private final HostTensor tensor;
    private final int rows;
    private final int columns;
    private final double[] current;
    private final float[] narrow;

    /** A view of a float32 or float64 tensor of rank 1 or 2, which is written to. */
    WeightMatrix(HostTensor tensor) {
        if (tensor.dtype() != DType.FLOAT32 && tensor.dtype() != DType.FLOAT64) {
            throw new IllegalArgumentException("Weights are processed in float32 or float64, not " + tensor);
        }
        this.tensor = tensor;
        this.columns = Math.toIntExact(tensor.shape().size(-1));
        this.rows = columns == 0 ? 0 : Math.toIntExact(tensor.shape().elements() / columns);
        this.current = new double[columns];
        this.narrow = new float[tensor.dtype() == DType.FLOAT32 ? columns : 0];
    }

    /** A vector of the same data type. */
    WeightMatrix vectorLike(double[] elements) {
        WeightMatrix vector = new WeightMatrix(HostTensor.allocate(tensor.dtype(), Shape.of(elements.length)));
        vector.write(0, elements);
        return vector;
    }

    HostTensor tensor() {
        return tensor;
    }

    private void read(int row, double[] into) {
        read((long) row * columns, into, 0, columns);
    }

    private void write(int row, double[] from) {
        write((long) row * columns, from, 0, columns);
    }

    private void read(long index, double[] into, int at, int count) {
        if (tensor.dtype() == DType.FLOAT64) {
            tensor.from(index).asDoubleBuffer().get(into, at, count);
            return;
        }
        tensor.from(index).asFloatBuffer().get(narrow, 0, count);
        for (int i = 0; i < count; i++) {
            into[at + i] = narrow[i];
        }
    }

    private void write(long index, double[] from, int at, int count) {
        if (tensor.dtype() == DType.FLOAT64) {
            tensor.from(index).asDoubleBuffer().put(from, at, count);
            return;
        }
        for (int i = 0; i < count; i++) {
            narrow[i] = (float) from[at + i];
        }
        tensor.from(index).asFloatBuffer().put(narrow, 0, count);
    }

    /** A copy of a row. */
    double[] row(int row) {
        double[] elements = new double[columns];
        read(row, elements);
        return elements;
    }

    /** Multiplies each row by its factor. */
    void scaleRows(double[] factors) {
        for (int row = 0; row < rows; row++) {
            read(row, current);
            double factor = factors[row];
            for (int column = 0; column < columns; column++) {
                current[column] *= factor;
            }
            write(row, current);
        }
    }

    /** Adds to every row. */
    void addToRows(double[] summand) {
        for (int row = 0; row < rows; row++) {
            read(row, current);
            for (int column = 0; column < columns; column++) {
                current[column] += summand[column];
            }
            write(row, current);
        }
    }

    /** Row vector times this. */
    double[] multipliedFromLeft(double[] vector) {
        double[] product = new double[columns];
        for (int row = 0; row < rows; row++) {
            read(row, current);
            double factor = vector[row];
            for (int column = 0; column < columns; column++) {
                product[column] += factor * current[column];
            }
        }
        return product;
    }

    /** Subtracts from each row its mean. */
    void centreRows() {
        for (int row = 0; row < rows; row++) {
            read(row, current);
            double sum = 0;
            for (double element : current) {
                sum += element;
            }
            double mean = sum / columns;
            for (int column = 0; column < columns; column++) {
                current[column] -= mean;
            }
            write(row, current);
        }
    }

    /** Subtracts from each column its mean. */
    void centreColumns() {
        double[] shares = new double[rows];
        Arrays.fill(shares, -1.0 / rows);
        addToRows(multipliedFromLeft(shares));
    }

    /** A copy of a block of this. */
    DMatrixRMaj block(int firstRow, int rowCount, int firstColumn, int columnCount) {
        DMatrixRMaj block = new DMatrixRMaj(rowCount, columnCount);
        for (int row = 0; row < rowCount; row++) {
            read((firstRow + row) * (long) columns + firstColumn, block.data, row * columnCount, columnCount);
        }
        return block;
    }

    /** Overwrites a block of this with rows of another matrix, from {@code sourceRow} on. */
    void setBlock(int firstRow, int rowCount, int firstColumn, DMatrixRMaj source, int sourceRow) {
        int width = source.getNumCols();
        for (int row = 0; row < rowCount; row++) {
            write((firstRow + row) * (long) columns + firstColumn, source.data, (sourceRow + row) * width, width);
        }
    }
}
