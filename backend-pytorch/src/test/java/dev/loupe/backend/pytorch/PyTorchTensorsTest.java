package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.spi.Backend;
import dev.loupe.spi.BackendOptions;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.Shape;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
