package dev.loupe.benchmarks;

import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What derivatives cost next to the plain forward pass: to be read as ratios within one run. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx6g")
@SuppressWarnings("NullAway.Init")
public class GradientBenchmark {

    @Param({"onnx", "pytorch"})
    private String backend;

    @Param("1x64")
    private String shape;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private Tokens tokens;
    private Metric metric;

    /** Makes the model. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        tokens = Gpt2Small.tokens(shape);
        metric = Metric.logitDifference(5, 9);
    }

    /** Frees the model. */
    @TearDown
    public void tearDown() {
        model.close();
    }

    /** Logits of all positions: what the others are measured against. */
    @Benchmark
    public long forward() {
        return run(RunRequest.of(tokens).build());
    }

    /** Derivatives of the logit difference at every standard point. */
    @Benchmark
    public long derivativesEverywhere() {
        return run(RunRequest.of(tokens)
                .returns(Returns.NONE)
                .gradients(metric, HookFilter.standard())
                .build());
    }

    /** The derivative at the entrance of layer 6 alone. */
    @Benchmark
    public long derivativeAtLayer6() {
        return run(RunRequest.of(tokens)
                .returns(Returns.NONE)
                .gradients(metric, "resid_pre6")
                .build());
    }

    private long run(RunRequest request) {
        try (RunResult result = model.run(request)) {
            return result.cache().size();
        }
    }
}
