package dev.loupe.benchmarks;

import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
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

/**
 * What interventions cost next to the plain forward pass, and next to hooks that do the same: to be read as ratios within
 * one run.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx6g")
@SuppressWarnings("NullAway.Init")
public class InterventionBenchmark {

    @Param({"onnx", "pytorch"})
    private String backend;

    @Param("1x64")
    private String shape;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private Tokens tokens;
    private Intervention[] scaled;
    private Hook[] hooks;
    private Intervention steering;
    private long round;

    /** Makes the model. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        tokens = Gpt2Small.tokens(shape);
        int layers = model.config().nLayers();
        scaled = new Intervention[layers];
        hooks = new Hook[layers];
        for (int layer = 0; layer < layers; layer++) {
            scaled[layer] = Intervention.scale("pattern", layer, 0.9);
            hooks[layer] = Hook.at("pattern", layer, (pattern, point) -> pattern.mul(0.9));
        }
        steering = Intervention.add(
                "resid_post", 6, model.tensors().randn(1, model.config().dModel()));
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

    /** The same with all patterns observed: where attention can't stay fused. */
    @Benchmark
    public long observedPatterns() {
        return run(
                RunRequest.of(tokens).observe(HookFilter.glob("*hook_pattern")).build());
    }

    /** All patterns scaled, as data. */
    @Benchmark
    public long scaledPatterns() {
        return run(RunRequest.of(tokens).interventions(scaled).build());
    }

    /** All patterns scaled, by Java code. */
    @Benchmark
    public long hookedPatterns() {
        return run(RunRequest.of(tokens).hooks(hooks).build());
    }

    /** A vector added behind layer 6. */
    @Benchmark
    public long steered() {
        return run(RunRequest.of(tokens).interventions(steering).build());
    }

    /** Another head and another number in each run: one plan serves them all. */
    @Benchmark
    public long otherNumbersEachTime() {
        round++;
        return run(RunRequest.of(tokens)
                .interventions(Intervention.scale("z", 3, 1.0 / round)
                        .heads(round % model.config().nHeads()))
                .build());
    }

    private long run(RunRequest request) {
        try (RunResult result = model.run(request)) {
            return result.cache().size();
        }
    }
}
