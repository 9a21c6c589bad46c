package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ElementwiseTest extends OpTest {

    private static final double INF = Double.POSITIVE_INFINITY;
    private static final double NAN = Double.NaN;

    private double[] unary(UnaryKind kind, DType dtype, double... x) {
        return run(new Op.Unary(kind), Numbers.vector(dtype, x)).toDoubleArray();
    }

    private double[] binary(BinaryKind kind, DType dtype, double[] a, double[] b) {
        return run(new Op.Binary(kind), Numbers.vector(dtype, a), Numbers.vector(dtype, b))
                .toDoubleArray();
    }

    private static double[] of(double... values) {
        return values;
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void exactFunctionsGiveTheirExactValues(DType type) {
        assertThat(unary(UnaryKind.NEG, type, 1.5, 0.0, -INF, NAN)).containsExactly(-1.5, -0.0, INF, NAN);
        assertThat(unary(UnaryKind.ABS, type, -1.5, -0.0, -INF, NAN)).containsExactly(1.5, 0.0, INF, NAN);
        assertThat(unary(UnaryKind.SIGN, type, -7.5, 0, 1e-30, -INF, NAN)).containsExactly(-1, 0, 1, -1, NAN);
        assertThat(unary(UnaryKind.SQRT, type, 0, 6.25, INF, -1)).containsExactly(0, 2.5, INF, NAN);
        assertThat(unary(UnaryKind.RSQRT, type, 4, 0, INF, -1)).containsExactly(0.5, INF, 0, NAN);
        assertThat(unary(UnaryKind.RECIPROCAL, type, 4, 0.0, -0.0, INF, NAN)).containsExactly(0.25, INF, -INF, 0, NAN);
        assertThat(unary(UnaryKind.FLOOR, type, 1.5, -1.5, 2, INF)).containsExactly(1, -2, 2, INF);
        assertThat(unary(UnaryKind.CEIL, type, 1.5, -1.5, 2, -INF)).containsExactly(2, -1, 2, -INF);
        assertThat(unary(UnaryKind.ROUND, type, 0.5, 1.5, 2.5, -0.5, -1.5, 1.2)).containsExactly(0, 2, 2, -0.0, -2, 1);
        assertThat(unary(UnaryKind.RELU, type, -1, 0, 2, INF, -INF, NAN)).containsExactly(0, 0, 2, INF, 0, NAN);
    }

    @Test
    void limitsOfTranscendentalFunctionsAreExact() {
        DType type = DType.FLOAT64;
        assertThat(unary(UnaryKind.EXP, type, 0, INF, -INF, NAN)).containsExactly(1, INF, 0, NAN);
        assertThat(unary(UnaryKind.LOG, type, 1, 0, INF, -1, NAN)).containsExactly(0, -INF, INF, NAN, NAN);
        assertThat(unary(UnaryKind.TANH, type, 0, INF, -INF, NAN)).containsExactly(0, 1, -1, NAN);
        assertThat(unary(UnaryKind.ERF, type, 0, INF, -INF, NAN)).containsExactly(0, 1, -1, NAN);
        assertThat(unary(UnaryKind.SIGMOID, type, 0, INF, -INF, 1000, -1000, NAN))
                .containsExactly(0.5, 1, 0, 1, 0, NAN);
        assertThat(unary(UnaryKind.SIN, type, 0, INF, NAN)).containsExactly(0, NAN, NAN);
        assertThat(unary(UnaryKind.COS, type, 0, INF, NAN)).containsExactly(1, NAN, NAN);
    }

    static Stream<Arguments> tabulatedValues() {
        // Correct to the last digit; to fewer digits in Abramowitz and Stegun, Handbook of Mathematical Functions,
        // chapters 4 and 7.
        return Stream.of(
                Arguments.of(UnaryKind.EXP, 1.0, 2.718281828459045),
                Arguments.of(UnaryKind.EXP, -2.5, 0.0820849986238988),
                Arguments.of(UnaryKind.LOG, 2.0, 0.6931471805599453),
                Arguments.of(UnaryKind.LOG, 10.0, 2.302585092994046),
                Arguments.of(UnaryKind.SIN, 1.0, 0.8414709848078965),
                Arguments.of(UnaryKind.COS, 1.0, 0.5403023058681398),
                Arguments.of(UnaryKind.TANH, 0.5, 0.46211715726000974),
                Arguments.of(UnaryKind.TANH, -2.0, -0.9640275800758169),
                Arguments.of(UnaryKind.SIGMOID, 1.0, 0.7310585786300049),
                Arguments.of(UnaryKind.ERF, 0.1, 0.1124629160182849),
                Arguments.of(UnaryKind.ERF, 0.5, 0.5204998778130465),
                Arguments.of(UnaryKind.ERF, 1.0, 0.8427007929497149),
                Arguments.of(UnaryKind.ERF, 2.0, 0.9953222650189527),
                Arguments.of(UnaryKind.ERF, -3.0, -0.9999779095030014));
    }

    @ParameterizedTest
    @MethodSource("tabulatedValues")
    void transcendentalFunctionsGiveTabulatedValues(UnaryKind kind, double x, double expected) {
        double found = unary(kind, DType.FLOAT64, x)[0];
        assertThat(Math.abs(found - expected)).isLessThanOrEqualTo(2 * Math.ulp(expected));
        float narrow = (float) unary(kind, DType.FLOAT32, (float) x)[0];
        assertThat(Math.abs(narrow - expected)).isLessThanOrEqualTo(2 * Math.ulp((float) expected));
    }

    @Test
    void erfAgreesWithItsPowerSeries() {
        double[] x = new double[200];
        for (int i = 0; i < x.length; i++) {
            x[i] = (i - 100) / 50.0;
        }
        double[] found = unary(UnaryKind.ERF, DType.FLOAT64, x);
        for (int i = 0; i < x.length; i++) {
            // erf(x) = 2/sqrt(pi) · sum of (-1)^n x^(2n+1) / (n! (2n+1))
            double term = x[i];
            double sum = x[i];
            for (int n = 1; n < 60; n++) {
                term *= -x[i] * x[i] / n;
                sum += term / (2 * n + 1);
            }
            assertThat(found[i]).as("erf(%s)", x[i]).isCloseTo(2 / Math.sqrt(Math.PI) * sum, within(2e-15));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"INT32", "INT64"})
    void integersHaveFunctionsToo(DType type) {
        assertThat(unary(UnaryKind.NEG, type, 3, 0, -2)).containsExactly(-3, 0, 2);
        assertThat(unary(UnaryKind.ABS, type, 3, 0, -2)).containsExactly(3, 0, 2);
        assertThat(unary(UnaryKind.SIGN, type, 3, 0, -2)).containsExactly(1, 0, -1);
        assertThat(unary(UnaryKind.RELU, type, 3, 0, -2)).containsExactly(3, 0, 0);
    }

    @Test
    void truthValuesAreNegatedAndNansAreFound() {
        HostTensor not = run(new Op.Unary(UnaryKind.NOT), HostTensor.of(Shape.of(2), true, false));
        assertThat(not.dtype()).isEqualTo(DType.BOOL);
        assertThat(not.toLongArray()).containsExactly(0, 1);
        HostTensor nan = run(new Op.Unary(UnaryKind.IS_NAN), Numbers.vector(DType.FLOAT32, 1, NAN, INF));
        assertThat(nan.dtype()).isEqualTo(DType.BOOL);
        assertThat(nan.toLongArray()).containsExactly(0, 1, 0);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void arithmeticKnowsNanInfinityAndNegativeZero(DType type) {
        double[] a = {1, INF, INF, 0.0, -0.0, NAN, 5};
        double[] b = {0, -INF, 0, 0.0, -0.0, 1, -0.0};
        assertThat(binary(BinaryKind.ADD, type, a, b)).containsExactly(1, NAN, INF, 0.0, -0.0, NAN, 5);
        assertThat(binary(BinaryKind.SUB, type, a, b)).containsExactly(1, INF, INF, 0.0, 0.0, NAN, 5);
        assertThat(binary(BinaryKind.MUL, type, a, b)).containsExactly(0, -INF, NAN, 0.0, 0.0, NAN, -0.0);
        assertThat(binary(BinaryKind.DIV, type, a, b)).containsExactly(INF, NAN, INF, NAN, NAN, NAN, -INF);
        assertThat(binary(BinaryKind.MAX, type, a, b)).containsExactly(1, INF, INF, 0.0, -0.0, NAN, 5);
        assertThat(binary(BinaryKind.MIN, type, a, b)).containsExactly(0, -INF, 0, 0.0, -0.0, NAN, -0.0);
        assertThat(binary(BinaryKind.MAX, type, of(1), of(NAN))).containsExactly(NAN);
        assertThat(binary(BinaryKind.MIN, type, of(1), of(NAN))).containsExactly(NAN);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void powersAreThoseOfIeee754(DType type) {
        double[] base = {2, 9, -2, -8, 0, 1, 1, -1, NAN, 0};
        double[] exponent = {10, 0.5, 3, 0.5, 0, NAN, INF, -INF, 0, -1};
        assertThat(binary(BinaryKind.POW, type, base, exponent)).containsExactly(1024, 3, -8, NAN, 1, 1, 1, 1, 1, INF);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64"})
    void comparisonsGiveTruthValues(DType type) {
        double[] a = {1, 2, 3};
        double[] b = {2, 2, 2};
        assertThat(binary(BinaryKind.EQ, type, a, b)).containsExactly(0, 1, 0);
        assertThat(binary(BinaryKind.NE, type, a, b)).containsExactly(1, 0, 1);
        assertThat(binary(BinaryKind.LT, type, a, b)).containsExactly(1, 0, 0);
        assertThat(binary(BinaryKind.LE, type, a, b)).containsExactly(1, 1, 0);
        assertThat(binary(BinaryKind.GT, type, a, b)).containsExactly(0, 0, 1);
        assertThat(binary(BinaryKind.GE, type, a, b)).containsExactly(0, 1, 1);
        HostTensor x = Numbers.vector(type, a);
        assertThat(run(new Op.Binary(BinaryKind.EQ), x, x).dtype()).isEqualTo(DType.BOOL);
    }

    @Test
    void aNanEqualsNothingAndBothZerosAreEqual() {
        double[] a = {NAN, NAN, 0.0};
        double[] b = {NAN, 1, -0.0};
        assertThat(binary(BinaryKind.EQ, DType.FLOAT64, a, b)).containsExactly(0, 0, 1);
        assertThat(binary(BinaryKind.NE, DType.FLOAT64, a, b)).containsExactly(1, 1, 0);
        assertThat(binary(BinaryKind.LE, DType.FLOAT64, a, b)).containsExactly(0, 0, 1);
        assertThat(binary(BinaryKind.GE, DType.FLOAT64, a, b)).containsExactly(0, 0, 1);
    }

    @Test
    void truthValuesAreCombinedAndCompared() {
        double[] a = {0, 0, 1, 1};
        double[] b = {0, 1, 0, 1};
        assertThat(binary(BinaryKind.AND, DType.BOOL, a, b)).containsExactly(0, 0, 0, 1);
        assertThat(binary(BinaryKind.OR, DType.BOOL, a, b)).containsExactly(0, 1, 1, 1);
        assertThat(binary(BinaryKind.EQ, DType.BOOL, a, b)).containsExactly(1, 0, 0, 1);
        assertThat(binary(BinaryKind.NE, DType.BOOL, a, b)).containsExactly(0, 1, 1, 0);
    }

    @Test
    void integersWrapAroundAndKeepEveryDigit() {
        HostTensor large = HostTensor.of(Shape.of(2), Long.MAX_VALUE, (1L << 53) + 1);
        HostTensor one = HostTensor.of(Shape.of(2), 1L, 2L);
        assertThat(run(new Op.Binary(BinaryKind.ADD), large, one).toLongArray())
                .containsExactly(Long.MIN_VALUE, (1L << 53) + 3);
        assertThat(run(new Op.Binary(BinaryKind.MAX), large, one).toLongArray())
                .containsExactly(Long.MAX_VALUE, (1L << 53) + 1);
        assertThat(binary(BinaryKind.MUL, DType.INT32, of(1 << 30, -3), of(4, 5)))
                .containsExactly(0, -15);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ADD", "SUB", "MUL", "DIV"})
    void float32ArithmeticIsFloatArithmetic(BinaryKind kind) {
        HostTensor a = Numbers.random(DType.FLOAT32, 1, 5000);
        HostTensor b = Numbers.random(DType.FLOAT32, 2, 5000);
        HostTensor expected = Numbers.build(DType.FLOAT32, a.shape(), index -> {
            float x = (float) Numbers.at(a, index);
            float y = (float) Numbers.at(b, index);
            return switch (kind) {
                case ADD -> x + y;
                case SUB -> x - y;
                case MUL -> x * y;
                default -> x / y;
            };
        });
        Numbers.assertSame(run(new Op.Binary(kind), a, b), expected);
    }

    static Stream<Arguments> broadcasts() {
        return Stream.of(
                        new long[][] {{}, {}},
                        new long[][] {{}, {3}},
                        new long[][] {{2, 3}, {3}},
                        new long[][] {{2, 3}, {2, 1}},
                        new long[][] {{2, 1}, {1, 3}},
                        new long[][] {{4, 1, 3}, {5, 1}},
                        new long[][] {{1, 1, 7, 5}, {3, 2, 7, 1}},
                        new long[][] {{3, 2, 7, 5}, {1, 2, 1, 5}},
                        new long[][] {{1, 1, 1}, {2, 2}},
                        new long[][] {{2, 0, 3}, {1, 1}},
                        new long[][] {{1}, {0}},
                        new long[][] {{70000}, {1}},
                        new long[][] {{3, 40000}, {3, 1}},
                        new long[][] {{5, 1, 1025}, {1, 33, 1025}})
                .flatMap(pair -> Stream.of(DType.FLOAT32, DType.FLOAT64, DType.INT64, DType.INT32)
                        .map(type -> Arguments.of(type, Shape.of(pair[0]), Shape.of(pair[1]))));
    }

    @ParameterizedTest
    @MethodSource("broadcasts")
    void inputsBroadcast(DType type, Shape left, Shape right) {
        HostTensor a = Numbers.random(type, 3, left.toArray());
        HostTensor b = Numbers.random(type, 4, right.toArray());
        expectBroadcast(BinaryKind.SUB, (x, y) -> x - y, a, b);
        expectBroadcast(BinaryKind.SUB, (x, y) -> x - y, b, a);
        expectBroadcast(BinaryKind.MAX, Math::max, a, b);
    }

    private void expectBroadcast(BinaryKind kind, DoubleBinaryOperator function, HostTensor a, HostTensor b) {
        Shape shape = broadcast(a.shape(), b.shape());
        HostTensor expected = Numbers.build(
                a.dtype(),
                shape,
                index -> function.applyAsDouble(Numbers.broadcastAt(a, index), Numbers.broadcastAt(b, index)));
        Numbers.assertSame(run(new Op.Binary(kind), a, b), expected);
    }

    private static Shape broadcast(Shape a, Shape b) {
        long[] sizes = new long[Math.max(a.rank(), b.rank())];
        for (int i = 1; i <= sizes.length; i++) {
            long x = i <= a.rank() ? a.size(-i) : 1;
            long y = i <= b.rank() ? b.size(-i) : 1;
            sizes[sizes.length - i] = x == 1 ? y : x;
        }
        return Shape.of(sizes);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void aConditionChoosesAmongBroadcastInputs(DType type) {
        HostTensor condition = Numbers.random(DType.BOOL, 5, 3, 1, 40);
        HostTensor a = Numbers.random(type, 6, 2, 1);
        HostTensor b = Numbers.random(type, 7, 3, 2, 40);
        HostTensor expected = Numbers.build(
                type,
                Shape.of(3, 2, 40),
                index -> Numbers.broadcastAt(condition, index) != 0
                        ? Numbers.broadcastAt(a, index)
                        : Numbers.broadcastAt(b, index));
        Numbers.assertSame(run(new Op.Where(), condition, a, b), expected);
    }

    @Test
    void aScalarConditionChoosesTheWhole() {
        HostTensor a = Numbers.vector(DType.FLOAT32, 1, -0.0);
        HostTensor b = Numbers.vector(DType.FLOAT32, 3, 4);
        HostTensor yes = HostTensor.of(Shape.SCALAR, true);
        Numbers.assertSame(run(new Op.Where(), yes, a, b), a);
    }

    @Test
    void everyTypeIsCastToEveryOther() {
        HostTensor numbers = Numbers.vector(DType.FLOAT64, -2.75, -1, 0, 0.5, 1, 2.5, 100);
        for (DType from : DType.values()) {
            HostTensor x = run(new Op.Cast(from), numbers);
            for (DType to : DType.values()) {
                HostTensor expected = Numbers.build(to, x.shape(), index -> Numbers.at(x, index));
                Numbers.assertSame(run(new Op.Cast(to), x), expected);
            }
        }
        assertThat(run(new Op.Cast(DType.INT64), numbers).toLongArray()).containsExactly(-2, -1, 0, 0, 1, 2, 100);
        assertThat(run(new Op.Cast(DType.BOOL), numbers).toLongArray()).containsExactly(1, 1, 0, 1, 1, 1, 1);
    }

    @Test
    void castingToAHalfRoundsOnce() {
        // 1 + 2^-11 lies half-way between two binary16 numbers: a little more must go up, also if a float can't
        // tell that it is more.
        double justMore = 1 + 0x1p-11 + 0x1p-40;
        HostTensor x = Numbers.vector(DType.FLOAT64, 1 + 0x1p-11, justMore, 1 + 0x3p-11, -justMore, 1e300, NAN);
        assertThat(run(new Op.Cast(DType.FLOAT16), x).toDoubleArray())
                .containsExactly(1, 1 + 0x1p-10, 1 + 0x1p-9, -1 - 0x1p-10, INF, NAN);
        double more = 1 + 0x1p-8 + 0x1p-40;
        HostTensor y = Numbers.vector(DType.FLOAT64, 1 + 0x1p-8, more, -more, -1e300, NAN);
        assertThat(run(new Op.Cast(DType.BFLOAT16), y).toDoubleArray())
                .containsExactly(1, 1 + 0x1p-7, -1 - 0x1p-7, -INF, NAN);
    }

    @Test
    void castingALongToFloatRoundsOnce() {
        // Half-way between two floats plus 1: the nearest double is the half-way number itself.
        long justMore = (1L << 62) + (1L << 38) + 1;
        HostTensor x = HostTensor.of(Shape.of(1), justMore);
        assertThat(run(new Op.Cast(DType.FLOAT32), x).toDoubleArray()).containsExactly(0x1p62 + 0x1p39);
    }

    @ParameterizedTest
    @EnumSource
    void dataComesOutAsItWentIn(DType type) {
        for (long[] sizes : List.of(new long[] {}, new long[] {0}, new long[] {3, 0, 2}, new long[] {2, 3, 4})) {
            HostTensor x = Numbers.random(type, 8, sizes);
            Numbers.assertSame(backend().download(upload(backend(), x).get(0)), x);
        }
    }
}
