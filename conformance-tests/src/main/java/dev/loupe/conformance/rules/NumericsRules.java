package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.Precision;
import dev.loupe.conformance.cases.SampleBlock;
import dev.loupe.conformance.cases.WholeNumberCases;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Oracle;
import dev.loupe.conformance.measures.PreparedBlock;
import dev.loupe.conformance.measures.Tolerances;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 8: what holds of the numbers as a whole. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class NumericsRules {

    private final Bench bench;

    public NumericsRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("8.1")
    Stream<Trial> operationsRepeatThemselves() {
        return bench.floats().stream()
                .map(type -> new Trial("operations/" + type.label(), attempt -> {
                    List<OpCase> cases = OperationRules.allCases(type, attempt.random(0));
                    attempt.each(cases, OpCase::describe, one -> {
                        HostTensor first = OnBackend.execute(bench.backend(), one.op(), one.inputs())
                                .get(0);
                        for (int i = 0; i < 3; i++) {
                            HostTensor again = OnBackend.execute(bench.backend(), one.op(), one.inputs())
                                    .get(0);
                            repeats(one.op().name(), again, first);
                        }
                    });
                }));
    }

    @Rule("8.1")
    Stream<Trial> blocksRepeatThemselves() {
        return bench.floats().stream()
                .map(type -> new Trial("block/" + type.label(), attempt -> {
                    SampleBlock block = new SampleBlock(type);
                    List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 31);
                    try (PreparedBlock prepared =
                            new PreparedBlock(bench.backend(), block.segment(), block.weights(attempt.random(0)))) {
                        HostTensor first =
                                prepared.run(inputs, List.of(block.result())).get(0);
                        for (int i = 0; i < 5; i++) {
                            repeats(
                                    "a block",
                                    prepared.run(inputs, List.of(block.result()))
                                            .get(0),
                                    first);
                        }
                    }
                }));
    }

    private void repeats(String what, HostTensor again, HostTensor first) {
        boolean exact = bench.capabilities().deterministic() || !again.dtype().isFloating();
        double[] allowed = exact ? null : ModelTolerance.allowed(first, again.dtype(), 2);
        Comparison.of(again, first, allowed)
                .check(what + ", run again (" + (exact ? "declared deterministic" : "not declared deterministic")
                        + ")");
    }

    @Rule("8.2")
    Stream<Trial> float64IsComputedInFloat64() {
        return fullPrecision(DType.FLOAT64, 1 + 0x1p-52 * 12345);
    }

    @Rule("8.3")
    Stream<Trial> float32IsComputedInFloat32() {
        return fullPrecision(DType.FLOAT32, 1 + 0x1p-23 * 12345);
    }

    /**
     * A product with the identity is exact whatever the order of the sum; a unit that cuts its operands to fewer bits
     * isn't.
     */
    private Stream<Trial> fullPrecision(DType type, double factor) {
        if (!bench.floats().contains(type)) {
            return Stream.empty();
        }
        return Stream.of(1, 7, 64, 207)
                .flatMap(size -> Stream.of("matmul", "linear").map(name -> {
                    return new Trial(name + "-" + size, attempt -> {
                        Inputs inputs = new Inputs(attempt.random(0), type);
                        HostTensor x = inputs.normal(31, size);
                        HostTensor scaled = HostTensor.allocate(type, Shape.of(size, size));
                        HostTensor zeros = HostTensor.allocate(type, Shape.of(size));
                        HostTensor expected = HostTensor.allocate(type, x.shape());
                        for (int i = 0; i < size; i++) {
                            scaled.setDouble(i * size + i, factor);
                        }
                        for (int i = 0; i < expected.shape().elements(); i++) {
                            expected.setDouble(i, x.getDouble(i) * factor);
                        }
                        boolean linear = name.equals("linear");
                        HostTensor found = OnBackend.execute(
                                        bench.backend(),
                                        linear ? new Op.Linear() : new Op.MatMul(),
                                        linear ? List.of(x, scaled, zeros) : List.of(x, scaled))
                                .get(0);
                        double[] allowed = new double[(int) found.shape().elements()];
                        for (int i = 0; i < allowed.length; i++) {
                            allowed[i] = Precision.ulp(expected.getDouble(i), type);
                        }
                        Comparison.of(found, expected, allowed)
                                .check("a product with a multiple of the identity, in " + type);
                    });
                }));
    }

    @Rule("8.4")
    Stream<Trial> int64IsExact() {
        List<OpCase> cases = WholeNumberCases.all();
        return cases.stream()
                .map(one -> new Trial(one.op().name() + "-" + cases.indexOf(one), attempt -> {
                    List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
                    OperationRules.compare(one, found, bench.oracle(), attempt.report());
                }));
    }

    @Rule("8.4")
    Stream<Trial> int64IsExactInGraphs() {
        return Stream.of(new Trial("graph", attempt -> {
            TensorType whole = TensorType.of(DType.INT64, Shape.of(4));
            Segment segment = new Segment(
                    "whole-numbers",
                    Placement.ANYWHERE,
                    false,
                    List.of(whole, whole, whole, whole, whole),
                    List.of(0, 1),
                    List.of(),
                    List.of(
                            new Segment.Step(new Op.Unary(Op.UnaryKind.NEG), List.of(0), List.of(2)),
                            new Segment.Step(new Op.Binary(Op.BinaryKind.ADD), List.of(0, 1), List.of(3)),
                            new Segment.Step(new Op.Binary(Op.BinaryKind.MAX), List.of(2, 3), List.of(4))),
                    List.of(2, 3, 4));
            long big = (1L << 53) + 1;
            HostTensor x = HostTensor.of(Shape.of(4), big, -big, (1L << 62) + 1, 7L);
            HostTensor y = HostTensor.of(Shape.of(4), 2L, -2L, 2L, big);
            List<HostTensor> expected = List.of(
                    HostTensor.of(Shape.of(4), -big, big, -(1L << 62) - 1, -7L),
                    HostTensor.of(Shape.of(4), big + 2, -big - 2, (1L << 62) + 3, big + 7),
                    HostTensor.of(Shape.of(4), big + 2, big, (1L << 62) + 3, big + 7));
            try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
                List<HostTensor> found = OnBackend.run(bench.backend(), graph, List.of(x, y), segment.outputs());
                for (int i = 0; i < expected.size(); i++) {
                    Comparison.of(found.get(i), expected.get(i), null)
                            .check("slot " + segment.outputs().get(i) + " of a graph of int64");
                }
            }
        }));
    }

    @Rule("8.5")
    Stream<Trial> aRowOfABatchIsThatRowAlone() {
        return bench.floats().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    SampleBlock block = new SampleBlock(type);
                    List<HostTensor> batch = block.inputs(attempt.random(1), 3, 7);
                    try (PreparedBlock prepared =
                            new PreparedBlock(bench.backend(), block.segment(), block.weights(attempt.random(0)))) {
                        HostTensor all =
                                prepared.run(batch, List.of(block.result())).get(0);
                        attempt.each(List.of(0, 1, 2), row -> "row " + row, row -> {
                            List<HostTensor> one = List.of(row(batch.get(0), row), row(batch.get(1), row));
                            HostTensor alone =
                                    prepared.run(one, List.of(block.result())).get(0);
                            ModelTolerance.check(
                                    "the row alone", alone, row(all, row), 2, attempt.report(), attempt.path());
                        });
                    }
                }));
    }

    private static HostTensor row(HostTensor batch, int row) {
        Shape shape = batch.shape().with(0, 1);
        int bytes = HostTensor.byteSize(batch.dtype(), shape);
        return new HostTensor(batch.dtype(), shape, batch.data().slice(row * bytes, bytes));
    }

    @Rule("8.6")
    void threadsChangeNoMoreThanRounding(Attempt attempt) {
        SampleBlock block = new SampleBlock(DType.FLOAT32);
        Map<String, HostTensor> weights = block.weights(attempt.random(0));
        List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 64);
        HostTensor before;
        try (PreparedBlock prepared = new PreparedBlock(bench.backend(), block.segment(), weights)) {
            before = prepared.run(inputs, List.of(block.result())).get(0);
        }
        attempt.each(List.of(1, 2, 3), threads -> threads + " threads", threads -> {
            try (Backend other = bench.provider().open(bench.options().withThreads(threads));
                    PreparedBlock prepared = new PreparedBlock(other, block.segment(), weights)) {
                HostTensor found = prepared.run(inputs, List.of(block.result())).get(0);
                ModelTolerance.check("a block's result", found, before, 2, attempt.report(), attempt.path());
            }
        });
    }

    @Rule("8.7")
    Stream<Trial> softmaxKeepsItsInvariants() {
        return bench.floats().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    Inputs inputs = new Inputs(attempt.random(0), type);
                    // Whole numbers, so that adding the constant is exact and only the softmax itself is judged.
                    HostTensor x = inputs.tensor(Shape.of(4, 31), Pattern.TIES, Domain.ANY);
                    HostTensor shifted = HostTensor.allocate(type, x.shape());
                    HostTensor reversed = HostTensor.allocate(type, x.shape());
                    for (int i = 0; i < 4 * 31; i++) {
                        shifted.setDouble(i, x.getDouble(i) - 96);
                        reversed.setDouble(i, x.getDouble(i / 31 * 31 + 30 - i % 31));
                    }
                    OpCase plain = new OpCase(new Op.Softmax(1), List.of(x), "");
                    HostTensor p = softmax(x);
                    HostTensor ofShifted = softmax(shifted);
                    HostTensor ofReversed = softmax(reversed);
                    HostTensor turned = HostTensor.allocate(type, x.shape());
                    for (int i = 0; i < 4 * 31; i++) {
                        turned.setDouble(i, ofReversed.getDouble(i / 31 * 31 + 30 - i % 31));
                    }
                    double[] allowed = Tolerances.allowed(plain, Oracle.wide(p), type, bench.oracle());
                    Comparison.of(ofShifted, p, allowed).check("softmax(x - 96)");
                    Comparison.of(turned, p, allowed).check("softmax of x reversed, reversed");
                }));
    }

    private HostTensor softmax(HostTensor x) {
        return OnBackend.execute(bench.backend(), new Op.Softmax(1), List.of(x)).get(0);
    }
}
