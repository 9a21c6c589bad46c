package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import dev.loupe.tensor.TensorScope;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class PyTorchTensorsTest {

    private Backend backend;
    private TensorFactory tensors;
    private NDManager manager;

    @BeforeEach
    void open() {
        backend = Torches.open();
        tensors = new TensorFactory(backend);
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
        backend.close();
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BFLOAT16")
    void everyTypeGoesOverAndComesBack(DType type) {
        try (Tensor tensor = tensors.full(type, 1, 2, 3);
                NDArray array = PyTorchTensors.toNDArray(tensor);
                Tensor back = PyTorchTensors.fromNDArray(array, backend)) {
            assertThat(array.getShape()).isEqualTo(new ai.djl.ndarray.types.Shape(2, 3));
            assertThat(back.dtype()).isEqualTo(type);
            assertThat(back.shape()).isEqualTo(Shape.of(2, 3));
            assertThat(back.maxAbsDifference(tensor)).isZero();
        }
    }

    static Stream<Shape> matrices() {
        return Stream.of(
                Shape.of(5, 3), Shape.of(3, 5), Shape.of(4, 4), Shape.of(1, 1), Shape.of(2, 3, 6, 4), Shape.of(0, 3));
    }

    @ParameterizedTest
    @MethodSource("matrices")
    void singularValueDecompositionsMultiplyBackToTheMatrix(Shape shape) {
        for (DType type : List.of(DType.FLOAT32, DType.FLOAT64)) {
            double tolerance = type == DType.FLOAT32 ? 1e-5 : 1e-12;
            long smaller = Math.min(shape.size(-2), shape.size(-1));
            try (TensorScope scope = TensorScope.open()) {
                Tensor x = tensors.randn(7, shape.toArray()).to(type);
                PyTorchTensors.Svd svd = PyTorchTensors.svd(x);

                assertThat(svd.s().shape().size(-1)).isEqualTo(smaller);
                assertThat(svd.u().mul(svd.s().unsqueeze(-2)).matmul(svd.vh()).allClose(x, tolerance))
                        .isTrue();
                Tensor identity = identity(svd.u().transpose(-1, -2).matmul(svd.u()));
                assertThat(svd.u().transpose(-1, -2).matmul(svd.u()).allClose(identity, tolerance))
                        .isTrue();
                assertThat(svd.vh().matmul(svd.vh().transpose(-1, -2)).allClose(identity, tolerance))
                        .isTrue();
                double[] values = svd.s().toDoubleArray();
                for (int i = 0; i < values.length; i++) {
                    assertThat(values[i]).isNotNegative();
                    if (i % smaller > 0) {
                        assertThat(values[i]).isLessThanOrEqualTo(values[i - 1]);
                    }
                }
            }
        }
    }

    /** Ones on the diagonals of matrices like these. */
    private Tensor identity(Tensor like) {
        int size = (int) like.size(-1);
        double[] ones = new double[size * size];
        for (int i = 0; i < size; i++) {
            ones[i * size + i] = 1;
        }
        return like.mul(0).add(tensors.of(ones, size, size).to(like.dtype()));
    }

    @Test
    void whatHasNoSingularValuesIsRefused() {
        try (Tensor vector = tensors.randn(1, 4);
                Tensor whole = tensors.full(DType.INT64, 1, 2, 2);
                Tensor nan = tensors.full(DType.FLOAT32, Double.NaN, 3, 3);
                Backend reference = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
                Tensor elsewhere = new TensorFactory(reference).randn(1, 2, 2)) {
            assertThatThrownBy(() -> PyTorchTensors.svd(vector))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("matrix", "[4]");
            assertThatThrownBy(() -> PyTorchTensors.svd(whole))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("float32 or float64", "int64");
            assertThatThrownBy(() -> PyTorchTensors.svd(elsewhere))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("reference");
            assertThatThrownBy(() -> PyTorchTensors.svd(nan))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("svd of float32 [3, 3]");
        }
    }

    @Test
    void anArrayBelongsToTheManagerThatIsNamed() {
        try (Tensor tensor = tensors.randn(1, 4)) {
            NDArray array = PyTorchTensors.toNDArray(tensor, manager);
            assertThat(manager.getManagedArrays()).contains(array);
            manager.close();
            assertThat(array.isReleased()).isTrue();
            assertThat(tensor.toFloatArray()).hasSize(4);
        }
    }

    @Test
    void anArrayWithoutAManagerOutlivesTheBackend() {
        NDArray array;
        try (Backend other = Torches.open();
                Tensor tensor = new TensorFactory(other).full(DType.FLOAT32, 2, 3)) {
            array = PyTorchTensors.toNDArray(tensor);
        }
        assertThat(array.toFloatArray()).containsExactly(2, 2, 2);
        array.close();
    }

    @Test
    void writingToTheArrayDoesNotWriteToTheTensor() {
        try (Tensor tensor = tensors.full(DType.FLOAT32, 2, 3);
                NDArray array = PyTorchTensors.toNDArray(tensor, manager)) {
            array.addi(1);
            assertThat(array.toFloatArray()).containsExactly(3, 3, 3);
            assertThat(tensor.toFloatArray()).containsExactly(2, 2, 2);
            try (Tensor back = PyTorchTensors.fromNDArray(array, backend)) {
                array.addi(1);
                assertThat(back.toFloatArray()).containsExactly(3, 3, 3);
            }
        }
    }

    @Test
    void aTensorMadeFromAnArrayOutlivesTheArrayAndItsManager() {
        NDArray array = manager.create(new float[] {1, 2, 3, 4}, new ai.djl.ndarray.types.Shape(2, 2));
        try (Tensor tensor = PyTorchTensors.fromNDArray(array.transpose(), backend)) {
            manager.close();
            System.gc();
            assertThat(tensor.toFloatArray()).containsExactly(1, 3, 2, 4);
        }
    }

    @Test
    void gradientsDoNotComeAlong() {
        NDArray array = manager.ones(new ai.djl.ndarray.types.Shape(3));
        array.setRequiresGradient(true);
        try (Tensor tensor = PyTorchTensors.fromNDArray(array, backend);
                Tensor doubled = tensor.add(tensor);
                NDArray back = PyTorchTensors.toNDArray(doubled)) {
            assertThat(back.hasGradient()).isFalse();
        }
    }

    @Test
    void whatIsNoneOfTheBackendsIsRefusedInWords() {
        try (Backend reference = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
                Tensor foreign = new TensorFactory(reference).randn(1, 2);
                NDArray array = manager.zeros(new ai.djl.ndarray.types.Shape(2), DataType.FLOAT32)) {
            assertThatThrownBy(() -> PyTorchTensors.toNDArray(foreign))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("'pytorch'", "reference", "to(backend)");
            assertThatThrownBy(() -> PyTorchTensors.fromNDArray(array, reference))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("'reference'");
        }
        Tensor closed = tensors.randn(1, 2);
        closed.close();
        assertThatThrownBy(() -> PyTorchTensors.toNDArray(closed)).isInstanceOf(IllegalStateException.class);
    }
}
