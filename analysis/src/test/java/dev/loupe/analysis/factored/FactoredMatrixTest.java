package dev.loupe.analysis.factored;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.ellipsis;
import static dev.loupe.array.Index.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class FactoredMatrixTest {

    private static Backend backend;
    private static TensorFactory tensors;

    @BeforeAll
    static void open() {
        backend = Backends.open("reference", BackendOptions.DEFAULT);
        tensors = new TensorFactory(backend);
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    /** float64, so that what the products lose is far below what the decompositions are held to. */
    private static Tensor random(long seed, long... shape) {
        return tensors.randn(seed, shape).to(DType.FLOAT64);
    }

    private static FactoredMatrix factored(int rows, int inner, int columns, long seed, long... batch) {
        return new FactoredMatrix(
                random(seed, join(batch, rows, inner)), random(seed + 1, join(batch, inner, columns)));
    }

    private static long[] join(long[] batch, long... rest) {
        long[] both = new long[batch.length + rest.length];
        System.arraycopy(batch, 0, both, 0, batch.length);
        System.arraycopy(rest, 0, both, batch.length, rest.length);
        return both;
    }

    /** Tall, wide and square products; inner sizes below, equal to and above the outer ones; batches. */
    static Stream<Arguments> shapes() {
        return Stream.of(
                Arguments.of(7, 3, 5, new long[] {}),
                Arguments.of(3, 7, 5, new long[] {}),
                Arguments.of(5, 5, 5, new long[] {2}),
                Arguments.of(9, 4, 2, new long[] {2, 3}),
                Arguments.of(1, 1, 1, new long[] {3}),
                Arguments.of(4, 1, 6, new long[] {}));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void theDecompositionMultipliedOutIsTheProduct(int rows, int inner, int columns, long[] batch) {
        FactoredMatrix matrix = factored(rows, inner, columns, 11, batch);
        Svd svd = matrix.svd();
        Tensor rebuilt = svd.U().mul(svd.S().unsqueeze(-2)).matmul(svd.V().transpose(-2, -1));
        assertThat(rebuilt.maxAbsDifference(matrix.AB())).isLessThan(1e-12);
        long rank = Math.min(inner, Math.min(rows, columns));
        assertThat(svd.S().size(-1)).isEqualTo(rank);
        assertThat(svd.V().shape().toArray()).isEqualTo(join(batch, columns, rank));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void singularVectorsAreOrthonormalAndSingularValuesDescend(int rows, int inner, int columns, long[] batch) {
        FactoredMatrix matrix = factored(rows, inner, columns, 12, batch);
        long rank = Math.min(inner, Math.min(rows, columns));
        for (Tensor vectors : new Tensor[] {matrix.U(), matrix.V()}) {
            Tensor gram = vectors.transpose(-2, -1).matmul(vectors);
            assertThat(gram.sub(identity(rank)).abs().max().item()).isLessThan(1e-12);
        }
        assertThat(matrix.S().min().item()).isNotNegative();
        if (rank > 1) {
            Tensor steps = matrix.S().slice(-1, 0, -1).sub(matrix.S().slice(-1, 1, Long.MAX_VALUE));
            assertThat(steps.min().item()).isNotNegative();
        }
    }

    private static Tensor identity(long size) {
        double[] numbers = new double[(int) (size * size)];
        for (int i = 0; i < size; i++) {
            numbers[(int) (i * size + i)] = 1;
        }
        return tensors.of(numbers, size, size);
    }

    @Test
    void theNormIsThatOfTheProductWrittenOut() {
        FactoredMatrix matrix = factored(6, 4, 5, 21, 3);
        assertThat(matrix.norm().maxAbsDifference(matrix.AB().norm(-2, -1))).isLessThan(1e-12);
    }

    @Test
    void eigenvaluesOfATriangularProductAreItsDiagonal() {
        // A·I has the eigenvalues of A, which stand on a triangular matrix' diagonal.
        Tensor triangular = tensors.of(new double[] {1, 5, 7, 0, -3, 2, 0, 0, 2}, 3, 3);
        ComplexTensor eigenvalues = new FactoredMatrix(triangular, identity(3)).eigenvalues();
        assertThat(eigenvalues.real().toDoubleArray())
                .usingComparatorWithPrecision(1e-12)
                .containsExactly(-3, 2, 1);
        assertThat(eigenvalues.imaginary().abs().max().item()).isLessThan(1e-12);
    }

    @Test
    void aRotationHasConjugateEigenvalues() {
        double angle = 0.7;
        double cos = Math.cos(angle);
        double sin = Math.sin(angle);
        Tensor rotation = tensors.of(new double[] {cos, -sin, sin, cos}, 2, 2);
        ComplexTensor eigenvalues = new FactoredMatrix(rotation, identity(2)).eigenvalues();
        assertThat(eigenvalues.abs().toDoubleArray())
                .usingComparatorWithPrecision(1e-12)
                .containsExactly(1, 1);
        assertThat(eigenvalues.angle().toDoubleArray())
                .usingComparatorWithPrecision(1e-12)
                .containsExactly(angle, -angle);
    }

    @Test
    void theSumOfEigenvaluesIsTheTraceOfTheProduct() {
        FactoredMatrix matrix = factored(6, 3, 6, 31);
        double trace = matrix.AB().mul(identity(6)).sum().item();
        assertThat(matrix.eigenvalues().real().sum().item()).isCloseTo(trace, within(1e-12));
    }

    private static org.assertj.core.data.Offset<Double> within(double tolerance) {
        return org.assertj.core.data.Offset.offset(tolerance);
    }

    @Test
    void makingItEvenKeepsTheProductAndEvensTheFactors() {
        FactoredMatrix matrix = factored(6, 3, 5, 41, 2);
        FactoredMatrix even = matrix.makeEven();
        assertThat(even.AB().maxAbsDifference(matrix.AB())).isLessThan(1e-12);
        assertThat(even.A().norm(-2, -1).maxAbsDifference(even.B().norm(-2, -1)))
                .isLessThan(1e-12);
    }

    @Test
    void collapsingASideKeepsTheNormAndTheOtherSide() {
        FactoredMatrix matrix = factored(6, 3, 5, 51);
        Tensor left = matrix.collapseL();
        Tensor right = matrix.collapseR();
        assertThat(left.shape().toArray()).containsExactly(3, 5);
        assertThat(right.shape().toArray()).containsExactly(6, 3);
        // (AB)ᵀ·AB, which doesn't see what was turned away on the left, and AB·(AB)ᵀ.
        Tensor product = matrix.AB();
        assertThat(left.transpose(0, 1)
                        .matmul(left)
                        .maxAbsDifference(product.transpose(0, 1).matmul(product)))
                .isLessThan(1e-11);
        assertThat(right.matmul(right.transpose(0, 1)).maxAbsDifference(product.matmul(product.transpose(0, 1))))
                .isLessThan(1e-11);
    }

    @Test
    void transposingExchangesTheFactors() {
        FactoredMatrix matrix = factored(6, 3, 5, 61, 2);
        assertThat(matrix.T().AB().maxAbsDifference(matrix.AB().transpose(-2, -1)))
                .isLessThan(1e-12);
        assertThat(matrix.T().shape().toArray()).containsExactly(2, 5, 6);
    }

    @Test
    void productsOnBothSidesAreThoseOfTheProductWrittenOut() {
        FactoredMatrix matrix = factored(6, 3, 5, 71, 2);
        Tensor right = random(72, 5, 4);
        Tensor left = random(73, 4, 6);
        FactoredMatrix other = factored(5, 2, 7, 74, 2);
        Tensor product = matrix.AB();
        assertThat(matrix.matmul(right).AB().maxAbsDifference(product.matmul(right)))
                .isLessThan(1e-12);
        assertThat(matrix.leftMatmul(left).AB().maxAbsDifference(left.matmul(product)))
                .isLessThan(1e-12);
        assertThat(matrix.matmul(other).AB().maxAbsDifference(product.matmul(other.AB())))
                .isLessThan(1e-11);
        assertThat(matrix.matmul(other).mdim()).isEqualTo(2);
        Tensor row = random(75, 6);
        Tensor column = random(76, 5);
        assertThat(matrix.vecmat(row)
                        .maxAbsDifference(row.unsqueeze(0).matmul(product).squeeze(-2)))
                .isLessThan(1e-12);
        assertThat(matrix.matvec(column)
                        .maxAbsDifference(product.matmul(column.unsqueeze(-1)).squeeze(-1)))
                .isLessThan(1e-12);
    }

    @Test
    void theSmallerInnerSizeIsKept() {
        FactoredMatrix wideInside = factored(4, 9, 4, 81);
        Tensor right = random(82, 4, 6);
        FactoredMatrix product = wideInside.matmul(right);
        assertThat(product.mdim()).isEqualTo(4);
        assertThat(product.AB().maxAbsDifference(wideInside.AB().matmul(right))).isLessThan(1e-12);
    }

    @Test
    void numbersScaleEveryMatrixOfTheBatchByItsOwn() {
        FactoredMatrix matrix = factored(4, 2, 3, 91, 2);
        Tensor scaled = matrix.mul(tensors.of(new double[] {2, -1}, 2)).AB();
        assertThat(scaled.select(0, 0).maxAbsDifference(matrix.AB().select(0, 0).mul(2)))
                .isLessThan(1e-12);
        assertThat(scaled.select(0, 1).maxAbsDifference(matrix.AB().select(0, 1).neg()))
                .isLessThan(1e-12);
        assertThat(matrix.mul(0.5).AB().maxAbsDifference(matrix.AB().mul(0.5))).isLessThan(1e-12);
    }

    @Test
    void indexingIsThatOfTheProductWithRowsAndColumnsKept() {
        FactoredMatrix matrix = factored(6, 3, 5, 101, 2, 4);
        Tensor product = matrix.AB();
        assertThat(matrix.get(1).AB().maxAbsDifference(product.get(1))).isLessThan(1e-12);
        assertThat(matrix.get(1, 2).AB().maxAbsDifference(product.get(1, 2))).isLessThan(1e-12);
        assertThat(matrix.get(1, range(1, 3), range(0, 2))
                        .AB()
                        .maxAbsDifference(product.get(1, range(1, 3), range(0, 2))))
                .isLessThan(1e-12);
        FactoredMatrix one = matrix.get(1, 2, 5, -1);
        assertThat(one.shape().toArray()).containsExactly(1, 1);
        assertThat(one.AB().item()).isCloseTo(product.item(1, 2, 5, 4), within(1e-12));
        assertThat(matrix.get(ellipsis(), range(0, 2)).AB().maxAbsDifference(product.get(ellipsis(), range(0, 2))))
                .isLessThan(1e-12);
        assertThat(matrix.get(all(), 0).shape().toArray()).containsExactly(2, 6, 5);
    }

    @Test
    void aFactorWithoutABatchServesEveryMatrixOfTheOther() {
        Tensor a = random(111, 2, 4, 3);
        Tensor b = random(112, 3, 5);
        FactoredMatrix matrix = new FactoredMatrix(a, b);
        assertThat(matrix.shape().toArray()).containsExactly(2, 4, 5);
        Svd svd = matrix.svd();
        assertThat(svd.U()
                        .mul(svd.S().unsqueeze(-2))
                        .matmul(svd.V().transpose(-2, -1))
                        .maxAbsDifference(a.matmul(b)))
                .isLessThan(1e-12);
        assertThat(matrix.get(1).AB().maxAbsDifference(a.get(1).matmul(b))).isLessThan(1e-12);
    }

    @Test
    void theCornerIsTheFirstPlacesOfEveryAxis() {
        FactoredMatrix matrix = factored(6, 3, 5, 121, 4);
        assertThat(matrix.getCorner(2).maxAbsDifference(matrix.AB().get(range(0, 2), range(0, 2), range(0, 2))))
                .isLessThan(1e-12);
    }

    @Test
    void unsqueezingInsertsALeadingAxis() {
        FactoredMatrix matrix = factored(6, 3, 5, 131, 4);
        assertThat(matrix.unsqueeze(1).shape().toArray()).containsExactly(4, 1, 6, 5);
        assertThat(matrix.pair().A().maxAbsDifference(matrix.A())).isZero();
    }

    @Test
    void factorsThatDontFitAreRefusedWithTheirShapes() {
        assertThatThrownBy(() -> new FactoredMatrix(random(1, 4, 3), random(2, 2, 5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[4, 3]")
                .hasMessageContaining("[2, 5]");
        FactoredMatrix matrix = factored(4, 2, 5, 3);
        assertThatThrownBy(matrix::eigenvalues).hasMessageContaining("square").hasMessageContaining("[4, 5]");
        assertThatThrownBy(() -> matrix.matmul(random(4, 4, 4))).hasMessageContaining("[4, 4]");
        assertThatThrownBy(() -> matrix.get(0, 0, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aMatrixWithNanIsNotDecomposed() {
        Tensor bad = tensors.of(new double[] {1, Double.NaN, 3, 4}, 2, 2);
        assertThatThrownBy(() -> new FactoredMatrix(bad, identity(2)).svd())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NaN");
    }

    @Test
    void compositionScoresAreNormsOfProductsWrittenOut() {
        FactoredMatrix left = factored(6, 2, 6, 141, 2, 3);
        FactoredMatrix right = factored(6, 2, 6, 151, 4);
        Tensor scores = CompositionScores.of(left, right);
        assertThat(scores.shape().toArray()).containsExactly(2, 3, 4);
        for (int i = 0; i < 2; i++) {
            for (int j = 0; j < 3; j++) {
                for (int k = 0; k < 4; k++) {
                    Tensor l = left.AB().get(i, j);
                    Tensor r = right.AB().get(k);
                    double expected = l.matmul(r).norm().item()
                            / l.norm().item()
                            / r.norm().item();
                    assertThat(scores.item(i, j, k)).isCloseTo(expected, within(1e-12));
                }
            }
        }
    }

    /** Zero and rank-deficient factors; singular values and norms as NumPy has them of the product written out. */
    static Stream<Arguments> deficient() {
        return Stream.of(
                Arguments.of("zero", new double[3][2], new double[2][3], new double[] {0, 0}),
                Arguments.of(
                        "zero column",
                        new double[][] {{1, 0}, {2, 0}, {3, 0}},
                        new double[][] {{1, 0, 2}, {0, 1, 1}},
                        new double[] {8.366600265341, 0}),
                Arguments.of(
                        "equal axis-aligned columns",
                        new double[][] {{1, 1}, {0, 0}, {0, 0}},
                        new double[][] {{1, 0, 0}, {0, 1, 0}},
                        new double[] {1.414213562373, 0}),
                Arguments.of(
                        "zero right factor", new double[][] {{1, 0}, {0, 1}, {1, 1}}, new double[2][3], new double[] {
                            0, 0
                        }),
                Arguments.of("one by one", new double[1][1], new double[][] {{5}}, new double[] {0}),
                Arguments.of(
                        "nilpotent", new double[][] {{0, 1}, {0, 0}}, new double[][] {{1, 0}, {0, 1}}, new double[] {
                            1, 0
                        }));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("deficient")
    void zeroAndRankDeficientFactorsHaveADecompositionAloneAndInABatch(
            String name, double[][] left, double[][] right, double[] singular) {
        Tensor a = matrix(left);
        Tensor b = matrix(right);
        double norm = Math.sqrt(Arrays.stream(singular).map(s -> s * s).sum());
        holds(new FactoredMatrix(a, b), singular, norm);

        Tensor otherA = random(31, a.size(0), a.size(1));
        Tensor otherB = random(32, b.size(0), b.size(1));
        FactoredMatrix both =
                new FactoredMatrix(Tensor.stack(0, List.of(otherA, a)), Tensor.stack(0, List.of(otherB, b)));
        holds(both.get(1), singular, norm);
        assertThat(both.S().select(0, 1).toDoubleArray()).containsExactly(singular, within(1e-9));
        assertThat(both.S().select(0, 0).maxAbsDifference(new FactoredMatrix(otherA, otherB).S()))
                .isLessThan(1e-12);
        assertThat(both.norm().toDoubleArray()[1]).isCloseTo(norm, within(1e-9));
        assertThat(both.makeEven().AB().maxAbsDifference(both.AB())).isLessThan(1e-9);
    }

    private static void holds(FactoredMatrix matrix, double[] singular, double norm) {
        Svd svd = matrix.svd();
        assertThat(svd.S().toDoubleArray()).containsExactly(singular, within(1e-9));
        assertThat(matrix.norm().item()).isCloseTo(norm, within(1e-9));
        Tensor rebuilt = svd.U().mul(svd.S().unsqueeze(-2)).matmul(svd.V().transpose(-2, -1));
        assertThat(rebuilt.maxAbsDifference(matrix.AB())).isLessThan(1e-9);
        for (Tensor vectors : new Tensor[] {svd.U(), svd.V()}) {
            Tensor gram = vectors.transpose(-2, -1).matmul(vectors);
            for (int i = 0; i < singular.length; i++) {
                for (int j = 0; j < singular.length; j++) {
                    assertThat(gram.select(0, i).select(0, j).item()).isCloseTo(i == j ? 1 : 0, within(1e-9));
                }
            }
        }
    }

    private static Tensor matrix(double[][] rows) {
        double[] flat = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        return MatrixBatch.upload(flat, Shape.of(rows.length, rows[0].length), random(1, 1, 1));
    }

    @Test
    void aHeadOfZerosComposesWithNothing() {
        FactoredMatrix zero = new FactoredMatrix(matrix(new double[3][2]), matrix(new double[2][3]));
        FactoredMatrix other = factored(3, 2, 3, 41);
        FactoredMatrix left = new FactoredMatrix(
                Tensor.stack(0, List.of(zero.A(), other.A())), Tensor.stack(0, List.of(zero.B(), other.B())));
        double alone = CompositionScores.of(other, other).item();
        assertThat(alone).isPositive();
        assertThat(CompositionScores.of(left, left).toDoubleArray())
                .containsExactly(new double[] {0, 0, 0, alone}, within(1e-9));
    }
}
