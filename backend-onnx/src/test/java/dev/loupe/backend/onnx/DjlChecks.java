package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;

/** Checks of {@link OnnxTensors}, in a process of their own: DJL's engine has to be started before the backend is. */
enum DjlChecks {
    EVERY_TYPE_GOES_OVER_AND_COMES_BACK_BIT_FOR_BIT {
        @Override
        void check(Backend backend, NDManager manager) {
            for (DType dtype : DType.values()) {
                for (Shape shape : List.of(Shape.of(2, 3, 5), Shape.of(1), Shape.SCALAR, Shape.of(700, 300))) {
                    HostTensor numbers = random(dtype, shape);
                    try (Tensor tensor = new TensorFactory(backend).of(numbers);
                            NDArray array = OnnxTensors.toNDArray(tensor, manager);
                            Tensor back = OnnxTensors.fromNDArray(array, backend)) {
                        assertThat(array.getShape().getShape()).isEqualTo(shape.toArray());
                        String name = dtype == DType.BOOL ? "BOOLEAN" : dtype.name();
                        assertThat(array.getDataType().name()).isEqualTo(name);
                        assertThat(back.toHost()).isEqualTo(numbers);
                    }
                }
            }
        }
    },
    DJL_READS_THE_NUMBERS_THAT_LOUPE_WROTE {
        @Override
        void check(Backend backend, NDManager manager) {
            try (Tensor tensor = new TensorFactory(backend).of(HostTensor.of(Shape.of(2, 2), 1f, -2f, 0.5f, 4f));
                    NDArray array = OnnxTensors.toNDArray(tensor, manager)) {
                assertThat(array.toFloatArray()).containsExactly(1f, -2f, 0.5f, 4f);
            }
        }
    },
    LOUPE_READS_THE_NUMBERS_THAT_DJL_WROTE {
        @Override
        void check(Backend backend, NDManager manager) {
            long[] numbers = {3, -1, 1L << 40};
            try (NDArray array = manager.create(numbers, new ai.djl.ndarray.types.Shape(3, 1));
                    Tensor tensor = OnnxTensors.fromNDArray(array, backend)) {
                assertThat(tensor.shape()).isEqualTo(Shape.of(3, 1));
                assertThat(tensor.toLongArray()).isEqualTo(numbers);
            }
        }
    },
    NEITHER_SIDE_NEEDS_THE_OTHER_ANY_MORE {
        @Override
        void check(Backend backend, NDManager manager) {
            Tensor tensor = new TensorFactory(backend).of(random(DType.FLOAT32, Shape.of(64)));
            float[] numbers = tensor.toFloatArray();
            NDArray array = OnnxTensors.toNDArray(tensor, manager);
            tensor.close();
            assertThat(array.toFloatArray()).isEqualTo(numbers);
            try (Tensor back = OnnxTensors.fromNDArray(array, backend)) {
                array.close();
                assertThat(back.toFloatArray()).isEqualTo(numbers);
            }
        }
    },
    TENSORS_OF_OTHER_BACKENDS_GO_OVER_TOO {
        @Override
        void check(Backend backend, NDManager manager) {
            try (Backend reference = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
                    Tensor tensor = new TensorFactory(reference).of(HostTensor.of(Shape.of(2), 5f, 6f));
                    NDArray array = OnnxTensors.toNDArray(tensor, manager);
                    Tensor back = OnnxTensors.fromNDArray(array, reference)) {
                assertThat(back.toFloatArray()).containsExactly(5f, 6f);
            }
        }
    },
    A_TYPE_THAT_LOUPE_LACKS_IS_NAMED {
        @Override
        void check(Backend backend, NDManager manager) {
            for (DataType type : List.of(DataType.INT8, DataType.UINT8)) {
                ByteBuffer data = ByteBuffer.allocateDirect(4);
                try (NDArray array = manager.create(data, new ai.djl.ndarray.types.Shape(4), type)) {
                    assertThatThrownBy(() -> OnnxTensors.fromNDArray(array, backend))
                            .isInstanceOf(UnsupportedOperationException.class)
                            .hasMessageContaining(type.name());
                }
            }
        }
    },
    WHAT_IS_CLOSED_IS_REFUSED {
        @Override
        void check(Backend backend, NDManager manager) {
            Tensor tensor = new TensorFactory(backend).of(HostTensor.of(Shape.of(1), 1f));
            NDArray array = OnnxTensors.toNDArray(tensor, manager);
            tensor.close();
            array.close();
            assertThatThrownBy(() -> OnnxTensors.toNDArray(tensor, manager)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> OnnxTensors.fromNDArray(array, backend))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("closed");
        }
    },
    MODELS_RUN_BESIDE_DJL {
        @Override
        void check(Backend backend, NDManager manager) {
            Tokens tokens = Tokens.of(new long[] {0, 5, 6, 7});
            LoadOptions options = LoadOptions.defaults();
            try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options, backend);
                    HookedTransformer truth =
                            HookedTransformer.fromPretrained("toy-gpt2", options.withBackend("reference"));
                    Tensor logits = model.forward(tokens);
                    NDArray array = OnnxTensors.toNDArray(logits, manager);
                    Tensor expected = truth.forward(tokens)) {
                assertThat(array.toFloatArray())
                        .usingComparatorWithPrecision(1e-4f)
                        .containsExactly(expected.toFloatArray());
            }
        }
    };

    static final String PASSED = "passed ";
    static final String FAILED = "failed ";

    abstract void check(Backend backend, NDManager manager);

    private static HostTensor random(DType dtype, Shape shape) {
        Random random = new Random(11);
        HostTensor numbers = HostTensor.allocate(dtype, shape);
        for (int i = 0; i < shape.elements(); i++) {
            numbers.setDouble(i, dtype == DType.BOOL ? i % 2 : Math.rint(random.nextGaussian() * 1000) / 8);
        }
        return numbers;
    }

    /** Runs all of them and says of each whether it passed. */
    public static void main(String[] args) {
        PrintStream out = System.out;
        try (NDManager manager = Engine.getEngine("OnnxRuntime").newBaseManager();
                Backend backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1))) {
            for (DjlChecks check : values()) {
                try {
                    check.check(backend, manager);
                    out.println(PASSED + check);
                } catch (Throwable e) {
                    out.println(FAILED + check + ": " + e);
                    e.printStackTrace(out);
                }
            }
        }
    }
}
