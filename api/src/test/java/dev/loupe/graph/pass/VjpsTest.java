package dev.loupe.graph.pass;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.graph.Op;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** An operation without a derivative is noticed here, and not when somebody asks for one. */
class VjpsTest {

    static Class<?>[] operations() {
        return Op.class.getPermittedSubclasses();
    }

    @ParameterizedTest
    @MethodSource("operations")
    void everyOperationHasALineInTheTable(Class<? extends Op> operation) {
        assertThat(Vjps.has(operation)).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void everyElementwiseFunctionOfOneInputHasADerivative(Op.UnaryKind kind) {
        assertThat(ElementwiseVjps.has(kind)).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void everyElementwiseFunctionOfTwoInputsHasADerivative(Op.BinaryKind kind) {
        assertThat(ElementwiseVjps.has(kind)).isTrue();
    }

    @Test
    void theTableHoldsNothingElse() {
        assertThat(Vjps.size()).isEqualTo(operations().length);
    }
}
