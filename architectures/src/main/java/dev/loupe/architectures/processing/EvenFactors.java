package dev.loupe.architectures.processing;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.SingularOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.QRDecomposition;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/**
 * Two factors of the same product, of which the columns of the left and the rows of the right are orthogonal
 * and, pair by pair, equally long: {@code A·B = (U·√S)·(√S·Vᵀ)}, singular values in descending order.
 *
 * @param left {@code [n, r]}
 * @param right {@code [r, m]}
 */
record EvenFactors(DMatrixRMaj left, DMatrixRMaj right) {

    /**
     * Balances a product of a tall and a wide matrix, {@code [n, r]·[r, m]}, without multiplying it out: only
     * a matrix of r by r is decomposed. Where n or m is smaller than r, the columns and rows beyond are zero.
     */
    static EvenFactors of(DMatrixRMaj a, DMatrixRMaj b) {
        int rank = a.getNumCols();
        QRDecomposition<DMatrixRMaj> left = qr(a.copy());
        QRDecomposition<DMatrixRMaj> right = qr(CommonOps_DDRM.transpose(b, null));
        DMatrixRMaj core = new DMatrixRMaj(1, 1);
        CommonOps_DDRM.multTransB(left.getR(null, true), right.getR(null, true), core);
        SingularValueDecomposition_F64<DMatrixRMaj> svd =
                DecompositionFactory_DDRM.svd(core.getNumRows(), core.getNumCols(), true, true, true);
        if (!svd.decompose(core)) {
            throw new ArithmeticException("The singular values of a head's weights could not be found;"
                    + " load with refactorFactoredAttnMatrices off");
        }
        DMatrixRMaj u = svd.getU(null, false);
        DMatrixRMaj s = svd.getW(null);
        DMatrixRMaj v = svd.getV(null, false);
        SingularOps_DDRM.descendingOrder(u, false, s, v, false);
        return new EvenFactors(
                balanced(left.getQ(null, true), u, s, rank),
                CommonOps_DDRM.transpose(balanced(right.getQ(null, true), v, s, rank), null));
    }

    // That it returns false only says that a column became zero, as it does when weights were centred; the
    // factors hold all the same.
    @SuppressWarnings("CheckReturnValue")
    private static QRDecomposition<DMatrixRMaj> qr(DMatrixRMaj matrix) {
        QRDecomposition<DMatrixRMaj> qr = DecompositionFactory_DDRM.qr(matrix.getNumRows(), matrix.getNumCols());
        qr.decompose(matrix);
        return qr;
    }

    // q·u·√s, padded with zero columns up to the rank.
    private static DMatrixRMaj balanced(DMatrixRMaj q, DMatrixRMaj u, DMatrixRMaj s, int rank) {
        DMatrixRMaj product = new DMatrixRMaj(1, 1);
        CommonOps_DDRM.mult(q, u, product);
        DMatrixRMaj padded = new DMatrixRMaj(product.getNumRows(), rank);
        for (int row = 0; row < product.getNumRows(); row++) {
            for (int column = 0; column < product.getNumCols(); column++) {
                padded.unsafe_set(
                        row, column, product.unsafe_get(row, column) * Math.sqrt(s.unsafe_get(column, column)));
            }
        }
        return padded;
    }
}
