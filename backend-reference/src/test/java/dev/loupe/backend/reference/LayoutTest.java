package dev.loupe.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class LayoutTest extends OpTest {

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void axesAreReordered(DType type) {
        HostTensor x = Numbers.random(type, 1, 3, 1, 5, 7);
        for (List<Integer> order :
                List.of(List.of(0, 1, 2, 3), List.of(3, 2, 1, 0), List.of(0, 2, 1, 3), List.of(2, 0, 3, 1))) {
            HostTensor found = run(new Op.Transpose(order), x);
            Shape shape = Shape.of(order.stream().mapToLong(x.shape()::size).toArray());
            HostTensor expected = Numbers.build(type, shape, index -> {
                long[] from = new long[4];
                for (int axis = 0; axis < 4; axis++) {
                    from[order.get(axis)] = index[axis];
                }
                return Numbers.at(x, from);
            });
            Numbers.assertSame(found, expected);
        }
    }

    @Test
    void aScalarAndALargeMatrixAreTransposed() {
        HostTensor scalar = Numbers.random(DType.FLOAT32, 2);
        Numbers.assertSame(run(new Op.Transpose(List.of()), scalar), scalar);
        HostTensor x = Numbers.random(DType.FLOAT32, 3, 300, 401);
        HostTensor expected =
                Numbers.build(DType.FLOAT32, Shape.of(401, 300), index -> Numbers.at(x, index[1], index[0]));
        Numbers.assertSame(run(new Op.Transpose(List.of(1, 0)), x), expected);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void axesOfSizeOneAreRepeated(DType type) {
        HostTensor x = Numbers.random(type, 4, 1, 3, 1);
        HostTensor expected = Numbers.build(type, Shape.of(2, 3, 4), index -> Numbers.broadcastAt(x, index));
        Numbers.assertSame(run(new Op.Expand(List.of(2L, -1L, 4L)), x), expected);
        assertThat(run(new Op.Expand(List.of(0L, 3L, 1L)), x).shape()).isEqualTo(Shape.of(0, 3, 1));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 10, 1, 0 1 2 3 4 5 6 7 8 9",
        "2, 5, 1, 2 3 4",
        "-3, 9223372036854775807, 1, 7 8 9",
        "0, -8, 1, 0 1",
        "1, 9223372036854775807, 4, 1 5 9",
        "-100, 100, 3, 0 3 6 9",
        "5, 2, 1, ''",
        "12, 20, 1, ''",
        "4, 100, 9223372036854775807, 4",
    })
    void slicesMeanWhatTheyMeanInPython(long start, long end, long step, String expected) {
        HostTensor x = HostTensor.of(Shape.of(10), 0L, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        long[] numbers = expected.isEmpty()
                ? new long[0]
                : Arrays.stream(expected.split(" ")).mapToLong(Long::parseLong).toArray();
        assertThat(run(new Op.Slice(0, start, end, step), x).toLongArray()).containsExactly(numbers);
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void anyAxisIsSliced(DType type) {
        HostTensor x = Numbers.random(type, 5, 4, 5, 6);
        Numbers.assertSame(
                run(new Op.Slice(0, 1, 3, 1), x),
                Numbers.build(type, Shape.of(2, 5, 6), i -> Numbers.at(x, i[0] + 1, i[1], i[2])));
        Numbers.assertSame(
                run(new Op.Slice(1, 0, 5, 2), x),
                Numbers.build(type, Shape.of(4, 3, 6), i -> Numbers.at(x, i[0], 2 * i[1], i[2])));
        Numbers.assertSame(
                run(new Op.Slice(2, -5, -1, 3), x),
                Numbers.build(type, Shape.of(4, 5, 2), i -> Numbers.at(x, i[0], i[1], 1 + 3 * i[2])));
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL"})
    void tensorsAreJoinedAlongAnyAxis(DType type) {
        HostTensor a = Numbers.random(type, 6, 2, 3, 4);
        HostTensor b = Numbers.random(type, 7, 2, 0, 4);
        HostTensor c = Numbers.random(type, 8, 2, 5, 4);
        Numbers.assertSame(
                run(new Op.Concat(1), a, b, c),
                Numbers.build(
                        type,
                        Shape.of(2, 8, 4),
                        i -> i[1] < 3 ? Numbers.at(a, i) : Numbers.at(c, i[0], i[1] - 3, i[2])));
        HostTensor d = Numbers.random(type, 9, 1, 3, 4);
        Numbers.assertSame(
                run(new Op.Concat(0), d, a),
                Numbers.build(
                        type,
                        Shape.of(3, 3, 4),
                        i -> i[0] < 1 ? Numbers.at(d, i) : Numbers.at(a, i[0] - 1, i[1], i[2])));
        HostTensor e = Numbers.random(type, 10, 2, 3, 1);
        Numbers.assertSame(
                run(new Op.Concat(2), a, e),
                Numbers.build(
                        type,
                        Shape.of(2, 3, 5),
                        i -> i[2] < 4 ? Numbers.at(a, i) : Numbers.at(e, i[0], i[1], i[2] - 4)));
        Numbers.assertSame(run(new Op.Concat(1), a), a);
    }

    @Test
    void reshapingKeepsTheElementsInOrder() {
        HostTensor x = Numbers.random(DType.FLOAT32, 11, 2, 3, 4);
        Numbers.assertSame(run(new Op.Reshape(Shape.of(4, 6)), x), Numbers.shaped(x, 4, 6));
        Numbers.assertSame(run(new Op.SplitAxis(2, List.of(2L, -1L)), x), Numbers.shaped(x, 2, 3, 2, 2));
        Numbers.assertSame(run(new Op.MergeAxes(0, 2), x), Numbers.shaped(x, 6, 4));
        HostTensor empty = Numbers.random(DType.FLOAT32, 12, 0, 4);
        Numbers.assertSame(run(new Op.Reshape(Shape.of(7, 0)), empty), Numbers.shaped(empty, 7, 0));
    }

    @Test
    void aTensorIsFilledWithOneNumber() {
        assertThat(run(new Op.Full(DType.FLOAT32, Shape.of(2, 3), 0.1)).toDoubleArray())
                .containsOnly(0.1f)
                .hasSize(6);
        assertThat(run(new Op.Full(DType.FLOAT64, Shape.SCALAR, Double.NEGATIVE_INFINITY))
                        .toDoubleArray())
                .containsExactly(Double.NEGATIVE_INFINITY);
        assertThat(run(new Op.Full(DType.INT64, Shape.of(3), -7.9)).toLongArray())
                .containsExactly(-7, -7, -7);
        assertThat(run(new Op.Full(DType.BOOL, Shape.of(2), 0.5)).toLongArray()).containsExactly(1, 1);
        assertThat(run(new Op.Full(DType.INT32, Shape.of(0), 1)).toLongArray()).isEmpty();
        HostTensor threes = Numbers.build(DType.INT32, Shape.of(100_001), index -> 3);
        Numbers.assertSame(run(new Op.Full(DType.INT32, threes.shape(), 3)), threes);
    }

    @Test
    void aRangeIsReplacedInACopy() {
        HostTensor x = Numbers.random(DType.FLOAT32, 13, 2, 5, 3);
        HostTensor update = Numbers.random(DType.FLOAT32, 14, 2, 2, 3);
        var handles = upload(backend(), x, update);
        var result = backend().execute(new Op.SliceScatter(1, 2), handles).get(0);
        HostTensor expected = Numbers.build(
                DType.FLOAT32,
                x.shape(),
                i -> i[1] == 2 || i[1] == 3 ? Numbers.at(update, i[0], i[1] - 2, i[2]) : Numbers.at(x, i));
        Numbers.assertSame(backend().download(result), expected);
        Numbers.assertSame(backend().download(handles.get(0)), x);
    }
}
