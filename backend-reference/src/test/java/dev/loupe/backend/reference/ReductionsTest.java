package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ReduceKind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ReductionsTest extends OpTest {

    private static final double INF = Double.POSITIVE_INFINITY;
    private static final double NAN = Double.NaN;

    static Stream<Arguments> reductions() {
        List<Arguments> all = new ArrayList<>();
        for (DType type : List.of(DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64)) {
            for (ReduceKind kind : ReduceKind.values()) {
                if (kind != ReduceKind.MEAN || type.isFloating()) {
                    all.add(Arguments.of(type, kind));
                }
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("reductions")
    void anyAxesAreReduced(DType type, ReduceKind kind) {
        HostTensor x = Numbers.random(type, 1, 3, 4, 5, 2);
        for (List<Integer> axes :
                List.of(List.of(0), List.of(1), List.of(3), List.of(0, 2), List.of(2, 3), List.of(0, 1, 2, 3))) {
            HostTensor kept = run(new Op.Reduce(kind, axes, true), x);
            HostTensor expected = reduced(kind, axes, x);
            Numbers.assertNear(kept, expected, type == DType.FLOAT32 ? 1e-5 * magnitude(expected) : 1e-9);
            HostTensor dropped = run(new Op.Reduce(kind, axes, false), x);
            assertThat(dropped.shape().rank()).isEqualTo(4 - axes.size());
            assertThat(dropped.toDoubleArray()).containsExactly(kept.toDoubleArray());
        }
    }

    private static double magnitude(HostTensor tensor) {
        double largest = 1;
        for (double value : tensor.toDoubleArray()) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    private static HostTensor reduced(ReduceKind kind, List<Integer> axes, HostTensor x) {
        long[] sizes = x.shape().toArray();
        axes.forEach(axis -> sizes[axis] = 1);
        return Numbers.build(x.dtype(), Shape.of(sizes), out -> {
            List<Double> values = new ArrayList<>();
            Numbers.build(x.dtype(), x.shape(), in -> {
                boolean belongs = true;
                for (int axis = 0; axis < in.length; axis++) {
                    belongs &= axes.contains(axis) || in[axis] == out[axis];
                }
                if (belongs) {
                    values.add(Numbers.at(x, in));
                }
                return 0;
            });
            double sum = values.stream().mapToDouble(v -> v).sum();
            return switch (kind) {
                case SUM -> sum;
                case MEAN -> sum / values.size();
                case MAX -> values.stream().mapToDouble(v -> v).max().orElseThrow();
                case MIN -> values.stream().mapToDouble(v -> v).min().orElseThrow();
                case PROD -> values.stream().mapToDouble(v -> v).reduce(1, (a, b) -> a * b);
            };
        });
    }

    private double reduce(ReduceKind kind, DType type, double... x) {
        return run(new Op.Reduce(kind, List.of(0), false), Numbers.vector(type, x))
                .getDouble(0);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void nansAndInfinitiesGoThrough(DType type) {
        for (ReduceKind kind : ReduceKind.values()) {
            assertThat(reduce(kind, type, 1, NAN, 3)).as("%s", kind).isNaN();
        }
        assertThat(reduce(ReduceKind.SUM, type, INF, 1)).isEqualTo(INF);
        assertThat(reduce(ReduceKind.SUM, type, INF, -INF)).isNaN();
        assertThat(reduce(ReduceKind.MAX, type, -INF, -INF)).isEqualTo(-INF);
        assertThat(reduce(ReduceKind.MIN, type, INF, INF)).isEqualTo(INF);
        assertThat(reduce(ReduceKind.MAX, type, -1, -INF)).isEqualTo(-1);
    }

    @Test
    void overNothingThereIsASumAMeanAndAProductButNoLargest() {
        HostTensor empty = Numbers.random(DType.FLOAT32, 2, 2, 0);
        assertThat(run(new Op.Reduce(ReduceKind.SUM, List.of(1), false), empty).toDoubleArray())
                .containsExactly(0, 0);
        assertThat(run(new Op.Reduce(ReduceKind.MEAN, List.of(1), false), empty).toDoubleArray())
                .containsExactly(NAN, NAN);
        assertThat(run(new Op.Reduce(ReduceKind.PROD, List.of(1), false), empty).toDoubleArray())
                .containsExactly(1, 1);
        assertThatThrownBy(() -> run(new Op.Reduce(ReduceKind.MAX, List.of(1), false), empty))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(run(new Op.Reduce(ReduceKind.MAX, List.of(0), false), empty).shape())
                .isEqualTo(Shape.of(0));
    }

    @Test
    void integerSumsKeepEveryDigitAndWrapAround() {
        HostTensor longs = HostTensor.of(Shape.of(2), (1L << 53) + 1, 1L << 53);
        assertThat(run(new Op.Reduce(ReduceKind.SUM, List.of(0), false), longs).toLongArray())
                .containsExactly((1L << 54) + 1);
        assertThat(reduce(ReduceKind.SUM, DType.INT32, Integer.MAX_VALUE, 1)).isEqualTo(Integer.MIN_VALUE);
        assertThat(reduce(ReduceKind.MIN, DType.INT32, 5, Integer.MAX_VALUE)).isEqualTo(5);
    }

    @Test
    void aLongFloat32SumIsRoundedOnce() {
        int count = 100_000;
        HostTensor x = Numbers.build(DType.FLOAT32, Shape.of(count), index -> 0.1f);
        assertThat(run(new Op.Reduce(ReduceKind.SUM, List.of(0), false), x).getDouble(0))
                .isEqualTo((float) (count * (double) 0.1f));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64"})
    void theFirstOfTheLargestIsFoundAlongAnyAxis(DType type) {
        HostTensor x = Numbers.random(type, 3, 4, 30, 5);
        for (boolean largest : new boolean[] {true, false}) {
            HostTensor expected = Numbers.build(DType.INT64, Shape.of(4, 1, 5), i -> {
                long best = 0;
                for (long j = 1; j < 30; j++) {
                    double value = Numbers.at(x, i[0], j, i[2]);
                    double before = Numbers.at(x, i[0], best, i[2]);
                    if (largest ? value > before : value < before) {
                        best = j;
                    }
                }
                return best;
            });
            Numbers.assertSame(run(new Op.ArgReduce(largest, 1, true), x), expected);
            Numbers.assertSame(run(new Op.ArgReduce(largest, 1, false), x), Numbers.shaped(expected, 4, 5));
        }
    }

    private long argmax(double... x) {
        return run(new Op.ArgReduce(true, 0, false), Numbers.vector(DType.FLOAT32, x))
                .toLongArray()[0];
    }

    @Test
    void aNanIsTheLargestAndBothZerosAreEqual() {
        assertThat(argmax(1, NAN, INF, NAN)).isEqualTo(1);
        assertThat(argmax(-0.0, 0.0)).isZero();
        assertThat(argmax(-INF, -INF)).isZero();
        assertThat(argmax(7)).isZero();
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64"})
    void theBestAreFoundInOrderWithTheirIndices(DType type) {
        HostTensor x = Numbers.random(type, 4, 3, 40, 2);
        for (int k : new int[] {0, 1, 7, 40}) {
            for (boolean largest : new boolean[] {true, false}) {
                List<HostTensor> found = runAll(backend(), new Op.TopK(k, 1, largest), x);
                assertThat(found.get(0).shape()).isEqualTo(Shape.of(3, k, 2));
                HostTensor indices = Numbers.build(
                        DType.INT64,
                        Shape.of(3, k, 2),
                        i -> Stream.iterate(0, j -> j + 1)
                                .limit(40)
                                .sorted(Comparator.comparingDouble(
                                        j -> (largest ? -1 : 1) * Numbers.at(x, i[0], j, i[2]))) // a stable sort
                                .toList()
                                .get((int) i[1]));
                Numbers.assertSame(found.get(1), indices);
                Numbers.assertSame(
                        found.get(0),
                        Numbers.build(
                                type, indices.shape(), i -> Numbers.at(x, i[0], (long) Numbers.at(indices, i), i[2])));
            }
        }
    }

    @Test
    void equalsComeInTheOrderOfTheirIndices() {
        List<HostTensor> found =
                runAll(backend(), new Op.TopK(4, 0, true), Numbers.vector(DType.FLOAT32, -0.0, 5, 0.0, NAN, 5));
        assertThat(found.get(1).toLongArray()).containsExactly(3, 1, 4, 0);
        assertThat(found.get(0).toDoubleArray()).containsExactly(NAN, 5, 5, -0.0);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64"})
    void sumsRunAlongAnyAxis(DType type) {
        HostTensor x = Numbers.random(type, 5, 3, 20, 4);
        for (int axis = 0; axis < 3; axis++) {
            int along = axis;
            HostTensor expected = Numbers.build(type, x.shape(), i -> {
                double sum = 0;
                long[] at = i.clone();
                for (at[along] = 0; at[along] <= i[along]; at[along]++) {
                    sum += Numbers.at(x, at);
                }
                return sum;
            });
            Numbers.assertSame(run(new Op.CumSum(axis), x), expected);
        }
    }

    @Test
    void nothingHasARunningSumOfNothing() {
        HostTensor empty = Numbers.random(DType.FLOAT32, 6, 3, 0);
        assertThat(run(new Op.CumSum(1), empty).shape()).isEqualTo(Shape.of(3, 0));
        assertThat(run(new Op.CumSum(0), empty).shape()).isEqualTo(Shape.of(3, 0));
    }
}
