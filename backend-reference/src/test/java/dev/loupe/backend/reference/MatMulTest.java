package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MatMulTest extends OpTest {

    /** The product, element by element in double. */
    private static HostTensor naive(HostTensor a, HostTensor b, Shape shape) {
        int rank = shape.rank();
        long k = a.shape().size(-1);
        return Numbers.build(a.dtype(), shape, index -> {
            double sum = 0;
            for (long i = 0; i < k; i++) {
                long[] left = index.clone();
                left[rank - 1] = i;
                long[] right = index.clone();
                right[rank - 2] = i;
                sum += matrixAt(a, left) * matrixAt(b, right);
            }
            return sum;
        });
    }

    /** An element of a stack of matrices of which the leading axes broadcast. */
    private static double matrixAt(HostTensor stack, long[] index) {
        int rank = stack.shape().rank();
        long[] own = Arrays.copyOfRange(index, index.length - rank, index.length);
        for (int axis = 0; axis < rank - 2; axis++) {
            own[axis] = stack.shape().size(axis) == 1 ? 0 : own[axis];
        }
        return Numbers.at(stack, own);
    }

    private void expectProduct(HostTensor a, HostTensor b, Shape shape) {
        // Numbers up to 4: a float's rounding of 16 in each of k additions.
        double tolerance =
                a.dtype() == DType.FLOAT32 ? 2e-6 * 16 * Math.max(1, a.shape().size(-1)) : 1e-10;
        Numbers.assertNear(run(new Op.MatMul(), a, b), naive(a, b, shape), tolerance);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void matricesOfAwkwardSizesAreMultiplied(DType type) {
        int[] sizes = {1, 3, 4, 65, 130};
        for (int n : sizes) {
            for (int k : new int[] {1, 2, 3, 4, 5, 7, 66}) {
                for (int m : sizes) {
                    expectProduct(Numbers.random(type, n, n, k), Numbers.random(type, m, k, m), Shape.of(n, m));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 9, 1100", "129, 5, 513", "1, 1000, 2049"})
    void productsLargerThanATileAreWhole(int n, int k, int m) {
        for (DType type : List.of(DType.FLOAT32, DType.FLOAT64)) {
            expectProduct(Numbers.random(type, 1, n, k), Numbers.random(type, 2, k, m), Shape.of(n, m));
        }
    }

    @Test
    void wholeNumbersGiveExactProducts() {
        HostTensor a = HostTensor.of(Shape.of(2, 3), 1f, 2, 3, 4, 5, 6);
        HostTensor b = HostTensor.of(Shape.of(3, 2), 7f, 8, 9, 10, 11, 12);
        assertThat(run(new Op.MatMul(), a, b).toFloatArray()).containsExactly(58, 64, 139, 154);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void stacksBroadcast(DType type) {
        expectStack(type, new long[] {6, 3, 5}, new long[] {6, 5, 4}, 6);
        expectStack(type, new long[] {2, 3, 3, 5}, new long[] {3, 5, 4}, 2, 3);
        expectStack(type, new long[] {3, 5}, new long[] {2, 3, 5, 4}, 2, 3);
        expectStack(type, new long[] {2, 3, 3, 5}, new long[] {5, 4}, 2, 3);
        expectStack(type, new long[] {2, 1, 3, 5}, new long[] {1, 4, 5, 2}, 2, 4);
        expectStack(type, new long[] {2, 3, 2, 7, 5}, new long[] {2, 3, 1, 5, 4}, 2, 3, 2);
        expectStack(type, new long[] {1, 1, 3, 5}, new long[] {1, 5, 4}, 1, 1);
        expectStack(type, new long[] {40, 33, 20}, new long[] {40, 20, 33}, 40);
    }

    private void expectStack(DType type, long[] left, long[] right, long... lead) {
        long[] shape = Arrays.copyOf(lead, lead.length + 2);
        shape[lead.length] = left[left.length - 2];
        shape[lead.length + 1] = right[right.length - 1];
        expectProduct(Numbers.random(type, 3, left), Numbers.random(type, 4, right), Shape.of(shape));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void zeroLengthAxesGiveEmptyProductsOrZeros(DType type) {
        expectStack(type, new long[] {0, 5}, new long[] {5, 4});
        expectStack(type, new long[] {3, 5}, new long[] {5, 0});
        expectStack(type, new long[] {3, 0}, new long[] {0, 4});
        expectStack(type, new long[] {0, 3, 5}, new long[] {0, 5, 4}, 0);
        expectStack(type, new long[] {0, 3, 5}, new long[] {5, 4}, 0);
        expectStack(type, new long[] {0, 3, 5}, new long[] {1, 5, 0}, 0);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void nansAndInfinitiesGoWhereTheyBelong(DType type) {
        HostTensor a = Numbers.shaped(Numbers.vector(type, 1, 0, Double.NaN, 1, 0, 0), 3, 2);
        HostTensor b = Numbers.shaped(Numbers.vector(type, 1, Double.POSITIVE_INFINITY, 2, 3), 2, 2);
        assertThat(run(new Op.MatMul(), a, b).toDoubleArray())
                .containsExactly(1, Double.POSITIVE_INFINITY, Double.NaN, Double.NaN, 0, Double.NaN);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void aRowOfABatchIsTheSameAsThatRowAlone(DType type) {
        HostTensor x = Numbers.random(type, 5, 100, 77);
        HostTensor weight = Numbers.random(type, 6, 77, 600);
        HostTensor all = run(new Op.MatMul(), x, weight);
        for (int row : new int[] {0, 1, 63, 64, 99}) {
            HostTensor alone = run(new Op.MatMul(), run(new Op.Slice(0, row, row + 1, 1), x), weight);
            Numbers.assertSame(run(new Op.Slice(0, row, row + 1, 1), all), alone);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void aLinearLayerAddsItsBias(DType type) {
        HostTensor weight = Numbers.random(type, 7, 5, 3);
        HostTensor bias = Numbers.random(type, 8, 3);
        for (long[] sizes : List.of(new long[] {5}, new long[] {4, 5}, new long[] {2, 3, 5}, new long[] {0, 5})) {
            HostTensor x = Numbers.random(type, 9, sizes);
            long[] shape = sizes.clone();
            shape[shape.length - 1] = 3;
            HostTensor expected = Numbers.build(type, Shape.of(shape), index -> {
                double sum = Numbers.broadcastAt(bias, index);
                for (long i = 0; i < 5; i++) {
                    long[] left = index.clone();
                    left[left.length - 1] = i;
                    sum += Numbers.at(x, left) * Numbers.at(weight, i, index[index.length - 1]);
                }
                return sum;
            });
            Numbers.assertNear(run(new Op.Linear(), x, weight, bias), expected, type == DType.FLOAT32 ? 1e-4 : 1e-12);
        }
    }

    @Test
    void aLinearLayerOfNothingIsItsBias() {
        HostTensor x = Numbers.random(DType.FLOAT32, 10, 2, 0);
        HostTensor bias = Numbers.vector(DType.FLOAT32, 1, 2);
        assertThat(run(new Op.Linear(), x, Numbers.random(DType.FLOAT32, 11, 0, 2), bias)
                        .toFloatArray())
                .containsExactly(1, 2, 1, 2);
    }
}
