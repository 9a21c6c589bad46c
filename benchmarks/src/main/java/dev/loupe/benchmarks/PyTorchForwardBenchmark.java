package dev.loupe.benchmarks;

import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
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
 * A forward pass at GPT-2-small's size on the backend {@code pytorch}, with and without every activation kept, beside
 * the same operations called on DJL's arrays by hand. Set the environment variable {@code OMP_WAIT_POLICY=PASSIVE}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 4)
@Fork(value = 1, jvmArgsAppend = "-Xmx4g")
@SuppressWarnings("NullAway.Init")
public class PyTorchForwardBenchmark {

    @Param({"1x64", "8x64"})
    private String shape;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private NDArrayGpt2 byHand;
    private Tokens tokens;

    /** Makes both models. */
    @Setup
    public void setUp() {
        // First, so that the threads are set for both.
        model = Gpt2Small.model("pytorch", threads);
        byHand = new NDArrayGpt2();
        tokens = Gpt2Small.tokens(shape);
    }

    /** Frees both. */
    @TearDown
    public void tearDown() {
        byHand.close();
        model.close();
    }

    /** DJL's arrays, without Loupe. */
    @Benchmark
    public float byHand() {
        return byHand.forward(tokens);
    }

    /** Logits of all positions. */
    @Benchmark
    public long forward() {
        try (Tensor logits = model.forward(tokens)) {
            return logits.elements();
        }
    }

    /** Logits of all positions, and every standard activation. */
    @Benchmark
    public int runWithCache() {
        try (CachedRun run = model.runWithCache(tokens)) {
            return run.cache().size();
        }
    }
}
