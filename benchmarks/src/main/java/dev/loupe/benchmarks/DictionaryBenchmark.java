package dev.loupe.benchmarks;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.DictionaryTensors;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.dictionaries.formats.DictionaryConfig.Normalization;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
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
 * What a dictionary of 24,576 features costs in a model of GPT-2-small's size: to be read as ratios within one run. The
 * spliced forward pass is to be compared with the sum of the plain one and of the dictionary alone.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx6g")
@SuppressWarnings("NullAway.Init")
public class DictionaryBenchmark {

    private static final int WIDTH = 768;
    private static final int FEATURES = 24_576;
    private static final String POINT = "blocks.6.hook_resid_post";

    @Param({"onnx", "pytorch"})
    private String backend;

    @Param("64")
    private int positions;

    @Param("2")
    private int threads;

    private HookedTransformer model;
    private HookedTransformer with;
    private SplicedDictionary spliced;
    private DictionaryTensors alone;
    private Tensor activation;
    private Tokens tokens;

    /** Makes the model and the dictionary. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        Dictionary dictionary = dictionary();
        spliced = dictionary.spliced();
        with = model.with(spliced);
        alone = dictionary.on(model.backend(), model.dtype());
        activation = model.tensors().randn(3, 1, positions, WIDTH);
        tokens = Gpt2Small.tokens(1, positions);
    }

    // A JumpReLU whose thresholds leave some hundred features to a token.
    private static Dictionary dictionary() {
        Random random = new Random(5);
        Map<String, HostTensor> weights = new LinkedHashMap<>();
        weights.put("W_enc", random(random, 0.02, WIDTH, FEATURES));
        weights.put("b_enc", random(random, 0.01, FEATURES));
        weights.put("W_dec", random(random, 0.02, FEATURES, WIDTH));
        weights.put("b_dec", random(random, 0.01, WIDTH));
        HostTensor threshold = HostTensor.allocate(DType.FLOAT32, Shape.of(FEATURES));
        for (int i = 0; i < FEATURES; i++) {
            threshold.setDouble(i, 1.4);
        }
        weights.put("threshold", threshold);
        return new Dictionary(
                new DictionaryConfig(
                        "random",
                        Activation.JUMPRELU,
                        0,
                        WIDTH,
                        WIDTH,
                        FEATURES,
                        POINT,
                        POINT,
                        false,
                        Normalization.NONE,
                        false,
                        false,
                        null,
                        Map.of()),
                weights);
    }

    private static HostTensor random(Random random, double scale, long... sizes) {
        HostTensor numbers = HostTensor.allocate(DType.FLOAT32, Shape.of(sizes));
        for (long i = 0; i < numbers.shape().elements(); i++) {
            numbers.setDouble(i, scale * random.nextGaussian());
        }
        return numbers;
    }

    /** Frees them. */
    @TearDown
    public void tearDown() {
        alone.close();
        with.close();
        model.close();
    }

    /** The plain forward pass. */
    @Benchmark
    public long forward() {
        return run(model);
    }

    /** The dictionary alone: encoder and decoder on activations at hand. */
    @Benchmark
    public long encodeAndDecode() {
        try (Tensor output = alone.reconstruct(activation)) {
            return output.elements();
        }
    }

    /** The forward pass with the dictionary in place, without the error term. */
    @Benchmark
    public long forwardSpliced() {
        return run(with);
    }

    /** The five most active features of each token. */
    @Benchmark
    public long topFeatures() {
        return FeatureReading.top(with, spliced, tokens, 5, null).size();
    }

    private long run(HookedTransformer which) {
        try (RunResult result = which.run(RunRequest.of(tokens).build())) {
            return result.logits().elements();
        }
    }
}
