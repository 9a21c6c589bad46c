package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.Inputs.Domain;
import dev.loupe.conformance.cases.Inputs.Pattern;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.SampleBlock;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.MemoryUse;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.PreparedBlock;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 6: closing, memory, threads. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class LifecycleRules {

    private static final int THREADS = 4;
    private static final Shape LARGE = Shape.of(1024, 1024);
    private static final long LARGE_BYTES = 4L << 20;
    private static final int ROUNDS = 24;
    private static final long KIBIBYTE = 1024;

    private final Bench bench;
    private final Models models;

    public LifecycleRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    @Rule("6.1")
    void closingTwiceIsFine(Attempt attempt) {
        Backend backend = bench.open();
        backend.close();
        backend.close();
    }

    @Rule("6.2")
    void closedHandlesGiveBackTheirMemory(Attempt attempt) throws Exception {
        HostTensor data = HostTensor.allocate(DType.FLOAT32, LARGE);
        Op negate = new Op.Unary(Op.UnaryKind.NEG);
        MemoryUse.check("uploading, negating and closing", ROUNDS, 2 * LARGE_BYTES, () -> {
            try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                handles.adopt(bench.backend().execute(negate, List.of(handles.upload(data))));
            }
        });
    }

    @Rule("6.3")
    void operationsThatFailKeepNoMemory(Attempt attempt) throws Exception {
        HostTensor data = HostTensor.allocate(DType.FLOAT32, LARGE);
        HostTensor indices = HostTensor.allocate(DType.INT64, Shape.of(1024));
        indices.data().putLong(8 * 1023, 1024);
        MemoryUse.check("gathering with a wrong index", ROUNDS, LARGE_BYTES, () -> {
            try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                List<TensorHandle> inputs = handles.upload(List.of(data, indices));
                Refusal.of(
                        "gathering row 1024 of 1024",
                        IndexOutOfBoundsException.class,
                        () -> bench.backend().execute(new Op.Gather(0), inputs));
            }
        });
    }

    @Rule("6.4")
    Stream<Trial> handlesLiveAsLongAsTheirOwnersLike() {
        List<Op> views = List.of(
                new Op.Reshape(Shape.of(6417)),
                new Op.MergeAxes(0, 2),
                new Op.SplitAxis(0, List.of(9L, 23L)),
                new Op.Transpose(List.of(1, 0)),
                new Op.Slice(0, 7, 64, 1),
                new Op.Slice(1, 0, Op.Slice.TO_END, 1),
                new Op.Cast(DType.FLOAT32),
                new Op.Concat(0),
                new Op.Unary(Op.UnaryKind.NEG));
        return views.stream()
                .map(op -> new Trial(op.name() + "-" + views.indexOf(op), attempt -> {
                    HostTensor data = new Inputs(attempt.random(0), DType.FLOAT32).normal(207, 31);
                    HostTensor expected = OnBackend.execute(bench.backend(), op, List.of(data))
                            .get(0);
                    try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
                        TensorHandle first = handles.upload(data);
                        TensorHandle result = handles.adopt(bench.backend().execute(op, List.of(first)))
                                .get(0);
                        handles.close(first);
                        overwriteFreedMemory(handles, attempt);
                        Comparison.of(handles.download(result), expected, null)
                                .check("a result whose input was closed");
                        TensorHandle second = handles.upload(data);
                        handles.close(handles.adopt(bench.backend().execute(op, List.of(second)))
                                .get(0));
                        overwriteFreedMemory(handles, attempt);
                        Comparison.of(handles.download(second), data, null).check("an input whose result was closed");
                    }
                }));
    }

    private static void overwriteFreedMemory(OnBackend.Handles handles, Attempt attempt) {
        Inputs other = new Inputs(attempt.random(1), DType.FLOAT32);
        for (int i = 0; i < 8; i++) {
            handles.upload(other.tensor(Shape.of(207, 31), Pattern.WIDE, Domain.ANY));
        }
    }

    @Rule("6.5")
    void operationsRunFromManyThreads(Attempt attempt) throws Exception {
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            for (OpCase one : OperationRules.allCases(DType.FLOAT32, attempt.random(i))) {
                // The same op with other numbers in every thread, so that mixing them up shows.
                cases.add(one);
            }
        }
        int perThread = cases.size() / THREADS;
        List<List<HostTensor>> alone = new ArrayList<>();
        for (OpCase one : cases) {
            alone.add(OnBackend.execute(bench.backend(), one.op(), one.inputs()));
        }
        together(thread -> {
            for (int i = 0; i < 4 * perThread; i++) {
                int which = thread * perThread + i % perThread;
                OpCase one = cases.get(which);
                List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
                same(
                        one.describe() + " in thread " + thread + " of " + THREADS,
                        found.get(0),
                        alone.get(which).get(0));
            }
        });
    }

    @Rule("6.6")
    void oneGraphRunsFromManyThreads(Attempt attempt) throws Exception {
        SampleBlock block = new SampleBlock(DType.FLOAT32);
        Map<String, HostTensor> weights = block.weights(attempt.random(99));
        List<List<HostTensor>> inputs = new ArrayList<>();
        List<HostTensor> alone = new ArrayList<>();
        try (PreparedBlock prepared = new PreparedBlock(bench.backend(), block.segment(), weights)) {
            for (int i = 0; i < THREADS; i++) {
                inputs.add(block.inputs(attempt.random(i), 1 + i % 2, 7 + i));
                alone.add(prepared.run(inputs.get(i), List.of(block.result())).get(0));
            }
            together(thread -> {
                for (int i = 0; i < 25; i++) {
                    List<Integer> wanted = i % 2 == 0
                            ? List.of(block.result())
                            : block.segment().outputs();
                    List<HostTensor> found = prepared.run(inputs.get(thread), wanted);
                    same("the block's result in thread " + thread, found.get(found.size() - 1), alone.get(thread));
                }
            });
        }
    }

    @Rule("6.6")
    Stream<Trial> oneModelRunsFromManyThreads() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .map(kind -> new Trial(kind.path(), attempt -> {
                    HookedTransformer model = models.pair(kind, DType.FLOAT32).mine();
                    List<Tokens> tokens = new ArrayList<>();
                    List<Trace> alone = new ArrayList<>();
                    for (int i = 0; i < THREADS; i++) {
                        tokens.add(Traces.tokens(model, attempt.random(i), i % 2 == 0));
                        alone.add(run(model, tokens.get(i), i));
                    }
                    together(thread -> {
                        for (int i = 0; i < 10; i++) {
                            Trace expected = alone.get(thread);
                            run(model, tokens.get(thread), thread)
                                    .forEach((name, value) ->
                                            same(name + " in thread " + thread, value, expected.get(name)));
                        }
                    });
                }));
    }

    /** A run with hooks of its own, which differ from thread to thread. */
    private static Trace run(HookedTransformer model, Tokens tokens, int thread) {
        List<Hook> edit = List.of(Traces.disturbing("blocks.0.hook_resid_pre", thread));
        return Traces.run(model, tokens, Traces.Way.PADDED_RIGHT, HookFilter.standard(), edit);
    }

    private void same(String what, HostTensor found, HostTensor alone) {
        boolean exact = bench.capabilities().deterministic() || !found.dtype().isFloating();
        double[] allowed = exact ? null : ModelTolerance.allowed(alone, found.dtype(), 2);
        Comparison.of(found, alone, allowed).check(what + ", compared with the same run alone");
    }

    /** What one of several threads does. */
    @FunctionalInterface
    private interface ThreadBody {
        void run(int thread) throws Exception;
    }

    private static void together(ThreadBody body) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try {
            CyclicBarrier start = new CyclicBarrier(THREADS);
            List<Future<Void>> running = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int thread = i;
                Callable<Void> task = () -> {
                    start.await(30, TimeUnit.SECONDS);
                    body.run(thread);
                    return null;
                };
                running.add(threads.submit(task));
            }
            for (Future<Void> one : running) {
                try {
                    one.get(60, TimeUnit.SECONDS);
                } catch (ExecutionException e) {
                    throw new AssertionError(THREADS + " threads at once: " + Session.describe(e), e);
                } catch (TimeoutException e) {
                    throw new AssertionError(THREADS + " threads at once didn't end within a minute: a deadlock?", e);
                }
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Rule("6.7")
    void twoBackendsAreIndependent(Attempt attempt) {
        HostTensor data = new Inputs(attempt.random(0), DType.FLOAT32).normal(31, 7);
        Op op = new Op.Softmax(1);
        Backend other = bench.open();
        TensorHandle handle = other.upload(data, Placement.ANYWHERE);
        try (Backend closed = bench.open()) {
            OnBackend.execute(closed, op, List.of(data));
        }
        Comparison.of(other.download(handle), data, null).check("a tensor, after another backend was closed");
        assertThat(OnBackend.execute(other, op, List.of(data))).hasSize(1);
        handle.close();
        other.close();
        assertThat(OnBackend.execute(bench.backend(), op, List.of(data)))
                .as("what the first backend gives after two others were closed")
                .hasSize(1);
    }

    @Rule("6.8")
    void closingLeavesNoThreadThatKeepsTheJvmAlive(Attempt attempt) throws InterruptedException {
        Set<Thread> before = new HashSet<>(Thread.getAllStackTraces().keySet());
        try (Backend backend = bench.open()) {
            HostTensor data = new Inputs(attempt.random(0), DType.FLOAT32).normal(64, 64);
            OnBackend.execute(backend, new Op.MatMul(), List.of(data, data));
        }
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (!before.contains(thread) && !thread.isDaemon()) {
                // One that is about to end is given the time.
                thread.join(2000);
                assertThat(thread.isAlive())
                        .as("whether the thread '%s', which the backend started, still runs", thread.getName())
                        .isFalse();
            }
        }
    }

    @Rule("6.9")
    void closedGraphsKeepNoMemory(Attempt attempt) throws Exception {
        Segment segment = withLargeWeight();
        HostTensor x = new Inputs(attempt.random(0), DType.FLOAT32).normal(1, 1024);
        HostTensor weight = new Inputs(attempt.random(1), DType.FLOAT32).normal(1024, 1024);
        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
            TensorHandle uploaded = handles.upload(weight);
            MemoryUse.check("preparing, running and closing a graph", ROUNDS, LARGE_BYTES, () -> {
                try (PreparedGraph graph = bench.backend().prepare(segment, name -> uploaded)) {
                    OnBackend.run(bench.backend(), graph, List.of(x), List.of(2));
                }
            });
        }
    }

    @Rule("6.9")
    void closedGraphsKeepNotEvenAKibibyte(Attempt attempt) throws Exception {
        Segment segment = withAGather(attempt.path());
        HostTensor x = new Inputs(attempt.random(0), DType.FLOAT32).normal(4, 64);
        List<HostTensor> inputs = List.of(x, HostTensor.of(Shape.of(1), 2L));
        MemoryUse.check("preparing, running and closing a small graph", 512, KIBIBYTE, () -> {
            try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
                OnBackend.run(bench.backend(), graph, inputs, segment.outputs());
            }
        });
    }

    @Rule("6.14")
    Stream<Trial> runsOfOneGraphKeepNoMemory() {
        // Four rows of 64 numbers are a kibibyte, four thousand and ninety-six a mebibyte.
        return Stream.of(true, false)
                .flatMap(succeeding -> Stream.of(4, 4096)
                        .map(rows -> new Trial(
                                (succeeding ? "succeeding/" : "failing/") + (rows == 4 ? "small" : "large"),
                                attempt -> keepsNothing(succeeding, rows, attempt))));
    }

    private void keepsNothing(boolean succeeding, int rows, Attempt attempt) throws Exception {
        HostTensor x = new Inputs(attempt.random(0), DType.FLOAT32).normal(rows, 64);
        HostTensor index = HostTensor.of(Shape.of(1), succeeding ? rows - 1L : rows);
        Segment segment = withAGather(attempt.path());
        // Failures are slow on some engines: each has a message with its own story.
        int rounds = rows > 4 ? 48 : succeeding ? 2000 : 250;
        String what = succeeding ? "a prepared graph" : "a prepared graph, with an index out of range";
        try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
            MemoryUse.check("running " + what, rounds, rows * 256L, () -> {
                if (succeeding) {
                    OnBackend.run(bench.backend(), graph, List.of(x, index), segment.outputs());
                } else {
                    Refusal.of(
                            "a run that gathers row " + rows + " of " + rows,
                            RuntimeException.class,
                            () -> OnBackend.run(bench.backend(), graph, List.of(x, index), segment.outputs()));
                }
            });
        }
    }

    /** A graph that computes something of its first input and gathers rows of that, by its second. */
    private static Segment withAGather(String name) {
        Dim rows = Dim.symbol("rows");
        TensorType x = TensorType.of(DType.FLOAT32, rows, Dim.of(64));
        return new Segment(
                name,
                Placement.ANYWHERE,
                false,
                List.of(
                        x,
                        TensorType.of(DType.INT64, Shape.of(1)),
                        x,
                        TensorType.of(DType.FLOAT32, Shape.of(1, 64)),
                        x),
                List.of(0, 1),
                List.of(),
                List.of(
                        new Segment.Step(new Op.Unary(Op.UnaryKind.NEG), List.of(0), List.of(2)),
                        new Segment.Step(new Op.Gather(0), List.of(2, 1), List.of(3)),
                        new Segment.Step(new Op.Unary(Op.UnaryKind.TANH), List.of(2), List.of(4))),
                List.of(3, 4));
    }

    private static Segment withLargeWeight() {
        List<TensorType> types = List.of(
                TensorType.of(DType.FLOAT32, Shape.of(1, 1024)),
                TensorType.of(DType.FLOAT32, Shape.of(1024, 1024)),
                TensorType.of(DType.FLOAT32, Shape.of(1, 1024)));
        return new Segment(
                "blocks.0",
                Placement.ANYWHERE,
                true,
                types,
                List.of(0),
                List.of(new Segment.WeightSlot(1, "W")),
                List.of(new Segment.Step(new Op.MatMul(), List.of(0, 1), List.of(2))),
                List.of(2));
    }
}
