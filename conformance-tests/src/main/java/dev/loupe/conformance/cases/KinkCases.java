package dev.loupe.conformance.cases;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Derivatives where there are several answers, and the one that is chosen: an operation, and for each of its
 * floating-point inputs the derivative of the sum of what it gives.
 *
 * @param name for messages
 * @param expected one for each floating-point input
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record KinkCases(String name, OpCase one, List<double[]> expected) {

    private static HostTensor row(double... numbers) {
        return HostTensor.of(Shape.of(numbers.length), numbers);
    }

    private static HostTensor indices(long... numbers) {
        return HostTensor.of(Shape.of(numbers.length), numbers);
    }

    private static KinkCases of(String name, Op op, List<HostTensor> inputs, double[]... expected) {
        return new KinkCases(name, new OpCase(op, inputs, name), List.of(expected));
    }

    private static double[] d(double... numbers) {
        return numbers;
    }

    /** All of them, in float64. */
    public static List<KinkCases> all() {
        double masked = Double.NEGATIVE_INFINITY;
        List<Integer> first = List.of(0);
        return List.of(
                of("relu at 0", new Op.Unary(UnaryKind.RELU), List.of(row(0, -0.0, 1, -1)), d(0, 0, 1, 0)),
                of("|x| at 0", new Op.Unary(UnaryKind.ABS), List.of(row(0, 2, -2)), d(0, 1, -1)),
                of("sign", new Op.Unary(UnaryKind.SIGN), List.of(row(0, 2, -2)), d(0, 0, 0)),
                of("floor", new Op.Unary(UnaryKind.FLOOR), List.of(row(0, 1.5)), d(0, 0)),
                of("round", new Op.Unary(UnaryKind.ROUND), List.of(row(0.5, 1.2)), d(0, 0)),
                of(
                        "the larger of equals",
                        new Op.Binary(BinaryKind.MAX),
                        List.of(row(1, 2, 3), row(1, 3, 2)),
                        d(0.5, 0, 1),
                        d(0.5, 1, 0)),
                of(
                        "the smaller of equals",
                        new Op.Binary(BinaryKind.MIN),
                        List.of(row(1, 2, 3), row(1, 3, 2)),
                        d(0.5, 1, 0),
                        d(0.5, 0, 1)),
                of(
                        "the largest of equals",
                        new Op.Reduce(ReduceKind.MAX, first, false),
                        List.of(row(1, 3, 3, 2, 3)),
                        d(0, 1 / 3.0, 1 / 3.0, 0, 1 / 3.0)),
                of(
                        "the smallest of equals",
                        new Op.Reduce(ReduceKind.MIN, first, true),
                        List.of(row(1, 3, 1)),
                        d(0.5, 0, 0.5)),
                of(
                        "a product with a zero",
                        new Op.Reduce(ReduceKind.PROD, first, true),
                        List.of(row(2, 0, 3)),
                        d(0, 6, 0)),
                of(
                        "a product with two zeros",
                        new Op.Reduce(ReduceKind.PROD, first, true),
                        List.of(row(0, 0, 3)),
                        d(0, 0, 0)),
                of("the best of equals", new Op.TopK(1, 0, true), List.of(row(2, 2, 1)), d(1, 0, 0)),
                of("an entry taken twice", new Op.Gather(0), List.of(row(5, 6, 7), indices(1, 1, 0)), d(1, 2, 0)),
                of(
                        "what was overwritten",
                        new Op.ScatterElements(0),
                        List.of(row(5, 6, 7), indices(2, 0), row(1, 1)),
                        d(0, 1, 0),
                        d(1, 1)),
                of(
                        "a power of 0",
                        new Op.Binary(BinaryKind.POW),
                        List.of(row(0, 2), row(2, 0)),
                        d(0, 0),
                        d(0, Math.log(2))),
                of("a masked row", new Op.Softmax(0), List.of(row(masked, masked, masked)), d(0, 0, 0)),
                of("a masked key", new Op.Softmax(0), List.of(row(0, masked, masked)), d(0, 0, 0)));
    }
}
