package dev.loupe.benchmarks;

import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.model.HookedTransformer;
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

/**
 * What a run costs, depending on what is asked of it: everything, everything watched, one layer's residual alone, and
 * a hook that sits on the model where this run doesn't go.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 4)
@Fork(value = 1, jvmArgsAppend = "-Xmx6g")
@SuppressWarnings("NullAway.Init")
public class RunBenchmark {

    @Param("reference")
    private String backend;

    @Param("1x64")
    private String shape;

    @Param("0")
    private int threads;

    private HookedTransformer model;
    private Tokens tokens;

    /** Makes the model. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        tokens = Gpt2Small.tokens(shape);
    }

    /** Frees the model. */
    @TearDown
    public void tearDown() {
        model.close();
    }

    /** Logits of all positions. */
    @Benchmark
    public long forward() {
        return run(RunRequest.of(tokens).build());
    }

    /** Logits of all positions, and every standard activation. */
    @Benchmark
    public long runWithCache() {
        return run(RunRequest.of(tokens).observe(HookFilter.standard()).build());
    }

    /** The residual stream after layer 3, and no logits. */
    @Benchmark
    public long residPost3WithoutLogits() {
        return run(RunRequest.of(tokens)
                .observe("resid_post3")
                .returns(Returns.NONE)
                .build());
    }

    /** Stops at layer 6, while a hook sits on layer 9. */
    @Benchmark
    public long stopAtLayer6WithUnusedHook() {
        try (HookHandle unused = model.addHook(Hook.at("pattern", 9, (act, point) -> act.mul(2)))) {
            return run(RunRequest.of(tokens).stopAtLayer(6).build());
        }
    }

    /** The same without the hook. */
    @Benchmark
    public long stopAtLayer6() {
        return run(RunRequest.of(tokens).stopAtLayer(6).build());
    }

    /** A hook at each of the 12 attention patterns, which changes it. */
    @Benchmark
    public long editAllPatterns() {
        return run(RunRequest.of(tokens)
                .hooks(Hook.at(HookFilter.glob("*hook_pattern"), (act, point) -> act.mul(0.5)))
                .build());
    }

    private long run(RunRequest request) {
        try (RunResult result = model.run(request)) {
            return result.cache().size();
        }
    }
}
