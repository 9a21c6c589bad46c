package dev.loupe.backend.onnx.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import org.junit.jupiter.api.Test;

/** Tensors that others are appended to: keys and values of a generation. */
class AppendTest {

    private final OnnxRuntime runtime = OnnxRuntime.start("cpu", 1);

    /** {@code first}, first + 1, … */
    private OnnxHandle counting(double first, long... sizes) {
        OnnxHandle handle = OnnxHandle.allocate(runtime, DType.FLOAT32, Shape.of(sizes));
        HostTensor numbers = handle.inPlace();
        for (long i = 0; i < numbers.shape().elements(); i++) {
            numbers.setDouble(i, first + i);
        }
        return handle;
    }

    private static double[] numbers(OnnxHandle handle) {
        return handle.inPlace().toDoubleArray();
    }

    @Test
    void whoeverIsFirstGrowsInPlaceAndTheSecondDoesNotOverwriteIt() {
        Shape whole = Shape.of(1, 3, 2);
        try (OnnxHandle prefix = counting(0, 1, 2, 2);
                OnnxHandle one = counting(10, 1, 1, 2);
                OnnxHandle other = counting(20, 1, 1, 2);
                OnnxHandle first = prefix.append(one, 1, whole);
                OnnxHandle second = prefix.append(other, 1, whole)) {
            assertThat(first.place()).as("the first grows where it is").isEqualTo(prefix.place());
            assertThat(second.place()).as("the second is copied").isNotEqualTo(prefix.place());
            assertThat(numbers(first)).as("the first").containsExactly(0, 1, 2, 3, 10, 11);
            assertThat(numbers(second)).as("the second").containsExactly(0, 1, 2, 3, 20, 21);
            assertThat(numbers(prefix)).as("the prefix ends where it ended").containsExactly(0, 1, 2, 3);
        }
    }

    @Test
    void severalSequencesAreCopiedRowByRow() {
        try (OnnxHandle prefix = counting(0, 2, 2, 1);
                OnnxHandle added = counting(10, 2, 1, 1);
                OnnxHandle whole = prefix.append(added, 1, Shape.of(2, 3, 1))) {
            assertThat(whole.place()).isNotEqualTo(prefix.place());
            assertThat(numbers(whole)).containsExactly(0, 1, 10, 2, 3, 11);
        }
    }

    @Test
    void nothingBeforeIsNothingInFront() {
        try (OnnxHandle empty = counting(0, 1, 0, 2);
                OnnxHandle added = counting(5, 1, 1, 2);
                OnnxHandle whole = empty.append(added, 1, Shape.of(1, 1, 2))) {
            assertThat(numbers(whole)).containsExactly(5, 6);
        }
    }
}
