package dev.loupe.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor.Entry;
import java.util.List;
import org.junit.jupiter.api.Test;

class TopEntriesTest {

    private static final double[] ELEMENTS = {3, Double.NaN, -1, 7, 3, Double.NEGATIVE_INFINITY};

    @Test
    void theLargestComeFirstWithAnIndexOnEveryAxis() {
        assertThat(TopEntries.of(ELEMENTS, Shape.of(1, 3, 2), 2))
                .containsExactly(new Entry(List.of(0, 1, 1), 7), new Entry(List.of(0, 0, 0), 3));
    }

    @Test
    void equalElementsComeInTheirOrderAndNanLast() {
        assertThat(TopEntries.of(ELEMENTS, Shape.of(2, 3), 9))
                .containsExactly(
                        new Entry(List.of(1, 0), 7),
                        new Entry(List.of(0, 0), 3),
                        new Entry(List.of(1, 1), 3),
                        new Entry(List.of(0, 2), -1),
                        new Entry(List.of(1, 2), Double.NEGATIVE_INFINITY),
                        new Entry(List.of(0, 1), Double.NaN));
    }

    @Test
    void aScalarHasAnIndexOfNoAxes() {
        assertThat(TopEntries.of(new double[] {2}, Shape.of(), 1)).containsExactly(new Entry(List.of(), 2));
    }

    @Test
    void noneAreGivenForNoneAndANegativeNumberIsRefused() {
        assertThat(TopEntries.of(ELEMENTS, Shape.of(6), 0)).isEmpty();
        assertThatThrownBy(() -> TopEntries.of(ELEMENTS, Shape.of(6), -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
    }
}
