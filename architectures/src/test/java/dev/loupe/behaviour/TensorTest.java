package dev.loupe.behaviour;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static dev.loupe.array.Index.ellipsis;
import static dev.loupe.array.Index.from;
import static dev.loupe.array.Index.pick;
import static dev.loupe.array.Index.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Backends;
import dev.loupe.backend.TensorHandle;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

final class TensorTest {

    private static final Backend BACKEND = Backends.open("reference", BackendOptions.DEFAULT);
    private static final TensorFactory F = new TensorFactory(BACKEND);

    /** 0, 1, … 23 as [2, 3, 4]. */
    private static final Tensor X = F.arange(24).to(DType.FLOAT64).reshape(2, 3, 4);

    @AfterAll
    static void close() {
        BACKEND.close();
    }

    @Test
    void indexingTakesPartsAsPythonDoes() {
        assertThat(X.get(1, 2, 3).item()).isEqualTo(23);
        assertThat(X.get(at(0, all(), 1)).toDoubleArray()).containsExactly(1, 5, 9);
        assertThat(X.get(at(ellipsis(), -1)).toDoubleArray()).containsExactly(3, 7, 11, 15, 19, 23);
        assertThat(X.get(at(-1, range(0, 3, 2), from(2))).toDoubleArray()).containsExactly(14, 15, 22, 23);
        assertThat(X.get(at(0, pick(2, 0), 0)).toDoubleArray()).containsExactly(8, 0);
        assertThat(X.get(at(all(), range(5, 9))).shape()).isEqualTo(Shape.of(2, 0, 4));
        assertThatThrownBy(() -> X.get(2))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("size is 2");
        assertThatThrownBy(() -> X.get(0, 0, 0, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> X.get("1")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void withReplacesAPartAndLeavesTheOriginal() {
        Tensor one = X.with(at(all(), 1), F.of(new double[] {-1, -2, -3, -4}));
        assertThat(one.get(1, 1).toDoubleArray()).containsExactly(-1, -2, -3, -4);
        assertThat(one.get(1, 0).toDoubleArray()).containsExactly(12, 13, 14, 15);
        assertThat(X.get(1, 1, 0).item()).isEqualTo(16);
        Tensor scattered = X.with(at(0, pick(2, 0), range(0, 4, 3)), 100);
        assertThat(scattered.select(0, 0).toDoubleArray()).containsExactly(100, 1, 2, 100, 4, 5, 6, 7, 100, 9, 10, 100);
        assertThat(scattered.select(0, 1).toDoubleArray())
                .isEqualTo(X.select(0, 1).toDoubleArray());
        assertThat(X.with(at(ellipsis(), 2), 0).sum().item()).isEqualTo(276 - (2 + 6 + 10 + 14 + 18 + 22));
        assertThat(X.with(at(), X.mul(2)).maxAbsDifference(X.mul(2))).isZero();
        assertThatThrownBy(() -> X.with(at(0), F.of(new double[] {1, 2})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[3, 4]");
        assertThatThrownBy(() -> X.with(at(0), F.scalar(1f)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("float64");
    }

    @Test
    void arithmeticBroadcastsAndRefusesWhatDoesNot() {
        Tensor row = F.of(new double[] {1, 10, 100, 1000});
        assertThat(X.mul(row).get(0, 1).toDoubleArray()).containsExactly(4, 50, 600, 7000);
        assertThat(X.sub(X.mean(-1).unsqueeze(-1)).sum().item()).isCloseTo(0, within(1e-12));
        assertThatThrownBy(() -> X.add(F.of(new double[] {1, 2, 3})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[2, 3, 4]")
                .hasMessageContaining("[3]");
        assertThatThrownBy(() -> X.add(F.scalar(1f)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cast");
    }

    @Test
    void reductionsTakeAnyAxes() {
        assertThat(X.sum().item()).isEqualTo(276);
        assertThat(X.sum(0, -1).toDoubleArray()).containsExactly(60, 92, 124);
        assertThat(X.max(1).toDoubleArray()).containsExactly(8, 9, 10, 11, 20, 21, 22, 23);
        assertThat(X.var(2).toDoubleArray()).containsOnly(1.25);
        assertThat(X.argmax(-1).toLongArray()).containsOnly(3);
        assertThat(F.scalar(5f).sum().item()).isEqualTo(5);
        assertThat(X.norm().item()).isCloseTo(Math.sqrt(4324), within(1e-12));
        double[] logSum = F.of(new double[] {1000, 1000}).logSumExp(0).toDoubleArray();
        assertThat(logSum[0]).isCloseTo(1000 + Math.log(2), within(1e-9));
    }

    @Test
    void aRowOfMinusInfinityHasNoSoftmaxButZeros() {
        double inf = Double.NEGATIVE_INFINITY;
        Tensor rows = F.of(new double[] {inf, inf, 0, inf, Double.NaN, 0}, 3, 2).softmax(-1);
        double[] values = rows.toDoubleArray();
        assertThat(values[0] + values[1]).isZero();
        assertThat(values[2]).isEqualTo(1);
        assertThat(values[4]).isNaN();
    }

    @Test
    void einsumAgreesWithLoops() {
        Tensor a = F.randn(1, 2, 3, 4).to(DType.FLOAT64);
        Tensor b = F.randn(2, 3, 4, 5).to(DType.FLOAT64);
        Tensor product = Tensor.einsum("bhd,hde->ebh", a, b);
        assertThat(product.shape()).isEqualTo(Shape.of(5, 2, 3));
        double expected = 0;
        for (int d = 0; d < 4; d++) {
            expected += a.item(1, 2, d) * b.item(2, d, 3);
        }
        assertThat(product.item(3, 1, 2)).isCloseTo(expected, within(1e-12));
        assertThat(Tensor.einsum("abc->cb", a).maxAbsDifference(a.sum(0).transpose(0, 1)))
                .isLessThan(1e-12);
        assertThat(Tensor.einsum("abc,abc->", a, a).item())
                .isCloseTo(a.square().sum().item(), within(1e-9));
        assertThatThrownBy(() -> Tensor.einsum("ab,bc->ac", a, b)).hasMessageContaining("doesn't name each axis");
        assertThatThrownBy(() -> Tensor.einsum("abc,abc->a", a, b)).hasMessageContaining("'a' is 2 and 3");
    }

    @Test
    void shapesChangeWithoutTheNumbers() {
        assertThat(X.reshape(-1, 6).shape()).isEqualTo(Shape.of(4, 6));
        assertThat(X.permute(2, 0, 1).get(3, 1, 2).item()).isEqualTo(23);
        assertThat(Tensor.stack(1, List.of(X, X)).shape()).isEqualTo(Shape.of(2, 2, 3, 4));
        assertThat(Tensor.concat(-1, X, X).get(0, 0, 7).item()).isEqualTo(3);
        assertThat(X.unsqueeze(-1).squeeze(3).shape()).isEqualTo(X.shape());
        assertThatThrownBy(() -> X.reshape(5, -1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> X.sum(3))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("rank 3");
    }

    @Test
    void aClosedTensorIsNamedWhenItIsUsed() {
        Tensor tensor = F.zeros(DType.FLOAT32, 2, 2);
        tensor.close();
        tensor.close();
        assertThat(tensor.isClosed()).isTrue();
        assertThatThrownBy(tensor::toFloatArray)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("float32 [2, 2]");
        assertThat(tensor.toString()).contains("closed");
    }

    @Test
    void aScopeClosesWhatWasMadeInItButWhatIsKept() {
        Tensor dropped;
        Tensor kept;
        Tensor inner;
        try (TensorScope outer = TensorScope.open()) {
            try (TensorScope scope = TensorScope.open()) {
                dropped = X.mul(2);
                kept = outer.keep(scope.keep(dropped.sum()));
                inner = scope.keep(X.add(1));
            }
            assertThat(dropped.isClosed()).isTrue();
            assertThat(inner.isClosed()).isFalse();
        }
        assertThat(inner.isClosed()).isTrue();
        assertThat(kept.item()).isEqualTo(552);
        assertThat(X.isClosed()).isFalse();
    }

    @Test
    void printingShortensLongAxes() {
        assertThat(X.select(0, 0).toString()).contains("float64 [3, 4]").contains("[4.0000, 5.0000, 6.0000, 7.0000]");
        assertThat(F.arange(1000).toString()).contains("[0, 1, 2, …, 997, 998, 999]");
    }

    @Test
    void halfFloatsRoundToNearestEven() {
        Tensor wide = F.of(new float[] {1f, 1.00048828125f, 1.0009765625f, 65504f, 65520f, 6e-8f, -0f, 3.14159f});
        float[] half = wide.to(DType.FLOAT16).to(DType.FLOAT32).toFloatArray();
        assertThat(half)
                .containsExactly(1f, 1f, 1.0009765625f, 65504f, Float.POSITIVE_INFINITY, 0x1p-24f, -0f, 3.140625f);
        float[] brain = wide.to(DType.BFLOAT16).to(DType.FLOAT32).toFloatArray();
        assertThat(brain[7]).isEqualTo(3.140625f);
        assertThat(brain[3]).isEqualTo(65536f);
    }

    @Test
    void readingOneNumberFetchesOneNumber() {
        List<Long> fetched = new ArrayList<>();
        Backend watched = OnTopOf.backend(BACKEND, (method, arguments) -> {
            if (method.equals("download")) {
                fetched.add(((TensorHandle) arguments[0]).shape().elements());
            }
        });
        for (DType type : List.of(DType.FLOAT32, DType.INT64, DType.BOOL, DType.BFLOAT16)) {
            Tensor large = new TensorFactory(watched)
                    .of(X.flatten().to(type).toHost())
                    .to(DType.FLOAT32)
                    .unsqueeze(1)
                    .unsqueeze(1)
                    .expand(24, 50, 60)
                    .to(type);
            fetched.clear();
            double expected = type == DType.BOOL ? 1 : 17;
            assertThat(large.item(17, -1, 59)).as(type.label()).isEqualTo(expected);
            assertThat(large.any()).isTrue();
            assertThat(large.all()).isFalse();
            assertThat(fetched).as("elements fetched of " + type).containsExactly(1L, 1L, 1L);
            fetched.clear();
            assertThat(large.toString())
                    .contains(type.label() + " [24, 50, 60]")
                    .contains("…");
            assertThat(fetched).as("elements fetched to show " + type).containsExactly(6L * 6 * 6);
        }
        assertThatThrownBy(() -> X.item(0, 3, 0))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("axis 1");
        assertThatThrownBy(() -> X.item(0, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void anyAndAllTakeWhatIsNotZeroForTrue() {
        Tensor empty = F.zeros(DType.FLOAT32, 3, 0);
        assertThat(empty.any()).isFalse();
        assertThat(empty.all()).isTrue();
        assertThat(F.of(new float[] {0, Float.NaN}).any()).isTrue();
        assertThat(F.of(new float[] {-0f, 0}).any()).isFalse();
        assertThat(F.of(new float[] {1, -2, Float.NaN}).all()).isTrue();
        assertThat(F.of(new boolean[] {true, false}).all()).isFalse();
    }

    @Test
    void numbersTakeTheTypeOfWhatTheyMeet() {
        Tensor x = F.of(new float[] {1, -2});
        assertThat(x.sub(1e300).toDoubleArray()).containsOnly(Double.NEGATIVE_INFINITY);
        assertThat(x.clamp(-1e300, 0).toFloatArray()).containsExactly(0, -2);
        assertThat(x.maskedFill(x.gt(0), -1e300).toDoubleArray()).containsExactly(Double.NEGATIVE_INFINITY, -2);
        assertThat(F.full(DType.INT64, 1e300).toLongArray()).containsExactly(Long.MAX_VALUE);
        assertThat(F.full(DType.INT32, Double.NEGATIVE_INFINITY).toLongArray()).containsExactly(Integer.MIN_VALUE);
        assertThat(F.full(DType.INT64, Double.NaN).toLongArray()).containsExactly(0);
        assertThat(F.of(new float[] {Float.NaN, 1e30f, -1e30f, -1.9f})
                        .to(DType.INT64)
                        .toLongArray())
                .containsExactly(0, Long.MAX_VALUE, Long.MIN_VALUE, -1);
    }

    @Test
    void sizesThatCannotBeCountedAreRefusedInWords() {
        Tensor x = F.arange(6);
        for (long[] sizes : List.of(
                new long[] {1L << 62, 4},
                new long[] {-1, 1L << 32, 1L << 32},
                new long[] {-1, 274177, 67280421310721L}, // 2^64 + 1
                new long[] {Long.MAX_VALUE},
                new long[] {-1, -1},
                new long[] {-2, 3})) {
            assertThatThrownBy(() -> x.reshape(sizes))
                    .as(Arrays.toString(sizes))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[6]");
        }
        assertThatThrownBy(() -> x.splitAxis(0, 274177, 67280421310721L, -1))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> F.zeros(DType.FLOAT32, 1L << 62, 1L << 62, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2^60");
        Tensor one = F.ones(DType.FLOAT32, 1, 1);
        assertThatThrownBy(() -> one.expand(1L << 40, 1L << 40))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("expand", "2^60");
        assertThatThrownBy(() -> F.arange(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
        assertThatThrownBy(() -> F.arange(1L << 50)).isInstanceOf(OutOfTensorMemoryException.class);
        assertThatThrownBy(() -> F.randn(1, 1L << 50)).isInstanceOf(OutOfTensorMemoryException.class);
    }

    @Test
    void boundsAndStepsOfAnySizeMeanWhatTheyMeanInPython() {
        Tensor x = F.arange(6);
        assertThat(x.slice(0, Long.MIN_VALUE, Long.MAX_VALUE).toLongArray()).containsExactly(0, 1, 2, 3, 4, 5);
        assertThat(x.get(range(1, 5, Long.MAX_VALUE)).toLongArray()).containsExactly(1);
        assertThat(x.with(at(range(1, 5, Long.MAX_VALUE)), 9).toLongArray()).containsExactly(0, 9, 2, 3, 4, 5);
        assertThatThrownBy(() -> x.select(0, Long.MIN_VALUE)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void tensorsOfTwoBackendsAreToldApartInWords() {
        try (Backend other = Backends.open("reference", BackendOptions.DEFAULT)) {
            Tensor there = new TensorFactory(other).of(new double[] {1, 2, 3, 4});
            assertThatThrownBy(() -> X.add(there))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll(
                            "add", "operand 2", "'reference' on cpu", "opened by itself", "[2, 3, 4]", "to(backend)");
            assertThat(X.add(there.to(BACKEND)).item(0, 0, 0)).isEqualTo(1);
        }
    }

    @Test
    void aDeviceIsNamedByItsName() {
        assertThat(X.to("cpu")).isSameAs(X);
        assertThatThrownBy(() -> X.to("cuda:7"))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("cuda:7");
    }
}
