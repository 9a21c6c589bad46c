package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What goes wrong with DJL's PyTorch engine when it is used directly, and must not go wrong here. */
class DangersTest {

    private Backend backend;
    private TensorFactory tensors;

    @BeforeEach
    void open() {
        backend = Torches.open();
        tensors = new TensorFactory(backend);
    }

    @AfterEach
    void close() {
        backend.close();
    }

    /** Arrays that are alive on the backend's device, beyond the constants that it keeps. */
    private int arrays() {
        try (Tensor probe = tensors.of(new float[] {1}, 1)) {
            NDManager manager = ((PyTorchHandle) probe.handle()).on().manager();
            return manager.getManagedArrays().size() - 1;
        }
    }

    private static void collectGarbage() {
        for (int i = 0; i < 3; i++) {
            System.gc();
            ByteBuffer.allocateDirect(1 << 20).put(0, (byte) i);
        }
    }

    @Test
    void aViewOutlivesTheJavaMemoryThatItWasMadeFrom() {
        for (int round = 0; round < 20; round++) {
            float[] numbers = new float[4096];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = i;
            }
            Tensor tensor = tensors.of(numbers, 64, 64);
            Tensor view = tensor.slice(0, 1, 64);
            tensor.close();
            collectGarbage();
            assertThat(view.toFloatArray()[4000]).isEqualTo(4064f);
            view.close();
        }
    }

    @Test
    void plainNumbersSurviveTheCollector() {
        try (Tensor x = tensors.of(new float[] {1, 2}, 2)) {
            Tensor product = x.mul(3).add(1);
            collectGarbage();
            assertThat(product.toFloatArray()).containsExactly(4, 7);
            assertThat(x.mul(3).toFloatArray()).containsExactly(3, 6);
        }
    }

    @Test
    void resultsDoNotPileUpBesideAWeight() {
        try (Tensor weight = tensors.randn(1, 8, 8)) {
            weight.add(weight).close();
            int before = arrays();
            for (int i = 0; i < 500; i++) {
                try (Tensor sum = weight.add(weight);
                        Tensor product = weight.matmul(sum);
                        Tensor softmax = product.softmax(-1)) {
                    assertThat(softmax.isClosed()).isFalse();
                }
            }
            assertThat(arrays()).isEqualTo(before);
        }
    }

    @Test
    void tensorsThatNobodyClosesAreFreed() throws InterruptedException {
        int before = arrays();
        for (int i = 0; i < 200; i++) {
            tensors.randn(i, 16).exp();
        }
        for (int i = 0; i < 200 && arrays() > before + 20; i++) {
            System.gc();
            Thread.onSpinWait();
            Thread.yield();
        }
        assertThat(arrays()).isLessThan(before + 20);
    }

    @Test
    void anOpThatFailsLeavesNothingBehind() {
        try (Tensor x = tensors.randn(1, 4, 4);
                Tensor wrong = tensors.of(new long[] {1, 9}, 2)) {
            int before = arrays();
            for (int i = 0; i < 20; i++) {
                assertThatThrownBy(() -> x.gather(0, wrong)).isInstanceOf(IndexOutOfBoundsException.class);
            }
            assertThat(arrays()).isEqualTo(before);
        }
    }

    @Test
    void autogradIsOffOnEveryThreadAndLeftAsItWas() throws InterruptedException {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread trainer = new Thread(() -> {
            boolean before = Torch.gradientsOn();
            try (Tensor x = tensors.randn(1, 4, 4);
                    Tensor y = x.matmul(x)) {
                // DJL turns it off only on the thread that loaded the engine.
                assertThat(before).isTrue();
                assertThat(((PyTorchHandle) y.handle()).acquire().hasGradient()).isFalse();
                assertThat(Torch.gradientsOn()).isTrue();
            }
        });
        trainer.setUncaughtExceptionHandler((thread, e) -> failure.set(e));
        trainer.start();
        trainer.join();
        assertThat(failure.get()).isNull();
    }

    @Test
    void aTypeThatDjlHasNoNameForNeverGetsToDjl() {
        try (Tensor brain = tensors.full(DType.BFLOAT16, 1.5, 2);
                NDManager manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch")) {
            assertThatThrownBy(() -> PyTorchTensors.toNDArray(brain, manager))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("bfloat16", "to(DType.FLOAT32)");
            assertThat(brain.toFloatArray()).containsExactly(1.5f, 1.5f);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = ai.djl.ndarray.types.DataType.class,
            names = {"UINT8", "INT8"})
    void typesThatLoupeDoesNotHaveAreRefused(ai.djl.ndarray.types.DataType type) {
        try (NDManager manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch");
                NDArray array = manager.zeros(new ai.djl.ndarray.types.Shape(2), type)) {
            assertThatThrownBy(() -> PyTorchTensors.fromNDArray(array, backend))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining(type.name());
        }
    }

    @Test
    void whatWasReadOutOutlivesTheTensor() {
        for (int size : new int[] {16, 1 << 20}) {
            TensorHandle handle = backend.upload(HostTensor.of(Shape.of(size), new float[size]), Placement.ANYWHERE);
            HostTensor read = backend.download(handle);
            handle.close();
            collectGarbage();
            assertThat(read.getDouble(size - 1)).isEqualTo(0.0);
        }
    }

    @Test
    void aClosedTensorIsRefusedNotRead() {
        Tensor x = tensors.randn(1, 4);
        x.close();
        assertThatThrownBy(x::exp).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(x::toFloatArray).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void closingATensorWhileAnotherThreadComputesWithItEndsNothingButTheTensor() throws InterruptedException {
        for (int round = 0; round < 100; round++) {
            Tensor x = tensors.full(DType.FLOAT32, 1, 120, 120);
            AtomicReference<Throwable> failure = new AtomicReference<>();
            Thread other = new Thread(() -> {
                try (Tensor y = x.matmul(x)) {
                    assertThat(y.toFloatArray()).containsOnly(120f);
                } catch (IllegalStateException e) {
                    assertThat(e).hasMessageContaining("closed");
                }
            });
            other.setUncaughtExceptionHandler((thread, e) -> failure.set(e));
            other.start();
            x.close();
            other.join();
            assertThat(failure.get()).isNull();
        }
    }

    @Test
    void aReadOnlyMappedFileCanBeUploaded(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("weights");
        ByteBuffer numbers = ByteBuffer.allocate(32).order(ByteOrder.nativeOrder());
        for (int i = 0; i < 8; i++) {
            numbers.putFloat(i);
        }
        Files.write(file, numbers.array());
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, 32);
            // From the middle of the buffer: DJL would ignore where the buffer stands.
            try (Tensor x = tensors.of(new HostTensor(DType.FLOAT32, Shape.of(4), mapped.slice(16, 16)));
                    Tensor y = x.add(x)) {
                assertThat(y.toFloatArray()).containsExactly(8, 10, 12, 14);
                assertThat(x.toFloatArray()).containsExactly(4, 5, 6, 7);
            }
        }
    }

    @Test
    void whatIsReadOutIsTheElementsInOrderWhateverTheView() {
        try (Tensor x = tensors.arange(12).reshape(3, 4)) {
            int before = arrays();
            try (Tensor turned = x.transpose(0, 1);
                    Tensor column = x.slice(1, 1, 2);
                    Tensor repeated = tensors.arange(2).reshape(2, 1).expand(2, 3)) {
                assertThat(turned.toLongArray()).containsExactly(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11);
                assertThat(column.toLongArray()).containsExactly(1, 5, 9);
                assertThat(repeated.toLongArray()).containsExactly(0, 0, 0, 1, 1, 1);
            }
            // DJL copies such a view before it reads it, and keeps the copy.
            assertThat(arrays()).isLessThanOrEqualTo(before + 2);
        }
    }

    @Test
    void aScopeOfTheCallersFreesNoTensor() {
        Tensor x;
        Tensor y;
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            x = tensors.of(new float[] {1, 2, 3}, 3);
            y = x.add(x).softmax(0);
        }
        assertThat(x.toFloatArray()).containsExactly(1, 2, 3);
        assertThat(y.size(0)).isEqualTo(3);
        y.close();
        x.close();
    }

    @Test
    void tensorsAreOverTheTwoGigabytesOfAJavaBuffer() {
        long size = 3_000_000_000L;
        try (Tensor one = tensors.full(DType.BOOL, 1, 1);
                Tensor many = one.expand(size);
                Tensor end = many.slice(0, size - 3, size)) {
            assertThat(many.elements()).isEqualTo(size);
            assertThat(end.toBooleanArray()).containsExactly(true, true, true);
            assertThatThrownBy(many::toBooleanArray)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("[3000000000]", "take a slice");
        }
    }

    @Test
    void aTensorTooLargeForTheMachineIsNamedAndTheBackendGoesOn() {
        assertThatThrownBy(() -> tensors.full(DType.FLOAT32, 0, 1L << 30, 1L << 20))
                .isInstanceOf(OutOfTensorMemoryException.class)
                .hasMessageContainingAll("Out of memory", "1073741824, 1048576", "cpu");
        try (Tensor x = tensors.randn(1, 1 << 10)) {
            Tensor wide = x.reshape(1 << 10, 1).expand(1 << 10, 1 << 30);
            assertThatThrownBy(wide::exp)
                    .isInstanceOf(OutOfTensorMemoryException.class)
                    .hasMessageContainingAll("Out of memory", "[1024, 1073741824]");
            assertThat(x.mul(0).sum().item()).isEqualTo(0.0);
        }
    }

    @Test
    void aFullDeviceIsRidOfTensorsThatNobodyCanReach() {
        Tensor kept = tensors.full(DType.FLOAT32, 1, 1 << 20);
        for (int i = 0; i < 16; i++) {
            tensors.full(DType.FLOAT32, i, 1 << 20);
        }
        long before = Tensor.liveNativeBytes();
        UnreachableTensors.free();
        assertThat(Tensor.liveNativeBytes()).isLessThan(before - (8 << 22));
        assertThat(kept.slice(0, 0, 1).item()).isEqualTo(1);
        kept.close();
    }

    @Test
    void whatLibtorchSaysOfAGpuThatItCantUseIsTold() {
        TorchEngine engine = TorchEngine.load();
        assumeThat(engine.builtForCuda()).isFalse();
        assertThat(engine.problemOf(Device.gpu(0))).containsIgnoringCase("CUDA");
    }

    @Test
    void indicesOutOfRangeAreNamed() {
        try (Tensor x = tensors.randn(1, 3, 4);
                Tensor updates = tensors.randn(2, 2, 4)) {
            for (long wrong : new long[] {-1, 3, Long.MAX_VALUE}) {
                Tensor list = tensors.of(new long[] {0, wrong}, 2);
                Tensor table = tensors.of(new long[] {0, 1, 2, 0, 0, wrong, 1, 2}, 2, 4);
                assertThatThrownBy(() -> x.gather(0, list))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContainingAll("index " + wrong, "[0, 3)");
                assertThatThrownBy(() -> x.gatherElements(0, table))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContainingAll("index " + wrong, "[0, 3)");
                assertThatThrownBy(() -> x.scatterElements(0, table, updates))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContainingAll("index " + wrong, "[0, 3)");
                Tensor deep = tensors.randn(3, 2, 3, 2);
                assertThatThrownBy(() -> Tensor.execute(backend, new Op.Gather(1), List.of(deep, list)))
                        .isInstanceOf(IndexOutOfBoundsException.class)
                        .hasMessageContainingAll("index " + wrong, "[0, 3)");
            }
        }
    }

    @Test
    void aSmallViewDoesNotKeepALargeTensorAlive() {
        try (Tensor large = tensors.full(DType.FLOAT32, 1, 1024, 1024);
                Tensor row = large.slice(0, 5, 6);
                Tensor half = large.slice(0, 0, 512)) {
            assertThat(row.handle().nativeBytes()).isEqualTo(4096);
            assertThat(((PyTorchHandle) row.handle()).storageBytes()).isEqualTo(4096);
            assertThat(((PyTorchHandle) half.handle()).storageBytes()).isEqualTo(4 << 20);
        }
    }
}
