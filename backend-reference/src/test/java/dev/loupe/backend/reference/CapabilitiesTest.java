package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.array.Shape;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CapabilitiesTest extends OpTest {

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void halvesAreStoredAndCastButNotComputedWith(DType type) {
        HostTensor x = Numbers.random(type, 1, 2, 2);
        Stream.of(
                        new Op.Unary(Op.UnaryKind.EXP),
                        new Op.Reshape(Shape.of(4)),
                        new Op.Softmax(1),
                        new Op.Slice(0, 0, 1, 1))
                .forEach(op -> assertThatThrownBy(() -> run(op, x))
                        .isInstanceOf(UnsupportedOperationException.class)
                        .hasMessageContaining(op.name())
                        .hasMessageContaining(type.label()));
        assertThatThrownBy(() -> run(new Op.MatMul(), x, x))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("matmul");
        assertThatThrownBy(() -> run(new Op.Full(type, Shape.of(2), 1)))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("full");
        HostTensor wide = run(new Op.Cast(DType.FLOAT32), x);
        Numbers.assertSame(run(new Op.Cast(type), wide), x);
    }

    @Test
    void wrongArgumentsAreRefusedInTheWordsOfTheOp() {
        assertThatThrownBy(() -> run(new Op.Unary(Op.UnaryKind.EXP), HostTensor.of(Shape.of(1), 1L)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("floating");
    }

    @Test
    void handlesDescribeThemselvesAndAreNeverTheInput() {
        TensorHandle x =
                upload(backend(), Numbers.random(DType.FLOAT32, 2, 2, 3)).get(0);
        assertThat(x.dtype()).isEqualTo(DType.FLOAT32);
        assertThat(x.shape()).isEqualTo(Shape.of(2, 3));
        assertThat(x.device()).isEqualTo("cpu");
        assertThat(x.nativeBytes()).isZero();
        assertThat(x).hasToString("float32 [2, 3]");
        for (Op op : List.of(
                new Op.Cast(DType.FLOAT32),
                new Op.Reshape(Shape.of(2, 3)),
                new Op.Slice(0, 0, Op.Slice.TO_END, 1),
                new Op.Transpose(List.of(0, 1)),
                new Op.Expand(List.of(-1L, -1L)),
                new Op.Concat(0))) {
            assertThat(backend().execute(op, List.of(x)).get(0)).isNotSameAs(x);
        }
    }

    @Test
    void aTensorTooLargeForAnArrayIsRefusedInWords() {
        HostTensor x = Numbers.random(DType.FLOAT32, 3, 1, 1);
        assertThatThrownBy(() -> run(new Op.Expand(List.of(1L << 20, 1L << 20)), x))
                .isInstanceOf(OutOfTensorMemoryException.class)
                .hasMessageContaining("[1048576, 1048576]");
    }
}
