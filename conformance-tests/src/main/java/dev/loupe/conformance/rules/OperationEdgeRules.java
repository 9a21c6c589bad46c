package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.ElementwiseCases;
import dev.loupe.conformance.cases.EmptyCases;
import dev.loupe.conformance.cases.FusedCases;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.SizeCases;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Oracle;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.conformance.measures.Tolerances;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 3, second part: ties, NaN, infinities, zero-length axes, wrong indices, and what handles results are. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OperationEdgeRules {

    private static final Set<UnaryKind> FROM_NAN = Set.of(UnaryKind.IS_NAN, UnaryKind.NOT);

    private final Bench bench;

    public OperationEdgeRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("3.8")
    Stream<Trial> theFirstOfEqualsIsChosen() {
        return bench.numbers().stream()
                .map(type -> new Trial("ties/" + type.label(), attempt -> {
                    HostTensor x = numbers(type, 3, 7, 7, 1, 7, 1);
                    assertThat(longs(new Op.ArgReduce(true, 0, false), x))
                            .as("argmax")
                            .containsExactly(1);
                    assertThat(longs(new Op.ArgReduce(false, 0, false), x))
                            .as("argmin")
                            .containsExactly(3);
                    assertThat(second(new Op.TopK(4, 0, true), x))
                            .as("indices of the largest 4")
                            .containsExactly(1, 2, 4, 0);
                    assertThat(second(new Op.TopK(3, 0, false), x))
                            .as("of the smallest 3")
                            .containsExactly(3, 5, 0);
                }));
    }

    @Rule("3.8")
    Stream<Trial> aNanIsChosenFirst() {
        return bench.floats().stream()
                .map(type -> new Trial("nan/" + type.label(), attempt -> {
                    HostTensor x = numbers(type, 3, Double.NaN, 9, Double.NaN, 1);
                    assertThat(longs(new Op.ArgReduce(true, 0, false), x))
                            .as("argmax")
                            .containsExactly(1);
                    assertThat(longs(new Op.ArgReduce(false, 0, false), x))
                            .as("argmin")
                            .containsExactly(1);
                    assertThat(second(new Op.TopK(4, 0, true), x))
                            .as("indices of the largest 4")
                            .containsExactly(1, 3, 2, 0);
                    assertThat(second(new Op.TopK(4, 0, false), x))
                            .as("of the smallest 4")
                            .containsExactly(1, 3, 4, 0);
                }));
    }

    @Rule("3.8")
    Stream<Trial> zerosOfBothSignsAreEqual() {
        return bench.floats().stream()
                .map(type -> new Trial("zeros/" + type.label(), attempt -> {
                    HostTensor x = numbers(type, -0.0, 0.0, -0.0, 0.0);
                    assertThat(longs(new Op.ArgReduce(true, 0, false), x))
                            .as("argmax of -0, 0, -0, 0")
                            .containsExactly(0);
                    assertThat(longs(new Op.ArgReduce(false, 0, false), numbers(type, 0.0, -0.0, 0.0)))
                            .as("argmin of 0, -0, 0")
                            .containsExactly(0);
                    assertThat(second(new Op.TopK(3, 0, true), x))
                            .as("indices of the largest 3 of -0, 0, -0, 0")
                            .containsExactly(0, 1, 2);
                    assertThat(second(new Op.TopK(3, 0, false), x))
                            .as("of the smallest 3")
                            .containsExactly(0, 1, 2);
                }));
    }

    @Rule("3.11")
    Stream<Trial> anIndexOutsideIsRefused() {
        HostTensor data = numbers(DType.FLOAT32, 1, 2, 3, 4);
        return Stream.of(4L, 1000L, -1L, -4L, Long.MAX_VALUE, Long.MIN_VALUE)
                .map(index -> new Trial("index" + index, attempt -> {
                    HostTensor indices = HostTensor.of(Shape.of(2), 0L, index);
                    for (Op op : List.of(new Op.Gather(0), new Op.GatherElements(0))) {
                        Refusal.of(
                                String.format("%s with the index %d, of 4 elements", op.name(), index),
                                IndexOutOfBoundsException.class,
                                () -> OnBackend.execute(bench.backend(), op, List.of(data, indices)));
                    }
                    HostTensor fine = HostTensor.of(Shape.of(2), 3L, 0L);
                    assertThat(OnBackend.execute(bench.backend(), new Op.Gather(0), List.of(data, fine))
                                    .get(0)
                                    .toFloatArray())
                            .as("what is gathered with good indices afterwards")
                            .containsExactly(4, 1);
                }));
    }

    @Rule("3.13")
    Stream<Trial> aFullyMaskedRowGivesZeros() {
        return bench.floats().stream()
                .map(type -> new Trial("masked/" + type.label(), attempt -> {
                    double inf = Double.NEGATIVE_INFINITY;
                    HostTensor x = numbers(type, inf, inf, inf, 0, inf, 0).to(type);
                    HostTensor rows = new HostTensor(type, Shape.of(2, 3), x.data());
                    assertThat(only(new Op.Softmax(1), rows).toDoubleArray())
                            .as("softmax of a row of -inf, and of one with a single masked element")
                            .containsExactly(0, 0, 0, 0.5, 0, 0.5);
                }));
    }

    @Rule("3.18")
    Stream<Trial> aNanGoesThrough() {
        return bench.floats().stream()
                .flatMap(type -> Stream.concat(Stream.concat(unaryNan(type), binaryNan(type)), reductionNan(type)));
    }

    private Stream<Trial> unaryNan(DType type) {
        return Stream.of(UnaryKind.values())
                .filter(kind -> !FROM_NAN.contains(kind))
                .map(kind -> nanTrial(new Op.Unary(kind), type, numbers(type, 1, Double.NaN, 2)));
    }

    private Stream<Trial> binaryNan(DType type) {
        HostTensor nan = numbers(type, 1, Double.NaN, 2);
        HostTensor plain = numbers(type, 2, 3, 4);
        return Stream.of(BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MUL, BinaryKind.DIV, BinaryKind.MAX, BinaryKind.MIN)
                .flatMap(kind -> Stream.of(
                        nanTrial(new Op.Binary(kind), type, nan, plain),
                        new Trial(new Op.Binary(kind).name() + "-right/" + type.label(), attempt -> {
                            HostTensor out = only(new Op.Binary(kind), plain, nan);
                            assertThat(out.getDouble(1))
                                    .as("element 1, of a NaN")
                                    .isNaN();
                        })));
    }

    private Stream<Trial> reductionNan(DType type) {
        HostTensor rows = new HostTensor(
                type, Shape.of(2, 3), numbers(type, 1, 2, 3, 4, Double.NaN, 6).data());
        List<Op> ops = new ArrayList<>();
        for (Op.ReduceKind kind : Op.ReduceKind.values()) {
            ops.add(new Op.Reduce(kind, List.of(1), false));
        }
        ops.add(new Op.Softmax(1));
        ops.add(new Op.LogSoftmax(1));
        ops.add(new Op.LayerNorm(1e-5));
        ops.add(new Op.RmsNorm(1e-5));
        ops.add(new Op.CumSum(1));
        return ops.stream()
                .map(op -> new Trial(op.name() + "/" + type.label(), attempt -> {
                    double[] out = only(op, rows).toDoubleArray();
                    int half = out.length / 2;
                    for (int i = 0; i < out.length; i++) {
                        boolean touched = op instanceof Op.CumSum ? i > half : i >= half;
                        assertThat(Double.isNaN(out[i]))
                                .as("element %d is NaN (the row's NaN is at [1, 1])", i)
                                .isEqualTo(touched);
                    }
                }));
    }

    private Trial nanTrial(Op op, DType type, HostTensor... operands) {
        return new Trial(op.name() + "/" + type.label(), attempt -> {
            HostTensor out = only(op, operands);
            assertThat(out.getDouble(1)).as("element 1, of a NaN").isNaN();
            assertThat(out.getDouble(0)).as("element 0, of plain numbers").isNotNaN();
            assertThat(out.getDouble(2)).as("element 2, of plain numbers").isNotNaN();
        });
    }

    @Rule("3.19")
    Stream<Trial> extremesGoThrough() {
        return bench.floats().stream()
                .flatMap(type -> Stream.concat(
                                Stream.of(UnaryKind.values())
                                        .filter(kind -> kind != UnaryKind.NOT)
                                        .filter(kind -> kind != UnaryKind.SIN && kind != UnaryKind.COS)
                                        .map(Op.Unary::new),
                                Stream.of(BinaryKind.values())
                                        .filter(kind -> kind != BinaryKind.AND && kind != BinaryKind.OR)
                                        .filter(kind -> kind != BinaryKind.POW)
                                        .map(Op.Binary::new))
                        .map(op -> new Trial(op.name() + "/" + type.label(), attempt -> {
                            List<OpCase> cases = ElementwiseCases.special(op, type, attempt.random(0));
                            attempt.each(cases, OpCase::describe, one -> judge(one, attempt));
                        })));
    }

    @Rule("3.19")
    Stream<Trial> zerosKeepTheirSigns() {
        return bench.floats().stream()
                .map(type -> new Trial("signs-of-zeros/" + type.label(), attempt -> {
                    HostTensor x = numbers(type, 0.0, -0.0, 0.0, -0.0);
                    HostTensor y = numbers(type, -1, -1, 1, 1);
                    signs(new Op.Unary(UnaryKind.NEG), List.of(x), "-+-+");
                    signs(new Op.Unary(UnaryKind.ABS), List.of(x), "++++");
                    signs(new Op.Unary(UnaryKind.SQRT), List.of(x), "+-+-");
                    signs(new Op.Binary(BinaryKind.MUL), List.of(x, y), "-++-");
                    signs(new Op.Binary(BinaryKind.DIV), List.of(x, y), "-++-");
                    signs(new Op.Binary(BinaryKind.ADD), List.of(x, x), "+-+-");
                    signs(new Op.Binary(BinaryKind.SUB), List.of(y, y), "++++");
                    // Not of where: ONNX Runtime adds what is picked to 0, which makes 0 of -0.
                    signs(new Op.Slice(0, 1, Op.Slice.TO_END, 2), List.of(x), "--");
                    signs(new Op.Concat(0), List.of(x, x), "+-+-+-+-");
                }));
    }

    private void signs(Op op, List<HostTensor> operands, String expected) {
        StringBuilder found = new StringBuilder();
        for (double value : only(op, operands.toArray(new HostTensor[0])).toDoubleArray()) {
            found.append(value != 0 ? "?" : Math.copySign(1, value) < 0 ? "-" : "+");
        }
        assertThat(found.toString())
                .as("the signs of the zeros that %s gives", op.name())
                .isEqualTo(expected);
    }

    @Rule("3.19")
    Stream<Trial> comparisonsKnowNanAndZero() {
        return bench.floats().stream()
                .map(type -> new Trial("comparisons/" + type.label(), attempt -> {
                    double nan = Double.NaN;
                    double inf = Double.POSITIVE_INFINITY;
                    HostTensor x = numbers(type, nan, nan, 1, 0.0, -0.0, inf, -inf);
                    HostTensor y = numbers(type, nan, 1, nan, -0.0, 0.0, inf, inf);
                    compares(BinaryKind.EQ, x, y, 0, 0, 0, 1, 1, 1, 0);
                    compares(BinaryKind.NE, x, y, 1, 1, 1, 0, 0, 0, 1);
                    compares(BinaryKind.LT, x, y, 0, 0, 0, 0, 0, 0, 1);
                    compares(BinaryKind.LE, x, y, 0, 0, 0, 1, 1, 1, 1);
                    compares(BinaryKind.GT, x, y, 0, 0, 0, 0, 0, 0, 0);
                    compares(BinaryKind.GE, x, y, 0, 0, 0, 1, 1, 1, 0);
                }));
    }

    private void compares(BinaryKind kind, HostTensor x, HostTensor y, double... expected) {
        assertThat(only(new Op.Binary(kind), x, y).toDoubleArray())
                .as("NaN, NaN, 1, 0, -0, inf, -inf %s NaN, 1, NaN, -0, 0, inf, inf", new Op.Binary(kind).name())
                .containsExactly(expected);
    }

    @Rule("3.20")
    Stream<Trial> aCompositeAgreesWithItsDecomposition() {
        return FusedCases.operations().stream()
                .flatMap(operation -> bench.floats().stream()
                        .map(type -> new Trial(operation + "/" + type.label(), attempt -> {
                            List<OpCase> cases = FusedCases.of(operation, type, attempt.random(0));
                            attempt.each(cases, OpCase::describe, one -> agreesWithDecomposition(one, type));
                        })));
    }

    private void agreesWithDecomposition(OpCase one, DType type) {
        Segment segment = Segments.decompose(Segments.ofOneOp(one.op(), one.inputTypes()), op -> false);
        HostTensor fused = only(one.op(), one.inputs().toArray(new HostTensor[0]));
        HostTensor full =
                OnBackend.prepareAndRun(bench.backend(), segment, one.inputs()).get(0);
        double[] allowed = Tolerances.allowed(one, Oracle.wide(full), type, bench.oracle());
        if (allowed == null) {
            throw new IllegalStateException(one.op() + " has no tolerance");
        }
        for (int i = 0; i < allowed.length; i++) {
            allowed[i] *= 2;
        }
        Comparison.of(fused, full, allowed)
                .check(one.op().name() + " against its decomposition, found against expected");
    }

    @Rule("3.21")
    Stream<Trial> resultsAreNewHandlesAndInputsStay() {
        return bench.movable().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    List<OpCase> cases = new ArrayList<>(OperationRules.allCases(type, attempt.random(0)));
                    cases.addAll(unchanging(type, attempt));
                    attempt.each(cases, OpCase::describe, this::leavesItsInputs);
                }));
    }

    /** Ops that change nothing, for which giving back the input would be the easy way. */
    private static List<OpCase> unchanging(DType type, Attempt attempt) {
        HostTensor x = new Inputs(attempt.random(1), type).tensor(Shape.of(4, 6), Pattern.NORMAL, Inputs.Domain.ANY);
        return Stream.of(
                        new Op.Cast(type),
                        new Op.Reshape(Shape.of(4, 6)),
                        new Op.Transpose(List.of(0, 1)),
                        new Op.Expand(List.of(-1L, 6L)),
                        new Op.Slice(0, 0, Op.Slice.TO_END, 1),
                        new Op.Concat(1),
                        new Op.MergeAxes(0, 1),
                        new Op.SplitAxis(0, List.of(-1L)))
                .map(op -> new OpCase(op, List.of(x), "nothing to do"))
                .toList();
    }

    private void leavesItsInputs(OpCase one) {
        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
            List<TensorHandle> inputs = handles.upload(one.inputs());
            List<TensorHandle> results = handles.adopt(bench.backend().execute(one.op(), inputs));
            results.forEach(handles::close);
            for (int i = 0; i < inputs.size(); i++) {
                Comparison.of(handles.download(inputs.get(i)), one.inputs().get(i), null)
                        .check("input " + i + " of " + one.op().name()
                                + ", after the run and the closing of its results");
            }
        }
    }

    @Rule("3.22")
    Stream<Trial> zeroLengthAxesWork() {
        return bench.movable().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    List<OpCase> cases = EmptyCases.of(type, attempt.random(0));
                    attempt.each(cases, OpCase::describe, one -> judge(one, attempt));
                }));
    }

    @Rule("3.24")
    Stream<Trial> symbolicSizesWork() {
        return SymbolicCase.all().stream()
                .flatMap(symbolic -> bench.floats().stream()
                        .map(type -> new Trial(symbolic.name() + "/" + type.label(), attempt -> {
                            symbolic.run(bench, type, attempt);
                        })));
    }

    private void judge(OpCase one, Attempt attempt) {
        List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
        OnBackend.checkTypes(one, found);
        OperationRules.compare(one, found, bench.oracle(), attempt.report());
    }

    private HostTensor only(Op op, HostTensor... operands) {
        return OnBackend.execute(bench.backend(), op, List.of(operands)).get(0);
    }

    private long[] longs(Op op, HostTensor x) {
        return only(op, x).toLongArray();
    }

    private long[] second(Op op, HostTensor x) {
        return OnBackend.execute(bench.backend(), op, List.of(x)).get(1).toLongArray();
    }

    private static HostTensor numbers(DType type, double... values) {
        HostTensor tensor = HostTensor.allocate(type, Shape.of(values.length));
        for (int i = 0; i < values.length; i++) {
            tensor.setDouble(i, values[i]);
        }
        return tensor;
    }

    @Rule("3.26")
    Stream<Trial> sizesOfRealModels() {
        return bench.floats().stream()
                .flatMap(type -> SizeCases.of(type, new SplittableRandom(0)).keySet().stream()
                        .map(operation -> new Trial(operation + "/" + type.label(), attempt -> {
                            List<OpCase> cases = Objects.requireNonNull(
                                    SizeCases.of(type, attempt.random(0)).get(operation));
                            attempt.each(cases, OpCase::describe, one -> {
                                List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
                                OnBackend.checkTypes(one, found);
                                OperationRules.compare(one, found, bench.oracle(), attempt.report());
                            });
                        })));
    }
}
