package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.SampleBlock;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.PreparedBlock;
import dev.loupe.conformance.measures.Trace;
import dev.loupe.conformance.measures.Traces;
import dev.loupe.graph.Op;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Section 6, second part: what closing leaves, and threads that are interrupted. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ClosingRules {

    private static final int THREADS = 3;
    private static final int KINDS = 2;

    private final Bench bench;
    private final Models models;

    public ClosingRules(Bench bench, Models models) {
        this.bench = bench;
        this.models = models;
    }

    @Rule("6.11")
    void whatABackendGaveOutlivesIt(Attempt attempt) {
        Inputs inputs = new Inputs(attempt.random(0), DType.FLOAT32);
        HostTensor data = inputs.normal(31, 64);
        HostTensor factor = inputs.normal(64, 64);
        SampleBlock block = new SampleBlock(DType.FLOAT32);
        List<HostTensor> fed = block.inputs(attempt.random(1), 2, 5);
        Backend backend = bench.open();
        try (OnBackend.Handles handles = new OnBackend.Handles(backend);
                PreparedBlock prepared =
                        new PreparedBlock(backend, block.segment(), block.weights(attempt.random(2)))) {
            List<HostTensor> before = prepared.run(fed);
            TensorHandle uploaded = handles.upload(data);
            TensorHandle other = handles.upload(factor);
            TensorHandle computed = handles.adopt(backend.execute(new Op.Softmax(1), List.of(uploaded)))
                    .get(0);
            TensorHandle given = handles.adopt(prepared.graph().run(handles.upload(fed), List.of(block.result())))
                    .get(0);
            HostTensor softmax = handles.download(computed);
            HostTensor product = product(handles, backend, uploaded, other);
            backend.close();

            same("what was uploaded, after the backend was closed", handles.download(uploaded), data);
            same("what was computed", handles.download(computed), softmax);
            int last = block.segment().outputs().indexOf(block.result());
            same("what a graph gave", handles.download(given), before.get(last));
            close("a product of tensors that are open", product(handles, backend, uploaded, other), product);
            TensorHandle two = handles.adopt(backend.execute(new Op.Full(DType.FLOAT32, Shape.SCALAR, 2), List.of()))
                    .get(0);
            TensorHandle doubled = handles.adopt(
                            backend.execute(new Op.Binary(Op.BinaryKind.MUL), List.of(uploaded, two)))
                    .get(0);
            assertThat(handles.download(doubled).getDouble(0))
                    .as("an element times 2")
                    .isEqualTo(2 * data.getDouble(0));
            close("what a graph that is open gives", prepared.run(fed).get(last), before.get(last));
        }
        backend.close();
    }

    private static HostTensor product(OnBackend.Handles handles, Backend backend, TensorHandle a, TensorHandle b) {
        return handles.download(
                handles.adopt(backend.execute(new Op.MatMul(), List.of(a, b))).get(0));
    }

    @Rule("6.12")
    Stream<Trial> aModelIsClosedWhileItRuns() {
        return Models.kinds().stream()
                .filter(kind -> !kind.processed())
                .limit(KINDS)
                .map(kind -> new Trial(kind.path(), attempt -> {
                    Backend backend = bench.open();
                    HookedTransformer model = models.load(kind, DType.FLOAT32, backend);
                    try {
                        closedWhileItRuns(model, attempt);
                    } finally {
                        model.close();
                        backend.close();
                    }
                }));
    }

    private void closedWhileItRuns(HookedTransformer model, Attempt attempt) throws Exception {
        List<Tokens> tokens = new ArrayList<>();
        List<Trace> alone = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            tokens.add(Traces.tokens(model, attempt.random(i), i % 2 == 0));
            alone.add(run(model, tokens.get(i)));
        }
        RunResult kept = model.run(
                RunRequest.of(tokens.get(0)).observe(HookFilter.standard()).build());
        CountDownLatch running = new CountDownLatch(THREADS);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try {
            List<Future<Throwable>> ends = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int thread = i;
                ends.add(threads.submit(() -> untilItEnds(() -> {
                    same(run(model, tokens.get(thread)), alone.get(thread));
                    running.countDown();
                    return null;
                })));
            }
            assertThat(running.await(60, TimeUnit.SECONDS))
                    .as("whether each thread has run the model within a minute")
                    .isTrue();
            model.close();
            for (Future<Throwable> end : ends) {
                saysThatItWasClosed(end.get(60, TimeUnit.SECONDS));
            }
        } finally {
            threads.shutdownNow();
        }
        saysThatItWasClosed(
                failureOf(() -> model.run(RunRequest.of(tokens.get(0)).build())));
        same(values(kept), alone.get(0));
        Tensor logits = kept.logits();
        assertThat(logits.sub(logits).abs().max().item())
                .as("the largest of the logits minus themselves, after the model was closed")
                .isZero();
        kept.close();
    }

    private static Throwable untilItEnds(Callable<Void> run) {
        while (true) {
            try {
                run.call();
            } catch (Exception | Error e) {
                return e;
            }
        }
    }

    private static @Nullable Throwable failureOf(Callable<?> what) {
        try {
            what.call();
            return null;
        } catch (Exception | Error e) {
            return e;
        }
    }

    private static void saysThatItWasClosed(@Nullable Throwable end) {
        if (end instanceof AssertionError error) {
            throw error;
        }
        assertThat(end)
                .as("how a run of a closed model ends")
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("model")
                .hasMessageContaining("was closed");
    }

    private static Trace run(HookedTransformer model, Tokens tokens) {
        return Traces.run(model, tokens, Traces.Way.PADDED_RIGHT, HookFilter.standard(), List.of());
    }

    private static Trace values(RunResult kept) {
        Map<String, HostTensor> values = new LinkedHashMap<>();
        kept.cache().items().forEach((name, tensor) -> values.put(name, tensor.toHost()));
        values.put(Traces.LOGITS, kept.logits().toHost());
        return new Trace(values);
    }

    @Rule("6.13")
    Stream<Trial> anInterruptedThreadGetsItsResult() {
        return Stream.of(
                new Trial(
                        "operations",
                        attempt -> interrupted(() -> {
                            HostTensor data = new Inputs(attempt.random(0), DType.FLOAT32).normal(61, 67);
                            for (Op op : List.of(new Op.Softmax(1), new Op.Unary(Op.UnaryKind.NEG), new Op.CumSum(0))) {
                                OnBackend.execute(bench.backend(), op, List.of(data));
                            }
                        })),
                new Trial(
                        "graphs",
                        attempt -> interrupted(() -> {
                            SampleBlock block = new SampleBlock(DType.FLOAT32);
                            try (PreparedBlock prepared = new PreparedBlock(
                                    bench.backend(), block.segment(), block.weights(attempt.random(0)))) {
                                prepared.run(block.inputs(attempt.random(1), 2, 5));
                            }
                        })),
                new Trial(
                        "models",
                        attempt -> interrupted(() -> {
                            Models.Kind kind = Models.kinds().get(0);
                            Backend backend = bench.open();
                            try (HookedTransformer model = models.load(kind, DType.FLOAT32, backend)) {
                                run(model, Traces.tokens(model, attempt.random(0), true));
                            } finally {
                                backend.close();
                            }
                        })));
    }

    /** What is done on a thread that is interrupted beforehand. */
    @FunctionalInterface
    private interface Body {
        void run() throws Exception;
    }

    private static void interrupted(Body body) throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            Future<Boolean> still = thread.submit(() -> {
                Thread.currentThread().interrupt();
                body.run();
                return Thread.currentThread().isInterrupted();
            });
            try {
                assertThat(still.get(60, TimeUnit.SECONDS))
                        .as("whether the thread is interrupted still")
                        .isTrue();
            } catch (ExecutionException e) {
                throw new AssertionError("on an interrupted thread: " + Session.describe(e), e);
            }
        } finally {
            thread.shutdownNow();
        }
    }

    private void same(Trace found, Trace expected) {
        expected.forEach((name, value) -> close(name, found.get(name), value));
    }

    private static void same(String what, HostTensor found, HostTensor expected) {
        Comparison.of(found, expected, null).check(what);
    }

    private void close(String what, HostTensor found, HostTensor expected) {
        boolean exact = bench.capabilities().deterministic() || !found.dtype().isFloating();
        double[] allowed = exact ? null : ModelTolerance.allowed(expected, found.dtype(), 2);
        Comparison.of(found, expected, allowed).check(what);
    }
}
