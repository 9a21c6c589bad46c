package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/** Applications of elementwise operations: shapes that fill and overfill vector registers, and every broadcast. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ElementwiseCases {

    private static final List<Pattern> PATTERNS = List.of(Pattern.NORMAL, Pattern.WIDE, Pattern.TINY, Pattern.TIES);

    private static final List<Shape> SHAPES = List.of(
            Shape.SCALAR,
            Shape.of(1),
            Shape.of(4),
            Shape.of(6),
            Shape.of(7),
            Shape.of(31),
            Shape.of(64),
            Shape.of(207),
            Shape.of(702),
            Shape.of(7, 31),
            Shape.of(2, 3, 4, 5),
            Shape.of(1, 702, 1));

    private static final List<Shape[]> PAIRS = List.of(
            new Shape[] {Shape.SCALAR, Shape.SCALAR},
            new Shape[] {Shape.of(702), Shape.of(702)},
            new Shape[] {Shape.of(7, 31), Shape.of(7, 31)},
            new Shape[] {Shape.of(4, 6), Shape.of(6)},
            new Shape[] {Shape.of(6), Shape.of(4, 6)},
            new Shape[] {Shape.SCALAR, Shape.of(207)},
            new Shape[] {Shape.of(64), Shape.SCALAR},
            new Shape[] {Shape.of(207), Shape.of(1)},
            new Shape[] {Shape.of(31, 1), Shape.of(1, 7)},
            new Shape[] {Shape.of(2, 3, 31), Shape.of(3, 1)},
            new Shape[] {Shape.of(1, 64), Shape.of(6, 1, 64)},
            new Shape[] {Shape.of(2, 1, 4, 1), Shape.of(3, 1, 7)});

    private ElementwiseCases() {}

    public static List<OpCase> unary(Op.UnaryKind kind, DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            Pattern pattern = PATTERNS.get(i % PATTERNS.size());
            cases.add(new OpCase(
                    new Op.Unary(kind), List.of(inputs.tensor(SHAPES.get(i), pattern, domain(kind))), pattern.label()));
        }
        return cases;
    }

    public static List<OpCase> binary(Op.BinaryKind kind, DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < PAIRS.size(); i++) {
            Pattern pattern = PATTERNS.get(i % PATTERNS.size());
            HostTensor left = inputs.tensor(PAIRS.get(i)[0], pattern, left(kind));
            HostTensor right = inputs.tensor(PAIRS.get(i)[1], pattern, right(kind));
            cases.add(new OpCase(new Op.Binary(kind), List.of(left, right), pattern.label()));
        }
        if (kind == Op.BinaryKind.POW) {
            cases.add(new OpCase(
                    new Op.Binary(kind),
                    List.of(numbers(type, -2, -2, -2, -0.5, 3, 0, 0), numbers(type, 2, 3, -1, 2, 0, 2, 0)),
                    "negative bases and zeros"));
        }
        return cases;
    }

    public static List<OpCase> where(DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        long[][][] shapes = {
            {{}, {}, {}},
            {{702}, {702}, {702}},
            {{7, 31}, {31}, {}},
            {{31}, {7, 31}, {7, 1}},
            {{4, 1, 1}, {6, 1}, {7}},
            {{1}, {207}, {207}},
            {{2, 1, 5, 5}, {2, 3, 5, 5}, {1}},
        };
        List<OpCase> cases = new ArrayList<>();
        for (long[][] three : shapes) {
            cases.add(new OpCase(
                    new Op.Where(),
                    List.of(
                            inputs.bools(Shape.of(three[0]), 0.5),
                            inputs.tensor(Shape.of(three[1]), Pattern.NORMAL, Domain.ANY),
                            inputs.tensor(Shape.of(three[2]), Pattern.SPECIAL, Domain.ANY)),
                    "infinities among the third"));
        }
        return cases;
    }

    /** Infinities, signed zeros, denormals and extremes, all through one op. */
    public static List<OpCase> special(Op op, DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (long size : new long[] {7, 64, 207}) {
            List<HostTensor> operands = new ArrayList<>();
            operands.add(inputs.tensor(Shape.of(size), Pattern.SPECIAL, Domain.ANY));
            if (op instanceof Op.Binary) {
                operands.add(inputs.tensor(Shape.of(size), Pattern.SPECIAL, Domain.ANY));
            }
            cases.add(new OpCase(op, operands, Pattern.SPECIAL.label()));
        }
        return cases;
    }

    public static List<OpCase> cast(DType from, DType to, SplittableRandom random) {
        Inputs inputs = new Inputs(random, from);
        List<OpCase> cases = new ArrayList<>();
        for (Shape shape : List.of(Shape.SCALAR, Shape.of(7), Shape.of(64), Shape.of(3, 207))) {
            for (Pattern pattern : List.of(Pattern.NORMAL, Pattern.WIDE, Pattern.TIES)) {
                // Denormals may be flushed, and in float16 many numbers are.
                boolean narrow = pattern == Pattern.WIDE && to == DType.FLOAT16;
                HostTensor x = inputs.tensor(shape, narrow ? Pattern.NORMAL : pattern, Domain.ANY);
                cases.add(new OpCase(new Op.Cast(to), List.of(x), pattern.label()));
            }
        }
        if (from.isFloating() || !to.isFloating()) {
            cases.add(new OpCase(new Op.Cast(to), List.of(edges(from)), "what doesn't fit, and what just does"));
        }
        return cases;
    }

    private static HostTensor numbers(DType type, double... values) {
        HostTensor tensor = HostTensor.allocate(type, Shape.of(values.length));
        for (int i = 0; i < values.length; i++) {
            tensor.setDouble(i, values[i]);
        }
        return tensor;
    }

    /** Numbers at and beyond the edges of the integer types, in both directions; of floating types, NaN and infinities too. */
    private static HostTensor edges(DType type) {
        if (type == DType.INT64) {
            return HostTensor.of(
                    Shape.of(8),
                    0,
                    -1,
                    1L << 31,
                    -(1L << 31) - 1,
                    1L << 32,
                    (1L << 40) + 3,
                    Long.MAX_VALUE,
                    Long.MIN_VALUE);
        }
        double[] numbers = {
            Double.NaN,
            Double.POSITIVE_INFINITY,
            Double.NEGATIVE_INFINITY,
            0x1p63,
            -0x1p63,
            0x1.8p63,
            1e30,
            -1e30,
            0x1p31,
            -0x1p31,
            0x1.000002p31,
            -0x1.000002p31,
            0x1.fffffep30,
            0.99,
            -0.99,
            -0.0,
            1
        };
        return numbers(type, numbers);
    }

    static List<OpCase> full(DType type) {
        List<OpCase> cases = new ArrayList<>();
        double[] values = type.isFloating()
                ? new double[] {0, 1, -2.5, 0.1, 1e-3, Double.NEGATIVE_INFINITY, Double.NaN, 1e300, -1e300}
                : new double[] {0, 1, 7, 2.7, -2.7, Double.NaN, 1e300, -1e300, 0x1p63, -0x1p63, 0x1p31};
        for (double value : values) {
            for (Shape shape : List.of(Shape.SCALAR, Shape.of(7), Shape.of(2, 3, 31))) {
                cases.add(new OpCase(new Op.Full(type, shape, value), List.of(), ""));
            }
        }
        return cases;
    }

    static Domain domain(Op.UnaryKind kind) {
        return switch (kind) {
            case LOG, SQRT, RSQRT -> Domain.POSITIVE;
            case RECIPROCAL -> Domain.NONZERO;
            case SIN, COS -> Domain.ANGLE;
            default -> Domain.ANY;
        };
    }

    private static Domain left(Op.BinaryKind kind) {
        return kind == Op.BinaryKind.POW ? Domain.POSITIVE : Domain.ANY;
    }

    private static Domain right(Op.BinaryKind kind) {
        return switch (kind) {
            case DIV -> Domain.NONZERO;
            case POW -> Domain.EXPONENT;
            default -> Domain.ANY;
        };
    }
}
