package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Composite ops against the primitive ones that define them. */
class CompositesTest extends OpTest {

    private static final double INF = Double.POSITIVE_INFINITY;
    private static final double NAN = Double.NaN;

    private record Case(Op op, List<long[]> shapes) {

        Case(Op op, long[]... shapes) {
            this(op, List.of(shapes));
        }

        HostTensor[] inputs(DType type) {
            HostTensor[] inputs = new HostTensor[shapes.size()];
            for (int i = 0; i < inputs.length; i++) {
                boolean mask = op instanceof Op.Attention && i == 3;
                inputs[i] = Numbers.random(mask ? DType.BOOL : type, 10 + i, shapes.get(i));
            }
            return inputs;
        }

        @Override
        public String toString() {
            return op + " of " + shapes.stream().map(Arrays::toString).toList();
        }
    }

    private static long[] shape(long... sizes) {
        return sizes;
    }

    static Stream<Case> cases() {
        Stream<Case> activations = Stream.of(Op.ActivationKind.values())
                .flatMap(kind -> Stream.of(shape(), shape(0, 3), shape(1025), shape(3, 7000))
                        .map(sizes -> new Case(new Op.Activation(kind), sizes)));
        Stream<Case> softmaxes = Stream.of(shape(1), shape(5), shape(2, 3, 4), shape(70, 207), shape(3, 1))
                .flatMap(sizes -> Stream.iterate(0, axis -> axis < sizes.length, axis -> axis + 1)
                        .flatMap(axis -> Stream.of(
                                new Case(new Op.Softmax(axis), sizes), new Case(new Op.LogSoftmax(axis), sizes))));
        Stream<Case> others = Stream.of(
                new Case(new Op.LayerNorm(1e-5), shape(2, 3, 65)),
                new Case(new Op.LayerNorm(1e-5), shape(2, 3, 65), shape(65), shape(65)),
                new Case(new Op.LayerNorm(1e-5), shape(300, 207), shape(207), shape(207)),
                new Case(new Op.LayerNorm(1e-5), shape(0, 4), shape(4), shape(4)),
                new Case(new Op.LayerNorm(1e-5), shape(1), shape(1), shape(1)),
                new Case(new Op.RmsNorm(1e-6), shape(2, 3, 65)),
                new Case(new Op.RmsNorm(1e-6), shape(2, 3, 65), shape(65)),
                new Case(new Op.RmsNorm(0), shape(7), shape(7)),
                new Case(new Op.Linear(), shape(6), shape(6, 5), shape(5)),
                new Case(new Op.Linear(), shape(4, 6), shape(6, 5), shape(5)),
                new Case(new Op.Linear(), shape(2, 33, 66), shape(66, 207), shape(207)),
                new Case(new Op.Rotate(), shape(2, 5, 3, 8), shape(2, 5, 4), shape(2, 5, 4)),
                new Case(new Op.Rotate(), shape(1, 5, 3, 9), shape(1, 5, 2), shape(1, 5, 2)),
                new Case(
                        new Op.Attention(0.25),
                        shape(2, 5, 4, 8),
                        shape(2, 7, 4, 8),
                        shape(2, 7, 4, 6),
                        shape(2, 1, 5, 7)),
                new Case(
                        new Op.Attention(0.5),
                        shape(1, 3, 6, 8),
                        shape(1, 3, 2, 8),
                        shape(1, 3, 2, 8),
                        shape(1, 1, 3, 3)),
                new Case(new Op.SliceScatter(1, 2), shape(3, 6, 4), shape(3, 3, 4)),
                new Case(new Op.SliceScatter(0, 0), shape(3, 2), shape(3, 2)),
                new Case(new Op.SliceScatter(2, 4), shape(3, 2, 4), shape(3, 2, 0)));
        return Stream.of(activations, softmaxes, others).flatMap(all -> all);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void anOpEqualsItsDecompositionInFloat64(Case one) {
        HostTensor[] inputs = one.inputs(DType.FLOAT64);
        Numbers.assertNear(run(one.op, inputs), decomposed(one.op, inputs), 1e-12);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void anOpIsAsNearAsItsDecompositionInFloat32(Case one) {
        HostTensor[] inputs = one.inputs(DType.FLOAT32);
        Numbers.assertNear(run(one.op, inputs), decomposed(one.op, inputs), 1e-4);
    }

    private HostTensor decomposed(Op op, HostTensor... inputs) {
        List<TensorType> types = Stream.of(inputs)
                .map(input -> TensorType.of(input.dtype(), input.shape()))
                .toList();
        Segment segment = Segments.decompose(Segments.ofOneOp(op, types), composite -> false);
        assertThat(segment.steps()).noneMatch(step -> step.op().isComposite());
        try (var graph = backend().prepare(segment, Segments.NO_WEIGHTS)) {
            return backend()
                    .download(graph.run(upload(backend(), inputs), segment.outputs())
                            .get(0));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void extremesAreTheSameAsInTheDecomposition(DType type) {
        HostTensor x = Numbers.shaped(
                Numbers.vector(type, -INF, -INF, -INF, 0, -INF, 1, NAN, 1, 2, INF, 1, 2, 1000, -1000, 0, -0.0, 0, -0.0),
                6,
                3);
        Stream.of(
                        Stream.of(new Op.Softmax(1), new Op.LogSoftmax(1), new Op.Softmax(0)),
                        Stream.of(new Op.LayerNorm(1e-5), new Op.RmsNorm(1e-5)),
                        Stream.of(Op.ActivationKind.values()).map(Op.Activation::new))
                .flatMap(ops -> ops)
                .forEach(op -> Numbers.assertNear(run(op, x), decomposed(op, x), 1e-4));
    }

    @Test
    void softmaxOfAFullyMaskedRowIsZero() {
        HostTensor x = Numbers.shaped(Numbers.vector(DType.FLOAT32, -INF, -INF, 0, -INF), 2, 2);
        assertThat(run(new Op.Softmax(1), x).toDoubleArray()).containsExactly(0, 0, 1, 0);
    }

    @Test
    void softmaxDoesNotOverflow() {
        HostTensor x = Numbers.vector(DType.FLOAT32, 1000, 1000);
        assertThat(run(new Op.Softmax(0), x).toDoubleArray()).containsExactly(0.5, 0.5);
        assertThat(run(new Op.LogSoftmax(0), x).toDoubleArray())
                .containsExactly((float) -Math.log(2), (float) -Math.log(2));
    }

    @Test
    void activationsGiveKnownValues() {
        // x·Φ(x) with Φ(1) = 0.8413447460685429 (Abramowitz and Stegun, table 26.1).
        assertThat(activation(Op.ActivationKind.GELU, 1)).isCloseTo(0.8413447460685429, within(1e-15));
        assertThat(activation(Op.ActivationKind.GELU, -1)).isCloseTo(0.8413447460685429 - 1, within(1e-15));
        double inner = Math.sqrt(2 / Math.PI) * (1 + 0.044715);
        assertThat(activation(Op.ActivationKind.GELU_TANH, 1)).isCloseTo(0.5 * (1 + Math.tanh(inner)), within(1e-15));
        assertThat(activation(Op.ActivationKind.SILU, 1)).isCloseTo(0.7310585786300049, within(1e-15));
        assertThat(activation(Op.ActivationKind.QUICK_GELU, 1)).isCloseTo(1 / (1 + Math.exp(-1.702)), within(1e-15));
    }

    private double activation(Op.ActivationKind kind, double x) {
        return run(new Op.Activation(kind), Numbers.vector(DType.FLOAT64, x)).getDouble(0);
    }

    @Test
    void aNormalisedRowHasMeanZeroAndVarianceOne() {
        HostTensor x = Numbers.random(DType.FLOAT64, 20, 1, 1000);
        double[] row = run(new Op.LayerNorm(0), x).toDoubleArray();
        assertThat(Arrays.stream(row).average().orElseThrow()).isCloseTo(0, within(1e-15));
        assertThat(Arrays.stream(row).map(v -> v * v).average().orElseThrow()).isCloseTo(1, within(1e-12));
    }

    @Test
    void softmaxOfNothingIsNothing() {
        HostTensor empty = Numbers.random(DType.FLOAT32, 21, 2, 0, 3);
        for (int axis = 0; axis < 3; axis++) {
            assertThat(run(new Op.Softmax(axis), empty).shape()).isEqualTo(Shape.of(2, 0, 3));
            assertThat(run(new Op.LogSoftmax(axis), empty).shape()).isEqualTo(Shape.of(2, 0, 3));
        }
    }
}
