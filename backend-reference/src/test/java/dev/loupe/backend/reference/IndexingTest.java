package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class IndexingTest extends OpTest {

    private static HostTensor indices(long seed, int size, long... sizes) {
        SplittableRandom random = new SplittableRandom(seed);
        return Numbers.build(DType.INT64, Shape.of(sizes), index -> random.nextInt(size));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void entriesOfAnyAxisArePicked(DType type) {
        HostTensor x = Numbers.random(type, 1, 4, 5, 6);
        HostTensor first = indices(2, 4, 2, 3);
        Numbers.assertSame(
                run(new Op.Gather(0), x, first),
                Numbers.build(
                        type,
                        Shape.of(2, 3, 5, 6),
                        i -> Numbers.at(x, (long) Numbers.at(first, i[0], i[1]), i[2], i[3])));
        HostTensor middle = indices(3, 5, 7);
        Numbers.assertSame(
                run(new Op.Gather(1), x, middle),
                Numbers.build(
                        type, Shape.of(4, 7, 6), i -> Numbers.at(x, i[0], (long) Numbers.at(middle, i[1]), i[2])));
        HostTensor last = indices(4, 6);
        Numbers.assertSame(
                run(new Op.Gather(2), x, last),
                Numbers.build(type, Shape.of(4, 5), i -> Numbers.at(x, i[0], i[1], (long) Numbers.at(last))));
    }

    @Test
    void noIndicesPickNothing() {
        HostTensor x = Numbers.random(DType.FLOAT32, 5, 4, 5);
        assertThat(run(new Op.Gather(0), x, indices(6, 4, 0)).shape()).isEqualTo(Shape.of(0, 5));
        HostTensor empty = Numbers.random(DType.FLOAT32, 7, 4, 0);
        assertThat(run(new Op.Gather(0), empty, indices(8, 4, 3)).shape()).isEqualTo(Shape.of(3, 0));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void eachElementIsPickedByAnIndexOfItsOwn(DType type) {
        HostTensor x = Numbers.random(type, 9, 3, 4, 5);
        HostTensor index = indices(10, 4, 3, 7, 5);
        Numbers.assertSame(
                run(new Op.GatherElements(1), x, index),
                Numbers.build(type, index.shape(), i -> Numbers.at(x, i[0], (long) Numbers.at(index, i), i[2])));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void elementsAreReplacedInACopy(DType type) {
        HostTensor x = Numbers.random(type, 11, 3, 5);
        HostTensor index = HostTensor.of(Shape.of(3, 2), 0L, 4, 3, 1, 2, 0);
        HostTensor updates = Numbers.random(type, 12, 3, 2);
        HostTensor expected = Numbers.build(type, x.shape(), i -> {
            for (int j = 0; j < 2; j++) {
                if ((long) Numbers.at(index, i[0], j) == i[1]) {
                    return Numbers.at(updates, i[0], j);
                }
            }
            return Numbers.at(x, i);
        });
        var handles = upload(backend(), x, index, updates);
        var result = backend().execute(new Op.ScatterElements(1), handles).get(0);
        Numbers.assertSame(backend().download(result), expected);
        Numbers.assertSame(backend().download(handles.get(0)), x);
    }

    @Test
    void anIndexThatStandsTwiceTakesOneOfItsUpdates() {
        HostTensor x = Numbers.vector(DType.FLOAT32, 1, 2, 3);
        HostTensor index = HostTensor.of(Shape.of(2), 1L, 1L);
        HostTensor updates = Numbers.vector(DType.FLOAT32, 8, 9);
        double[] found = run(new Op.ScatterElements(0), x, index, updates).toDoubleArray();
        assertThat(found[0]).isEqualTo(1);
        assertThat(found[1]).isIn(8.0, 9.0);
        assertThat(found[2]).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 4, 4294967296L, Long.MIN_VALUE, Long.MAX_VALUE})
    void anIndexOutsideIsNamedWithTheSize(long wrong) {
        HostTensor x = Numbers.random(DType.FLOAT32, 13, 4);
        HostTensor index = HostTensor.of(Shape.of(2), 0L, wrong);
        HostTensor updates = Numbers.random(DType.FLOAT32, 14, 2);
        assertThatThrownBy(() -> run(new Op.Gather(0), x, index))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("gather")
                .hasMessageContaining(" " + wrong + " ")
                .hasMessageEndingWith("size 4");
        assertThatThrownBy(() -> run(new Op.GatherElements(0), x, index))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("gather_elements");
        assertThatThrownBy(() -> run(new Op.ScatterElements(0), x, index, updates))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("scatter_elements");
    }

    @Test
    void nothingCanBePickedFromAnEmptyAxis() {
        HostTensor empty = Numbers.random(DType.FLOAT32, 15, 0, 3);
        assertThatThrownBy(() -> run(new Op.Gather(0), empty, HostTensor.of(Shape.of(1), 0L)))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContaining("size 0");
    }
}
