package dev.loupe.array;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HostTensorTest {

    private static final Shape SHAPE = Shape.of(7, 5);

    @TempDir
    Path directory;

    /** Numbers that every type holds, in buffers of three rows, three rows and one. */
    private static HostTensor inParts(DType dtype) {
        HostTensor tensor = HostTensor.allocate(dtype, SHAPE, 17 * dtype.bytes());
        for (int i = 0; i < SHAPE.elements(); i++) {
            tensor.setDouble(i, dtype == DType.BOOL ? i % 3 % 2 : i);
        }
        return tensor;
    }

    private static HostTensor inOne(DType dtype) {
        return new HostTensor(dtype, SHAPE, inParts(dtype).data());
    }

    @ParameterizedTest
    @EnumSource
    void aTensorInSeveralBuffersReadsAsOneInOne(DType dtype) {
        HostTensor parts = inParts(dtype);
        HostTensor one = inOne(dtype);

        assertThat(parts.parts())
                .extracting(ByteBuffer::capacity)
                .containsExactly(15 * dtype.bytes(), 15 * dtype.bytes(), 5 * dtype.bytes());
        assertThat(one.parts()).hasSize(1);
        assertThat(parts.bytes()).isEqualTo(35L * dtype.bytes());
        assertThat(parts.toFloatArray()).isEqualTo(one.toFloatArray());
        assertThat(parts.toDoubleArray()).isEqualTo(one.toDoubleArray());
        assertThat(parts.toLongArray()).isEqualTo(one.toLongArray());
        assertThat(parts.getDouble(33)).isEqualTo(dtype == DType.BOOL ? 0 : 33);
        assertThat(parts.from(33).capacity()).isEqualTo(2 * dtype.bytes());
        for (DType other : DType.values()) {
            assertThat(parts.to(other).toDoubleArray())
                    .as("%s", other)
                    .isEqualTo(one.to(other).toDoubleArray());
        }
    }

    @ParameterizedTest
    @EnumSource
    void filesDoNotShowInHowManyBuffersATensorLay(DType dtype) {
        Path file = directory.resolve("tensors.safetensors");
        new SafetensorsWriter().add("x", inParts(dtype)).write(file);

        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.read("x").toDoubleArray()).isEqualTo(inOne(dtype).toDoubleArray());

            HostTensor parts = HostTensor.allocate(DType.FLOAT64, SHAPE, 15 * Double.BYTES);
            read.copy("x", 2, 32, parts, 3);
            double[] expected = new double[35];
            System.arraycopy(inOne(dtype).toDoubleArray(), 2, expected, 3, 32);
            assertThat(parts.toDoubleArray()).isEqualTo(expected);
        }
    }

    @Test
    void aRowThatFitsIntoNoBufferIsDivided() {
        HostTensor tensor = HostTensor.allocate(DType.FLOAT32, Shape.of(2, 5), 12);
        for (int i = 0; i < 10; i++) {
            tensor.setDouble(i, i);
        }

        assertThat(tensor.parts()).extracting(ByteBuffer::capacity).containsExactly(12, 12, 12, 4);
        assertThat(tensor.toFloatArray()).containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }

    @Test
    void emptyTensorsAndScalarsLieInOneBuffer() {
        assertThat(HostTensor.allocate(DType.FLOAT32, Shape.of(0, 5), 4).parts())
                .hasSize(1);
        assertThat(HostTensor.allocate(DType.FLOAT32, Shape.SCALAR, 4).parts()).hasSize(1);
    }

    @Test
    void buffersThatDontFitTheShapeAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new HostTensor(DType.FLOAT32, SHAPE, ByteBuffer.allocate(139)))
                .withMessageContaining("float32 [7, 5] needs 140 bytes, the buffer holds 139");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        new HostTensor(DType.FLOAT32, SHAPE, List.of(ByteBuffer.allocate(80), ByteBuffer.allocate(40))))
                .withMessageContaining("needs 140 bytes, the buffers hold 120");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new HostTensor(
                        DType.FLOAT32,
                        SHAPE,
                        List.of(ByteBuffer.allocate(80), ByteBuffer.allocate(40), ByteBuffer.allocate(40))))
                .withMessageContaining("equally many elements")
                .withMessageContaining("[80, 40, 40]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new HostTensor(DType.FLOAT32, SHAPE, List.<ByteBuffer>of()))
                .withMessageContaining("needs 140 bytes");
    }

    @Test
    void moreThanOneBufferHoldsIsRefusedWhereOneIsNeeded() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HostTensor.byteSize(DType.FLOAT32, Shape.of(128256, 8192)))
                .withMessageContaining("4202692608 bytes")
                .withMessageContaining("2 GiB");
    }
}
