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
 * Greedy decoding at GPT-2-small's size with a key/value cache, per token, beside a bare loop over DJL's arrays. Set
 * the environment variable {@code OMP_WAIT_POLICY=PASSIVE}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 4)
@Fork(value = 1, jvmArgsAppend = "-Xmx4g")
@SuppressWarnings("NullAway.Init")
public class PyTorchDecodingBenchmark {

    private static final int STEPS = 32;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private NDArrayGpt2 byHand;
    private Tokens prompt;

    /** Makes both models. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model("pytorch", threads);
        byHand = new NDArrayGpt2();
        prompt = Gpt2Small.tokens(1, 32);
    }

    /** Frees both. */
    @TearDown
    public void tearDown() {
        byHand.close();
        model.close();
    }

    /** DJL's arrays, without Loupe. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public long byHand() {
        return byHand.decode(prompt, STEPS);
    }

    /** The model. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public int generate() {
        return model.generate(prompt, GenerateOptions.greedy(STEPS)).size();
    }
}
