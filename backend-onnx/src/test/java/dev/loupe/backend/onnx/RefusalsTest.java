package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.lowering.Operand;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the backend says of what it can't do. */
class RefusalsTest {

    private static final Dim POSITIONS = Dim.symbol("pos");
    private static final Dim PAST = Dim.symbol("past");

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    private static TensorHandle zeros(DType dtype, long... sizes) {
        return backend.upload(HostTensor.allocate(dtype, Shape.of(sizes)), Placement.ANYWHERE);
    }

    /** {@code concat(past [past, 4], new [pos, 4])·w [4, 4]}, as a block of a model might do with its keys. */
    private static Segment block() {
        return new Segment(
                "blocks.2",
                Placement.ANYWHERE,
                true,
                List.of(
                        TensorType.of(DType.FLOAT32, PAST, Dim.of(4)),
                        TensorType.of(DType.FLOAT32, POSITIONS, Dim.of(4)),
                        TensorType.of(DType.FLOAT32, Dim.of(4), Dim.of(4)),
                        TensorType.of(DType.FLOAT32, PAST.plus(POSITIONS), Dim.of(4)),
                        TensorType.of(DType.FLOAT32, PAST.plus(POSITIONS), Dim.of(4)),
                        TensorType.of(DType.FLOAT32, PAST.plus(POSITIONS), Dim.of(4))),
                List.of(0, 1, 2, 5),
                List.of(),
                List.of(
                        new Segment.Step(new Op.Concat(0), List.of(0, 1), List.of(3)),
                        new Segment.Step(new Op.MatMul(), List.of(3, 2), List.of(4))),
                List.of(4));
    }

    private static void assertRefused(List<TensorHandle> inputs, String... words) {
        try (PreparedGraph graph = backend.prepare(block(), Segments.NO_WEIGHTS)) {
            assertThatThrownBy(() -> graph.run(inputs, List.of(4)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("'blocks.2'")
                    .hasMessageContainingAll(words)
                    .hasNoCause();
        } finally {
            inputs.forEach(TensorHandle::close);
        }
    }

    @Test
    void whatFitsRuns() {
        List<TensorHandle> inputs = List.of(
                zeros(DType.FLOAT32, 3, 4),
                zeros(DType.FLOAT32, 2, 4),
                zeros(DType.FLOAT32, 4, 4),
                zeros(DType.FLOAT32, 5, 4));
        try (PreparedGraph graph = backend.prepare(block(), Segments.NO_WEIGHTS);
                TensorHandle result = graph.run(inputs, List.of(4)).get(0)) {
            assertThat(result.shape()).isEqualTo(Shape.of(5, 4));
        } finally {
            inputs.forEach(TensorHandle::close);
        }
    }

    @Test
    void aFixedSizeThatDoesntFitIsToldByTheInput() {
        assertRefused(
                List.of(
                        zeros(DType.FLOAT32, 3, 4),
                        zeros(DType.FLOAT32, 2, 7),
                        zeros(DType.FLOAT32, 4, 4),
                        zeros(DType.FLOAT32, 5, 4)),
                "input 1",
                "[pos, 4]",
                "[2, 7]");
    }

    @Test
    void sizesThatContradictEachOtherAreTold() {
        assertRefused(
                List.of(
                        zeros(DType.FLOAT32, 3, 4),
                        zeros(DType.FLOAT32, 2, 4),
                        zeros(DType.FLOAT32, 4, 4),
                        zeros(DType.FLOAT32, 6, 4)),
                "input 3",
                "[6, 4]",
                "past=3",
                "pos=2");
    }

    @Test
    void anotherRankIsTold() {
        assertRefused(
                List.of(
                        zeros(DType.FLOAT32, 3, 4),
                        zeros(DType.FLOAT32, 2, 4, 1),
                        zeros(DType.FLOAT32, 4, 4),
                        zeros(DType.FLOAT32, 5, 4)),
                "input 1",
                "[2, 4, 1]");
    }

    @Test
    void anotherTypeIsTold() {
        assertRefused(
                List.of(
                        zeros(DType.FLOAT32, 3, 4),
                        zeros(DType.FLOAT32, 2, 4),
                        zeros(DType.FLOAT64, 4, 4),
                        zeros(DType.FLOAT32, 5, 4)),
                "input 2",
                "float32",
                "float64");
    }

    @Test
    void aMissingInputIsTold() {
        assertRefused(List.of(zeros(DType.FLOAT32, 3, 4)), "4 inputs", "got 1");
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BFLOAT16"})
    void computingInATypeThatIsOnlyStoredIsRefused(DType dtype) {
        TensorType type = TensorType.of(dtype, POSITIONS, Dim.of(4));
        Segment segment = new Segment(
                "blocks.1",
                Placement.ANYWHERE,
                true,
                List.of(type, type),
                List.of(0),
                List.of(),
                List.of(new Segment.Step(new Op.Unary(Op.UnaryKind.EXP), List.of(0), List.of(1))),
                List.of(1));
        assertThatThrownBy(() -> backend.prepare(segment, Segments.NO_WEIGHTS))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContainingAll("'onnx'", dtype.toString(), "exp", "'blocks.1'", "cast to float32");
        try (TensorHandle stored = zeros(dtype, 2, 4);
                TensorHandle widened = backend.execute(new Op.Cast(DType.FLOAT32), List.of(stored))
                        .get(0)) {
            assertThat(widened.dtype()).isEqualTo(DType.FLOAT32);
            assertThatThrownBy(() -> backend.execute(new Op.Unary(Op.UnaryKind.EXP), List.of(stored)))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContainingAll("'onnx'", dtype.toString(), "exp");
        }
    }

    @Test
    void anOperationThatTheTableLacksIsNamedWithItsNode() {
        Op op = new Op.RmsNorm(1e-5); // composite: reaches the table decomposed
        assertThat(Lowering.has(op)).isFalse();
        TensorType type = TensorType.of(DType.FLOAT32, POSITIONS, Dim.of(4));
        List<Operand> in = List.of(new Operand("x", type));
        assertThatThrownBy(() -> Lowering.write(
                        op, new ModelBuilder("model"), in, List.of(type), "'blocks.3', " + op.name() + " of slots [7]"))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContainingAll("'onnx'", op.name(), "'blocks.3'", "slots [7]", "another backend");
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuda", "cuda:1"})
    void aGpuIsRefusedByABuildForTheCpuWhichSaysWhatToAdd(String device) {
        assertThatThrownBy(() -> new OnnxBackendProvider().open(BackendOptions.DEFAULT.withDevice(device)))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll(
                        "'onnx'",
                        device,
                        "1.28.0 is for the CPU only",
                        "com.microsoft.onnxruntime:onnxruntime_gpu",
                        "in place of com.microsoft.onnxruntime:onnxruntime");
    }

    @Test
    void aDeviceOfAnotherKindIsRefused() {
        assertThatThrownBy(() -> new OnnxBackendProvider().open(BackendOptions.DEFAULT.withDevice("mps")))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContainingAll("'mps'", "cpu", "cuda:N");
    }
}
