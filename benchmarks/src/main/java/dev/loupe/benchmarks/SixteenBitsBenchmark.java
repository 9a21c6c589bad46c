package dev.loupe.benchmarks;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
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
 * Four layers of a LLaMA of 1.1 billion parameters, in 16 bits and in 32: a forward pass of 1×64 and decoding. Beside
 * them the same products by bare calls of libtorch, which is what {@code pytorch} is to be read against; {@code onnx}
 * is to be read against its own float32. Set the environment variable {@code OMP_WAIT_POLICY=PASSIVE}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xmx1g", "-XX:MaxDirectMemorySize=8g"})
@SuppressWarnings("NullAway.Init")
public class SixteenBitsBenchmark {

    private static final int LAYERS = 4;
    private static final int POSITIONS = 64;
    private static final int STEPS = 16;

    @Param({"pytorch", "onnx"})
    private String backend;

    @Param({"bfloat16", "float32"})
    private String dtype;

    private HookedTransformer model;
    private TorchProducts products;
    private Tokens tokens;

    /** Writes the model, loads it, and makes matrices of the same shapes. */
    @Setup
    public void setUp() throws IOException {
        RandomLlama llama = new RandomLlama(RandomLlama.Size.B1, LAYERS);
        DType type = DType.parse(dtype);
        Path folder = Files.createTempDirectory("loupe-benchmark");
        try {
            llama.write(folder, type);
            model = HookedTransformer.fromPretrained(
                    folder.toString(),
                    LoadOptions.noProcessing()
                            .withBackend(backend)
                            .withDType(type)
                            .withThreads(2));
        } finally {
            RandomLlama.delete(folder);
        }
        // Loads libtorch in the way that Loupe does, whatever the model's backend is.
        HookedTransformer.fromPretrained(
                        "toy-llama",
                        LoadOptions.defaults().withBackend("pytorch").withThreads(2))
                .close();
        products = new TorchProducts(type, llama.matrices());
        long[] ids = new long[POSITIONS];
        Random random = new Random(1);
        Arrays.setAll(ids, i -> random.nextInt(RandomLlama.VOCABULARY));
        tokens = Tokens.of(new long[][] {ids});
    }

    /** Frees both. */
    @TearDown
    public void tearDown() {
        products.close();
        model.close();
    }

    /** All logits of 64 tokens. */
    @Benchmark
    public long forward() {
        try (Tensor logits = model.forward(tokens)) {
            return logits.size(1);
        }
    }

    /** The products of a forward pass of 64 tokens. */
    @Benchmark
    public void productsOfForward() {
        products.run(POSITIONS);
    }

    /** A token, after 64 and within 16 more. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public int decode() {
        return model.generate(tokens, GenerateOptions.greedy(STEPS)).size();
    }

    /** The products of such a token: 15 of one position and one of 64. */
    @Benchmark
    @OperationsPerInvocation(STEPS)
    public void productsOfDecoding() {
        products.run(POSITIONS);
        for (int i = 1; i < STEPS; i++) {
            products.run(1);
        }
    }
}
