package dev.loupe.benchmarks;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * What one operation on its own costs on ONNX Runtime, by three ways: as the backend does it ({@code eager}), as a
 * session of one operation ({@code session}), and in Java on plain memory, for which the reference backend stands
 * ({@code java}). CPU time of the calling thread, which computes alone; the ways take turns, and the median counts.
 */
public final class EagerOps {

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final long TURN = 2_000_000; // ns
    private static final int TURNS = 25;

    private EagerOps() {}

    /** An operation and what it is given. */
    private record Case(String name, Op op, List<HostTensor> inputs) {}

    /** Runs it. */
    public static void main(String[] arguments) {
        try (Backend onnx = open("onnx");
                Backend reference = open("reference")) {
            System.out.printf(
                    Locale.ROOT, "%-28s %12s %12s %12s   (microseconds)%n", "operation", "eager", "session", "java");
            for (long[] shape : new long[][] {{1, 4, 16}, {1, 64, 768}, {8, 64, 768}}) {
                for (Case one : cases(shape)) {
                    measure(one, onnx, reference);
                }
            }
        }
    }

    private static Backend open(String id) {
        return ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.id().equals(id))
                .findFirst()
                .orElseThrow()
                .open(BackendOptions.DEFAULT.withThreads(1));
    }

    private static List<Case> cases(long... sizes) {
        Shape shape = Shape.of(sizes);
        HostTensor x = wave(shape);
        HostTensor row = wave(Shape.of(1, 1, sizes[2]));
        HostTensor square = wave(Shape.of(sizes[2], sizes[2]));
        HostTensor half = wave(Shape.of(sizes[0], sizes[1] / 2, sizes[2]));
        HostTensor mask = HostTensor.allocate(DType.BOOL, shape);
        HostTensor places = HostTensor.allocate(DType.INT64, shape);
        HostTensor few = HostTensor.allocate(DType.INT64, Shape.of(3));
        for (int i = 0; i < shape.elements(); i++) {
            mask.setDouble(i, i % 2);
            places.setDouble(i, i % (int) sizes[2]);
        }
        Map<String, Case> cases = new LinkedHashMap<>();
        add(cases, "slice positions", new Op.Slice(1, 1, sizes[1] - 1, 1), x);
        add(cases, "slice inner", new Op.Slice(2, 1, sizes[2] - 1, 1), x);
        add(cases, "slice, step 2", new Op.Slice(2, 0, sizes[2], 2), x);
        add(cases, "expand rows", new Op.Expand(List.of(sizes[0], sizes[1], sizes[2])), row);
        add(cases, "concat positions", new Op.Concat(1), x, x);
        add(cases, "concat inner", new Op.Concat(2), x, x);
        add(cases, "slice_scatter", new Op.SliceScatter(1, 1), x, half);
        add(cases, "transpose", new Op.Transpose(List.of(0, 2, 1)), x);
        add(cases, "transpose outer", new Op.Transpose(List.of(1, 0, 2)), x);
        add(cases, "gather", new Op.Gather(1), x, few);
        add(cases, "gather_elements", new Op.GatherElements(2), x, places);
        add(cases, "cast to int64", new Op.Cast(DType.INT64), x);
        add(cases, "where", new Op.Where(), mask, x, x);
        add(cases, "neg", new Op.Unary(Op.UnaryKind.NEG), x);
        add(cases, "exp", new Op.Unary(Op.UnaryKind.EXP), x);
        add(cases, "add", new Op.Binary(Op.BinaryKind.ADD), x, x);
        add(cases, "mul by a row", new Op.Binary(Op.BinaryKind.MUL), x, row);
        add(cases, "less", new Op.Binary(Op.BinaryKind.LT), x, x);
        add(cases, "reduce_sum inner", new Op.Reduce(Op.ReduceKind.SUM, List.of(2), false), x);
        add(cases, "reduce_max outer", new Op.Reduce(Op.ReduceKind.MAX, List.of(1), false), x);
        add(cases, "reduce_sum, int64", new Op.Reduce(Op.ReduceKind.SUM, List.of(2), false), places);
        add(cases, "argmax", new Op.ArgReduce(true, 2, false), x);
        add(cases, "top 5", new Op.TopK(5, 2, true), x);
        add(cases, "cumsum", new Op.CumSum(1), x);
        add(cases, "softmax", new Op.Softmax(2), x);
        add(cases, "matmul", new Op.MatMul(), x, square);
        return List.copyOf(cases.values());
    }

    private static void add(Map<String, Case> cases, String name, Op op, HostTensor... inputs) {
        cases.put(name, new Case(name, op, List.of(inputs)));
    }

    private static HostTensor wave(Shape shape) {
        HostTensor wave = HostTensor.allocate(DType.FLOAT32, shape);
        for (int i = 0; i < shape.elements(); i++) {
            wave.setDouble(i, Math.sin(i));
        }
        return wave;
    }

    private static void measure(Case one, Backend onnx, Backend reference) {
        List<TensorHandle> there = upload(one, onnx);
        List<TensorHandle> here = upload(one, reference);
        List<TensorType> types = one.inputs().stream()
                .map(x -> TensorType.of(x.dtype(), x.shape()))
                .toList();
        Segment segment = Segments.ofOneOp(one.op(), types);
        try (PreparedGraph session = onnx.prepare(segment, Segments.NO_WEIGHTS)) {
            List<Runnable> ways = List.of(
                    () -> onnx.execute(one.op(), there).forEach(TensorHandle::close),
                    () -> session.run(there, segment.outputs()).forEach(TensorHandle::close),
                    () -> reference.execute(one.op(), here).forEach(TensorHandle::close));
            double[] times = race(ways);
            System.out.printf(
                    Locale.ROOT,
                    "%-28s %12.1f %12.1f %12.1f%n",
                    one.name() + " " + one.inputs().get(0).shape(),
                    times[0],
                    times[1],
                    times[2]);
        }
        there.forEach(TensorHandle::close);
        here.forEach(TensorHandle::close);
    }

    private static List<TensorHandle> upload(Case one, Backend backend) {
        return one.inputs().stream()
                .map(x -> backend.upload(x, Placement.ANYWHERE))
                .toList();
    }

    private static double[] race(List<Runnable> ways) {
        List<List<Double>> times = new ArrayList<>();
        ways.forEach(way -> times.add(new ArrayList<>()));
        for (int turn = 0; turn < TURNS; turn++) {
            for (int way = 0; way < ways.size(); way++) {
                times.get(way).add(perCall(ways.get(way)));
            }
        }
        return times.stream().mapToDouble(EagerOps::median).toArray();
    }

    private static double perCall(Runnable way) {
        long start = THREADS.getCurrentThreadCpuTime();
        long end = start;
        int calls = 0;
        while (end - start < TURN) {
            for (int i = 0; i < 8; i++) {
                way.run();
            }
            calls += 8;
            end = THREADS.getCurrentThreadCpuTime();
        }
        return (end - start) / 1e3 / calls;
    }

    private static double median(List<Double> times) {
        double[] sorted = times.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
