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

/** Applications of operations that run along axes: matrix products, reductions, running sums, choices of the best. */
final class ReductionCases {

    private static final List<Pattern> PATTERNS = List.of(Pattern.NORMAL, Pattern.WIDE, Pattern.TIES);

    private static final long[][][] MATRICES = {
        {{1, 1}, {1, 1}},
        {{4, 6}, {6, 7}},
        {{1, 702}, {702, 7}},
        {{31, 64}, {64, 207}},
        {{6, 207}, {207, 31}},
        {{64, 1}, {1, 64}},
        {{2, 7, 31}, {31, 4}},
        {{7, 4}, {3, 4, 6}},
        {{2, 1, 4, 6}, {3, 6, 7}},
        {{2, 3, 31, 4}, {2, 3, 4, 31}},
    };

    private static final List<Shape> SHAPES = List.of(
            Shape.of(1),
            Shape.of(7),
            Shape.of(4, 6),
            Shape.of(4, 6),
            Shape.of(2, 31, 3),
            Shape.of(2, 3, 64),
            Shape.of(3, 207),
            Shape.of(6, 702),
            Shape.of(702, 4));

    private static final int[] AXES = {0, 0, 0, 1, 1, 2, 1, 1, 0};

    private ReductionCases() {}

    public static List<OpCase> matmul(DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < MATRICES.length; i++) {
            Pattern pattern = PATTERNS.get(i % PATTERNS.size());
            cases.add(new OpCase(
                    new Op.MatMul(),
                    List.of(
                            inputs.tensor(Shape.of(MATRICES[i][0]), pattern, Domain.ANY),
                            inputs.tensor(Shape.of(MATRICES[i][1]), pattern, Domain.ANY)),
                    pattern.label()));
        }
        return cases;
    }

    public static List<OpCase> reduce(Op.ReduceKind kind, DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            cases.add(reduce(kind, SHAPES.get(i), List.of(AXES[i]), i, inputs));
        }
        if (kind != Op.ReduceKind.PROD) {
            cases.add(new OpCase(
                    new Op.Reduce(kind, List.of(1), false), List.of(negative(inputs.normal(4, 6))), "negative values"));
        }
        cases.add(reduce(kind, Shape.of(4, 6), List.of(0, 1), 0, inputs));
        cases.add(reduce(kind, Shape.of(2, 3, 4, 5), List.of(1, 3), 1, inputs));
        cases.add(reduce(kind, Shape.of(2, 3, 4, 5), List.of(0, 1, 2, 3), 0, inputs));
        return cases;
    }

    private static HostTensor negative(HostTensor numbers) {
        for (int i = 0; i < numbers.shape().elements(); i++) {
            numbers.setDouble(i, -1 - Math.abs(numbers.getDouble(i)));
        }
        return numbers;
    }

    private static OpCase reduce(Op.ReduceKind kind, Shape shape, List<Integer> axes, int i, Inputs inputs) {
        Pattern pattern = PATTERNS.get(i % PATTERNS.size());
        Domain domain = kind == Op.ReduceKind.PROD ? Domain.NEAR_ONE : Domain.ANY;
        return new OpCase(
                new Op.Reduce(kind, axes, i % 2 == 0), List.of(inputs.tensor(shape, pattern, domain)), pattern.label());
    }

    static List<OpCase> cumSum(DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            Pattern pattern = PATTERNS.get(i % PATTERNS.size());
            cases.add(new OpCase(
                    new Op.CumSum(AXES[i], i % 3 == 2),
                    List.of(inputs.tensor(SHAPES.get(i), pattern, Domain.ANY)),
                    pattern.label()));
        }
        return cases;
    }

    static List<OpCase> argReduce(boolean largest, DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            for (Pattern pattern : List.of(Pattern.NORMAL, Pattern.TIES)) {
                cases.add(new OpCase(
                        new Op.ArgReduce(largest, AXES[i], i % 2 == 0),
                        List.of(inputs.tensor(SHAPES.get(i), pattern, Domain.ANY)),
                        pattern.label()));
            }
        }
        return cases;
    }

    static List<OpCase> topK(DType type, SplittableRandom random) {
        Inputs inputs = new Inputs(random, type);
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            int size = (int) SHAPES.get(i).size(AXES[i]);
            for (int k : new int[] {1, Math.min(3, size), size}) {
                Pattern pattern = k == 1 ? Pattern.NORMAL : Pattern.TIES;
                cases.add(new OpCase(
                        new Op.TopK(k, AXES[i], i % 2 == 0),
                        List.of(inputs.tensor(SHAPES.get(i), pattern, Domain.ANY)),
                        pattern.label()));
            }
        }
        return cases;
    }
}
