package dev.loupe.benchmarks;

import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Greedy decoding at GPT-2-small's size with a key/value cache, per token, on one backend beside another. Set the
 * environment variable {@code OMP_WAIT_POLICY=PASSIVE}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 4)
@Fork(value = 1, jvmArgsAppend = "-Xmx4g")
@SuppressWarnings("NullAway.Init")
public class DecodingBenchmark {

    private static final int STEPS = 32;

    @Param({"onnx", "pytorch"})
    private String backend;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private Tokens prompt;

    /** Makes the model. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        prompt = Gpt2Small.tokens(1, 32);
    }

    /** Frees it. */
    @TearDown
    public void tearDown() {
        model.close();
    }

    /** Prompt of 32 tokens, then 32 more. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public int generate() {
        return model.generate(prompt, GenerateOptions.greedy(STEPS)).size();
    }
}
