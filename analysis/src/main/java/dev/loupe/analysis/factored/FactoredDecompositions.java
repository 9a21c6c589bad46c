package dev.loupe.analysis.factored;

import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.ejml.data.Complex_F64;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.SingularOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.EigenDecomposition_F64;
import org.ejml.interfaces.decomposition.QRDecomposition;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/** Decompositions of A·B in float64 that never hold anything larger than the factors. */
final class FactoredDecompositions {

    private FactoredDecompositions() {}

    /**
     * SVD through QR of the factors: A = Q·R and Bᵀ = P·S give A·B = Q·(R·Sᵀ)·Pᵀ, and the matrix in the middle is
     * no larger than the inner dimension.
     */
    static Svd svd(Tensor a, Tensor b, long[] batch) {
        MatrixBatch left = MatrixBatch.of(a);
        MatrixBatch right = MatrixBatch.of(b);
        int rows = (int) a.size(-2);
        int inner = (int) a.size(-1);
        int columns = (int) b.size(-1);
        int rank = Math.min(inner, Math.min(rows, columns));
        int count = Math.toIntExact(Shape.of(batch).elements());
        double[] u = new double[count * rows * rank];
        double[] s = new double[count * rank];
        double[] v = new double[count * columns * rank];
        for (int i = 0; i < count; i++) {
            Qr first = Qr.of(left.get(i, batch));
            Qr second = Qr.of(transposed(right.get(i, batch)));
            DMatrixRMaj middle = new DMatrixRMaj(first.r.numRows, second.r.numRows);
            CommonOps_DDRM.multTransB(first.r, second.r, middle);
            SingularValueDecomposition_F64<DMatrixRMaj> svd =
                    DecompositionFactory_DDRM.svd(middle.numRows, middle.numCols, true, true, true);
            check(svd.decompose(middle), "singular value decomposition");
            DMatrixRMaj middleU = svd.getU(null, false);
            DMatrixRMaj middleW = svd.getW(null);
            DMatrixRMaj middleV = svd.getV(null, false);
            SingularOps_DDRM.descendingOrder(middleU, false, middleW, middleV, false);
            copy(product(first.q, middleU), rank, u, i * rows * rank);
            copy(product(second.q, middleV), rank, v, i * columns * rank);
            for (int k = 0; k < rank; k++) {
                s[i * rank + k] = middleW.get(k, k);
            }
        }
        return new Svd(
                MatrixBatch.upload(u, shape(batch, rows, rank), a),
                MatrixBatch.upload(s, shape(batch, rank), a),
                MatrixBatch.upload(v, shape(batch, columns, rank), a));
    }

    /** Eigenvalues of square matrices, the largest in absolute value first. */
    static ComplexTensor eigenvalues(Tensor square) {
        long[] sizes = square.shape().toArray();
        long[] batch = Arrays.copyOf(sizes, sizes.length - 2);
        int n = (int) square.size(-1);
        MatrixBatch matrices = MatrixBatch.of(square);
        int count = Math.toIntExact(Shape.of(batch).elements());
        double[] real = new double[count * n];
        double[] imaginary = new double[count * n];
        for (int i = 0; i < count; i++) {
            EigenDecomposition_F64<DMatrixRMaj> eigen = DecompositionFactory_DDRM.eig(n, false);
            check(eigen.decompose(matrices.get(i, batch)), "eigenvalue decomposition");
            List<Complex_F64> values = new ArrayList<>();
            for (int k = 0; k < n; k++) {
                values.add(eigen.getEigenvalue(k));
            }
            // Conjugate pairs have one absolute value: the one above the real axis comes first.
            values.sort(Comparator.comparingDouble((Complex_F64 z) -> -z.getMagnitude())
                    .thenComparingDouble(z -> -z.imaginary));
            for (int k = 0; k < n; k++) {
                real[i * n + k] = values.get(k).real;
                imaginary[i * n + k] = values.get(k).imaginary;
            }
        }
        Shape shape = shape(batch, n);
        return new ComplexTensor(MatrixBatch.upload(real, shape, square), MatrixBatch.upload(imaginary, shape, square));
    }

    /** Frobenius norms of A·B. */
    static Tensor norm(Tensor a, Tensor b, long[] batch) {
        MatrixBatch left = MatrixBatch.of(a);
        MatrixBatch right = MatrixBatch.of(b);
        int count = Math.toIntExact(Shape.of(batch).elements());
        double[] norms = new double[count];
        for (int i = 0; i < count; i++) {
            // Orthogonal factors don't change the norm, so that of R·Sᵀ is that of A·B.
            DMatrixRMaj r = Qr.of(left.get(i, batch)).r;
            DMatrixRMaj s = Qr.of(transposed(right.get(i, batch))).r;
            DMatrixRMaj middle = new DMatrixRMaj(r.numRows, s.numRows);
            CommonOps_DDRM.multTransB(r, s, middle);
            double sum = 0;
            for (double number : middle.data) {
                sum += number * number;
            }
            norms[i] = Math.sqrt(sum);
        }
        return MatrixBatch.upload(norms, Shape.of(batch), a);
    }

    /** Products A·B of one batch's matrices, computed in float64. */
    static Tensor product(Tensor a, Tensor b, long[] batch) {
        MatrixBatch left = MatrixBatch.of(a);
        MatrixBatch right = MatrixBatch.of(b);
        int rows = (int) a.size(-2);
        int columns = (int) b.size(-1);
        int count = Math.toIntExact(Shape.of(batch).elements());
        double[] result = new double[Math.multiplyExact(count, rows * columns)];
        for (int i = 0; i < count; i++) {
            copy(product(left.get(i, batch), right.get(i, batch)), columns, result, i * rows * columns);
        }
        return MatrixBatch.upload(result, shape(batch, rows, columns), a);
    }

    private record Qr(DMatrixRMaj q, DMatrixRMaj r) {

        static Qr of(DMatrixRMaj matrix) {
            QRDecomposition<DMatrixRMaj> qr = DecompositionFactory_DDRM.qr(matrix.numRows, matrix.numCols);
            // EJML answers false where a column has nothing left to reflect, as in zero or rank-deficient factors. That
            // step is the identity then, and Q and R are as good as any: A = Q·R with orthonormal Q all the same.
            qr.decompose(matrix);
            return new Qr(qr.getQ(null, true), qr.getR(null, true));
        }
    }

    private static void check(boolean converged, String what) {
        if (!converged) {
            throw new ArithmeticException("The " + what + " didn't converge");
        }
    }

    private static DMatrixRMaj transposed(DMatrixRMaj matrix) {
        return CommonOps_DDRM.transpose(matrix, null);
    }

    private static DMatrixRMaj product(DMatrixRMaj a, DMatrixRMaj b) {
        return CommonOps_DDRM.mult(a, b, null);
    }

    private static void copy(DMatrixRMaj matrix, int columns, double[] target, int at) {
        for (int row = 0; row < matrix.numRows; row++) {
            System.arraycopy(matrix.data, row * matrix.numCols, target, at + row * columns, columns);
        }
    }

    private static Shape shape(long[] batch, long... rest) {
        long[] sizes = Arrays.copyOf(batch, batch.length + rest.length);
        System.arraycopy(rest, 0, sizes, batch.length, rest.length);
        return Shape.of(sizes);
    }
}
