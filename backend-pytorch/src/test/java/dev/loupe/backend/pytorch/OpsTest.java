package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Placement;
import dev.loupe.backend.TensorHandle;
import dev.loupe.backend.pytorch.OpCase.Cases;
import dev.loupe.backend.pytorch.OpCase.Fill;
import dev.loupe.backend.pytorch.TorchDevice.Kind;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.TensorType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every op in every data type on awkward shapes, against the reference backend in float64. */
class OpsTest {

    private static final List<DType> FLOATING = List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16);
    private static final List<DType> NUMBERS =
            List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.INT64, DType.INT32);
    private static final List<DType> ALL =
            List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.INT64, DType.INT32, DType.BOOL);

    private static final Set<String> UNTOLD = Set.of(
            "abs",
            "and",
            "attention",
            "gather",
            "is_nan",
            "layer_norm",
            "ne",
            "not",
            "or",
            "relu",
            "sign",
            "softmax",
            "where");

    private static final long[][] SHAPES = {{}, {1}, {7}, {0}, {2, 3}, {1, 5, 1}, {3, 0, 2}, {2, 3, 4, 5}, {17, 33}};

    private static Backend torch;
    private static Backend likeAGpu;
    private static Backend nowhere;
    private static Backend reference;

    @BeforeAll
    static void open() {
        torch = new PyTorchBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
        likeAGpu = new PyTorchBackend(TorchEngine.load().cpuAs("like-a-gpu", Kind.GPU, 0));
        nowhere = new PyTorchBackend(TorchEngine.load().cpuAs("nowhere", Kind.NOWHERE, 0));
        reference = new ReferenceBackendProvider().open(BackendOptions.DEFAULT);
    }

    @AfterAll
    static void close() {
        torch.close();
        likeAGpu.close();
        nowhere.close();
        reference.close();
    }

    static Stream<OpCase> elementwise() {
        List<OpCase> cases = new ArrayList<>();
        for (DType dtype : ALL) {
            Cases c = new Cases(dtype, 1000);
            for (UnaryKind kind : UnaryKind.values()) {
                boolean takes = switch (kind) {
                    case NOT -> dtype == DType.BOOL;
                    case NEG, ABS, SIGN, RELU -> dtype != DType.BOOL;
                    default -> dtype.isFloating();
                };
                if (takes) {
                    for (long[] shape : SHAPES) {
                        c.add(new Op.Unary(kind), Fill.NORMAL, shape);
                        c.add(new Op.Unary(kind), Fill.SPECIAL, shape);
                    }
                }
            }
            for (BinaryKind kind : BinaryKind.values()) {
                boolean takes = switch (kind) {
                    case AND, OR -> dtype == DType.BOOL;
                    case EQ, NE -> true;
                    case DIV, POW -> dtype.isFloating();
                    default -> dtype != DType.BOOL;
                };
                if (takes) {
                    for (Fill fill : kind == BinaryKind.POW
                            ? List.of(Fill.POSITIVE)
                            : List.of(Fill.NORMAL, Fill.TIES, Fill.SPECIAL)) {
                        for (long[] shape : SHAPES) {
                            c.add(new Op.Binary(kind), fill, shape, shape);
                        }
                        c.add(new Op.Binary(kind), fill, new long[] {2, 3, 4}, new long[] {});
                        c.add(new Op.Binary(kind), fill, new long[] {}, new long[] {2, 0});
                        c.add(new Op.Binary(kind), fill, new long[] {3, 1}, new long[] {2, 1, 5});
                        c.add(new Op.Binary(kind), fill, new long[] {4}, new long[] {3, 4});
                    }
                }
            }
            Random random = c.random();
            c.add(
                    "[2,3] where a broadcasts",
                    new Op.Where(),
                    OpCase.tensor(random, DType.BOOL, Fill.NORMAL, 2, 3),
                    OpCase.tensor(random, dtype, Fill.SPECIAL, 3),
                    OpCase.tensor(random, dtype, Fill.SPECIAL, 2, 1));
            c.add(
                    "[4,1] where the condition broadcasts",
                    new Op.Where(),
                    OpCase.tensor(random, DType.BOOL, Fill.NORMAL, 4, 1),
                    OpCase.tensor(random, dtype, Fill.NORMAL, 2, 4, 3),
                    OpCase.tensor(random, dtype, Fill.NORMAL));
            for (DType to : ALL) {
                for (long[] shape : SHAPES) {
                    c.add(new Op.Cast(to), Fill.NORMAL, shape);
                }
            }
            c.add("scalar", new Op.Full(dtype, Shape.SCALAR, 1));
            c.add("[2,0]", new Op.Full(dtype, Shape.of(2, 0), 1));
            c.add("[3,5]", new Op.Full(dtype, Shape.of(3, 5), dtype.isFloating() ? -1.5 : 7));
            cases.addAll(c.all);
        }
        return cases.stream();
    }

    static Stream<OpCase> reductions() {
        List<OpCase> cases = new ArrayList<>();
        for (DType dtype : NUMBERS) {
            Cases c = new Cases(dtype, 2000);
            for (ReduceKind kind : ReduceKind.values()) {
                if (kind == ReduceKind.MEAN && !dtype.isFloating()) {
                    continue;
                }
                for (boolean keep : new boolean[] {true, false}) {
                    for (Fill fill : List.of(Fill.POSITIVE, Fill.TIES_AND_NAN)) {
                        c.add(new Op.Reduce(kind, List.of(0), keep), fill, new long[] {5});
                        c.add(new Op.Reduce(kind, List.of(1), keep), fill, new long[] {3, 5, 2});
                        c.add(new Op.Reduce(kind, List.of(0, 2), keep), fill, new long[] {3, 5, 2});
                        c.add(new Op.Reduce(kind, List.of(0, 1, 2), keep), fill, new long[] {2, 3, 4});
                        c.add(new Op.Reduce(kind, List.of(1), keep), fill, new long[] {0, 3});
                    }
                    if (kind != ReduceKind.MAX && kind != ReduceKind.MIN) {
                        c.add(new Op.Reduce(kind, List.of(1), keep), Fill.NORMAL, new long[] {2, 0});
                    }
                }
            }
            for (Fill fill : List.of(Fill.NORMAL, Fill.TIES, Fill.TIES_AND_NAN)) {
                for (boolean largest : new boolean[] {true, false}) {
                    for (int axis = 0; axis < 3; axis++) {
                        c.add(new Op.ArgReduce(largest, axis, axis == 1), fill, new long[] {4, 9, 3});
                        c.add(new Op.TopK(3, axis, largest), fill, new long[] {4, 9, 3});
                        c.add(new Op.TopK(1, axis, largest), fill, new long[] {4, 9, 3});
                    }
                    c.add(new Op.ArgReduce(largest, 0, false), fill, new long[] {1});
                    c.add(new Op.TopK(0, 0, largest), fill, new long[] {5});
                    c.add(new Op.TopK(2000, 0, largest), fill, new long[] {2000});
                    c.add(new Op.TopK(7, 1, largest), fill, new long[] {2, 2000});
                }
                for (int axis = 0; axis < 3; axis++) {
                    c.add(new Op.CumSum(axis), fill, new long[] {2, 5, 3});
                }
                c.add(new Op.CumSum(0), fill, new long[] {0});
            }
            cases.addAll(c.all);
        }
        return cases.stream();
    }

    static Stream<OpCase> movement() {
        List<OpCase> cases = new ArrayList<>();
        for (DType dtype : ALL) {
            Cases c = new Cases(dtype, 3000);
            long[] x = {3, 4, 5};
            c.add(new Op.Slice(1, 1, 3, 1), Fill.SPECIAL, x);
            c.add(new Op.Slice(2, -2, Op.Slice.TO_END, 1), Fill.NORMAL, x);
            c.add(new Op.Slice(2, 0, 100, 2), Fill.NORMAL, x);
            c.add(new Op.Slice(0, -100, -1, 1), Fill.NORMAL, x);
            c.add(new Op.Slice(1, 3, 1, 1), Fill.NORMAL, x);
            c.add(new Op.Slice(0, 0, 1, 1), Fill.NORMAL, new long[] {1000, 3});
            c.add(new Op.Concat(1), Fill.NORMAL, x, new long[] {3, 0, 5}, new long[] {3, 2, 5});
            c.add(new Op.Concat(0), Fill.SPECIAL, x);
            c.add(new Op.Concat(0), Fill.NORMAL, new long[] {2}, new long[] {0}, new long[] {3});
            c.add(new Op.Reshape(Shape.of(5, 12)), Fill.NORMAL, x);
            c.add(new Op.Reshape(Shape.SCALAR), Fill.NORMAL, new long[] {1, 1});
            c.add(new Op.Reshape(Shape.of(0, 7)), Fill.NORMAL, new long[] {3, 0});
            c.add(new Op.SplitAxis(1, List.of(2L, -1L)), Fill.NORMAL, x);
            c.add(new Op.SplitAxis(0, List.of(1L, -1L)), Fill.NORMAL, x);
            c.add(new Op.SplitAxis(1, List.of(2L, -1L)), Fill.NORMAL, new long[] {3, 0});
            c.add(new Op.MergeAxes(0, 2), Fill.NORMAL, x);
            c.add(new Op.MergeAxes(1, 1), Fill.NORMAL, x);
            c.add(new Op.MergeAxes(0, 3), Fill.NORMAL, new long[] {2, 0, 3});
            c.add(new Op.Transpose(List.of(2, 0, 1)), Fill.NORMAL, x);
            c.add(new Op.Transpose(List.of()), Fill.NORMAL, new long[] {});
            c.add(new Op.Expand(List.of(-1L, 4L, 5L)), Fill.NORMAL, new long[] {3, 1, 5});
            c.add(new Op.Expand(List.of(2L)), Fill.NORMAL, new long[] {1});
            c.add(new Op.SliceScatter(1, 1), Fill.NORMAL, x, new long[] {3, 2, 5});
            c.add(new Op.SliceScatter(0, 3), Fill.NORMAL, x, new long[] {0, 4, 5});
            Random random = c.random();
            for (int axis = 0; axis < 3; axis++) {
                long[] shape = {3, 4, 5};
                shape[axis] = 2;
                c.add(
                        "axis " + axis,
                        new Op.GatherElements(axis),
                        OpCase.tensor(random, dtype, Fill.SPECIAL, x),
                        OpCase.indices(random, x[axis], shape));
                c.add(
                        "axis " + axis,
                        new Op.Gather(axis),
                        OpCase.tensor(random, dtype, Fill.SPECIAL, x),
                        OpCase.indices(random, x[axis], 2, 3));
                c.add(
                        "axis " + axis + ", scalar index",
                        new Op.Gather(axis),
                        OpCase.tensor(random, dtype, Fill.SPECIAL, x),
                        OpCase.indices(random, x[axis]));
                HostTensor distinct = HostTensor.allocate(DType.INT64, Shape.of(shape));
                for (int i = 0; i < distinct.shape().elements(); i++) {
                    long inner = 1;
                    for (int j = axis + 1; j < 3; j++) {
                        inner *= shape[j];
                    }
                    distinct.data().putLong(i * Long.BYTES, i / inner % 2 == 0 ? x[axis] - 1 : 0);
                }
                c.add(
                        "axis " + axis,
                        new Op.ScatterElements(axis),
                        OpCase.tensor(random, dtype, Fill.SPECIAL, x),
                        distinct,
                        OpCase.tensor(random, dtype, Fill.NORMAL, shape));
            }
            c.add(
                    "rows of a matrix",
                    new Op.Gather(0),
                    OpCase.tensor(random, dtype, Fill.SPECIAL, 11, 6),
                    OpCase.indices(random, 11, 2, 5));
            c.add(
                    "no rows",
                    new Op.Gather(0),
                    OpCase.tensor(random, dtype, Fill.SPECIAL, 11, 6),
                    OpCase.indices(random, 11, 0));
            cases.addAll(c.all);
        }
        return cases.stream();
    }

    static Stream<OpCase> floating() {
        List<OpCase> cases = new ArrayList<>();
        for (DType dtype : FLOATING) {
            Cases c = new Cases(dtype, 4000);
            c.add(new Op.MatMul(), Fill.NORMAL, new long[] {3, 4}, new long[] {4, 5});
            c.add(new Op.MatMul(), Fill.NORMAL, new long[] {2, 3, 17, 9}, new long[] {9, 5});
            c.add(new Op.MatMul(), Fill.NORMAL, new long[] {2, 1, 3, 4}, new long[] {1, 5, 4, 2});
            c.add(new Op.MatMul(), Fill.NORMAL, new long[] {3, 0}, new long[] {0, 5});
            c.add(new Op.MatMul(), Fill.NORMAL, new long[] {1, 1}, new long[] {1, 1});
            c.add(new Op.Linear(), Fill.NORMAL, new long[] {2, 3, 4}, new long[] {4, 5}, new long[] {5});
            c.add(new Op.Linear(), Fill.NORMAL, new long[] {4}, new long[] {4, 5}, new long[] {5});
            c.add(new Op.Linear(), Fill.NORMAL, new long[] {0, 4}, new long[] {4, 5}, new long[] {5});
            for (ActivationKind kind : ActivationKind.values()) {
                for (long[] shape : SHAPES) {
                    c.add(new Op.Activation(kind), Fill.NORMAL, shape);
                }
            }
            for (int axis = 0; axis < 3; axis++) {
                c.add(new Op.Softmax(axis), Fill.NORMAL, new long[] {3, 4, 5});
                c.add(new Op.LogSoftmax(axis), Fill.NORMAL, new long[] {3, 4, 5});
                HostTensor masked = OpCase.tensor(c.random(), dtype, Fill.NORMAL, 2, 2, 2);
                for (int i = 0; i < 5; i++) {
                    masked.setDouble(i, Double.NEGATIVE_INFINITY);
                }
                masked.setDouble(7, Double.NaN);
                c.add("masked rows, a NaN", new Op.Softmax(axis), masked);
                HostTensor larger = OpCase.tensor(c.random(), dtype, Fill.NORMAL, 7, 8, 9);
                for (int i = 0; i < larger.shape().size(axis); i++) {
                    larger.setDouble(
                            axis == 0 ? i * 72 + 19 : axis == 1 ? 72 + i * 9 + 8 : 90 + i, Double.NEGATIVE_INFINITY);
                }
                c.add("one masked row of many", new Op.Softmax(axis), larger);
            }
            c.add(new Op.Softmax(0), Fill.NORMAL, new long[] {1});
            c.add(new Op.Softmax(1), Fill.NORMAL, new long[] {3, 0});
            c.add(new Op.Softmax(0), Fill.SPECIAL, new long[] {3, 40});
            for (double eps : new double[] {1e-5, 0.1}) {
                for (Fill fill : List.of(Fill.NORMAL, Fill.POSITIVE)) {
                    c.add(new Op.LayerNorm(eps), fill, new long[] {2, 3, 8});
                    c.add(new Op.LayerNorm(eps), fill, new long[] {2, 8}, new long[] {8}, new long[] {8});
                    c.add(new Op.LayerNorm(eps), fill, new long[] {0, 8});
                    c.add(new Op.LayerNorm(eps), fill, new long[] {3, 1});
                    c.add(new Op.RmsNorm(eps), fill, new long[] {2, 3, 8});
                    c.add(new Op.RmsNorm(eps), fill, new long[] {2, 8}, new long[] {8});
                }
            }
            c.add(new Op.Rotate(), Fill.NORMAL, new long[] {2, 3, 4, 8}, new long[] {2, 3, 4}, new long[] {2, 3, 4});
            c.add(new Op.Rotate(), Fill.NORMAL, new long[] {2, 3, 4, 8}, new long[] {2, 3, 3}, new long[] {2, 3, 3});
            addAttention(c, 2, 5, 5, 3, 3, 8, 8);
            addAttention(c, 1, 1, 7, 4, 2, 6, 6);
            addAttention(c, 2, 3, 9, 6, 2, 4, 5);
            addAttention(c, 1, 130, 130, 2, 1, 16, 16);
            cases.addAll(c.all);
        }
        return cases.stream();
    }

    private static void addAttention(Cases c, long b, long p, long t, long h, long kv, long d, long e) {
        for (boolean allSee : new boolean[] {true, false}) {
            Random random = c.random();
            HostTensor mask = OpCase.tensor(random, DType.BOOL, Fill.NORMAL, b, 1, p, t);
            for (int row = 0; row < b * p; row++) {
                for (int i = 0; i < t; i++) {
                    if (row == 0 && !allSee) {
                        mask.setDouble(i, 0);
                    } else if (i == row % t) {
                        mask.setDouble((int) (row * t + i), 1);
                    }
                }
            }
            c.add(
                    "b" + b + " p" + p + " t" + t + " h" + h + " kv" + kv + (allSee ? "" : ", a row sees nothing"),
                    new Op.Attention(0.3),
                    OpCase.tensor(random, c.dtype, Fill.NORMAL, b, p, h, d),
                    OpCase.tensor(random, c.dtype, Fill.NORMAL, b, t, kv, d),
                    OpCase.tensor(random, c.dtype, Fill.NORMAL, b, t, kv, e),
                    mask);
        }
    }

    @ParameterizedTest
    @MethodSource({"elementwise", "reductions", "movement", "floating"})
    void givesWhatTheReferenceGives(OpCase test) {
        List<HostTensor> expected = run(
                reference,
                inReference(test.op()),
                test.operands().stream().map(OpsTest::widen).toList());
        List<TensorType> types = types(test);
        boolean elementwise = test.op() instanceof Op.Unary || test.op() instanceof Op.Binary;
        for (Backend backend : elementwise ? List.of(torch) : List.of(torch, likeAGpu)) {
            List<HostTensor> actual = run(backend, test.op(), test.operands());
            assertThat(actual).hasSameSizeAs(expected);
            for (int i = 0; i < actual.size(); i++) {
                compare(test, actual.get(i), expected.get(i), types.get(i).dtype());
            }
        }
    }

    // Arrays without numbers: libtorch refuses every question about one, and to move one to the CPU.
    @Test
    void aGpuIsNeverAskedForANumber() {
        Set<String> tried = new HashSet<>();
        Set<String> untold = new TreeSet<>();
        Stream.of(elementwise(), reductions(), movement(), floating())
                .flatMap(cases -> cases)
                .filter(test -> tried.add(test.op() + " " + types(test))
                        && !untold.contains(test.op().name()))
                .forEach(test -> {
                    List<TensorType> found = new ArrayList<>();
                    try {
                        run(
                                nowhere,
                                test.op(),
                                test.operands(),
                                outputs -> outputs.forEach(
                                        output -> found.add(TensorType.of(output.dtype(), output.shape()))));
                        assertThat(found).as(test.toString()).isEqualTo(types(test));
                    } catch (IllegalStateException e) {
                        assertThat(e).as(test.toString()).hasStackTraceContaining("no fake impl or Meta kernel");
                        untold.add(test.op().name());
                    }
                });
        // libtorch has them for arrays with numbers only. None of them is written with a question in it: see below.
        assertThat(untold).isSubsetOf(UNTOLD);
    }

    @Test
    void onlyWhatRunsOnACpuIsWrittenWithAQuestionInIt() throws IOException {
        String function = "";
        Set<String> ask = new TreeSet<>();
        try (InputStream source = Objects.requireNonNull(PyTorchBackend.class.getResourceAsStream("ops.py"))) {
            for (String line : new String(source.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
                Matcher begins = Pattern.compile("  def (\\w+)\\(.*").matcher(line);
                if (begins.matches()) {
                    function = begins.group(1);
                } else if (Pattern.compile("\\b(bool|int|float)\\(|nonzero|item|tolist|equal\\(|unique|masked_select")
                        .matcher(line)
                        .find()) {
                    ask.add(function);
                }
            }
        }
        assertThat(ask).containsExactly("attention", "top_k");
    }

    private static List<TensorType> types(OpCase test) {
        return test.op()
                .infer(test.operands().stream()
                        .map(x -> TensorType.of(x.dtype(), x.shape()))
                        .toList());
    }

    private static Op inReference(Op op) {
        if (op instanceof Op.Cast cast && cast.to().isFloating()) {
            return new Op.Cast(DType.FLOAT64);
        } else if (op instanceof Op.Full full && full.dtype().isFloating()) {
            return new Op.Full(DType.FLOAT64, full.shape(), full.value());
        }
        return op;
    }

    private static HostTensor widen(HostTensor tensor) {
        return tensor.dtype().isFloating() ? tensor.to(DType.FLOAT64) : tensor;
    }

    private static void compare(OpCase test, HostTensor actual, HostTensor expected, DType dtype) {
        assertThat(actual.dtype()).as(test.toString()).isEqualTo(dtype);
        assertThat(actual.shape()).as(test.toString()).isEqualTo(expected.shape());
        double[] got = actual.toDoubleArray();
        double[] want = expected.toDoubleArray();
        // Relative to the numbers that went in: unit roundoff times a few dozen.
        double roundoff = switch (dtype) {
            case FLOAT64 -> 1e-14;
            case FLOAT32 -> 4e-6;
            case FLOAT16 -> 2e-3;
            default -> 0;
        };
        for (int i = 0; i < want.length; i++) {
            String where = test + " element " + i;
            if (Double.isNaN(want[i]) || Double.isInfinite(want[i])) {
                assertThat(got[i]).as(where).isEqualTo(Double.valueOf(want[i]));
            } else {
                assertThat(got[i]).as(where).isCloseTo(want[i], within(roundoff * Math.max(1, Math.abs(want[i]))));
            }
        }
    }

    private static List<HostTensor> run(Backend backend, Op op, List<HostTensor> operands) {
        List<HostTensor> results = new ArrayList<>();
        run(backend, op, operands, outputs -> outputs.forEach(output -> results.add(backend.download(output))));
        return results;
    }

    private static void run(Backend backend, Op op, List<HostTensor> operands, Consumer<List<TensorHandle>> look) {
        List<TensorHandle> inputs = operands.stream()
                .map(x -> backend.upload(x, Placement.ANYWHERE))
                .toList();
        List<TensorHandle> outputs = backend.execute(op, inputs);
        try {
            look.accept(outputs);
        } finally {
            inputs.forEach(TensorHandle::close);
            outputs.forEach(TensorHandle::close);
        }
    }
}
