package dev.loupe.benchmarks;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
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
 * Families at one size, to be read as ratios to LLaMA within one run: 12 layers of 768, 12 heads of 64, as many
 * parameters in each MLP.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "-Xmx4g")
@SuppressWarnings("NullAway.Init")
public class FamilyBenchmark {

    private static final int VOCABULARY = 32000;

    @Param({"llama", "gpt-neox", "qwen2", "qwen3", "gemma2", "gemma3"})
    private String family;

    @Param({"onnx", "pytorch"})
    private String backend;

    @Param({"1", "8"})
    private int batch;

    private HookedTransformer model;
    private Tokens tokens;

    /** Makes the model. */
    @Setup
    public void setUp() {
        model = HookedTransformer.fromConfig(
                config(), 1, LoadOptions.noProcessing().withBackend(backend).withThreads(2));
        tokens = Gpt2Small.tokens(batch, 64, VOCABULARY);
    }

    private TransformerConfig config() {
        Map<String, Object> values = new HashMap<>();
        values.put("hidden_size", 768);
        values.put("num_hidden_layers", 12);
        values.put("num_attention_heads", 12);
        values.put("num_key_value_heads", 12);
        values.put("head_dim", 64);
        values.put("query_pre_attn_scalar", 64);
        // A gated MLP has three matrices, a plain one two.
        values.put("intermediate_size", family.equals("gpt-neox") ? 3072 : 2048);
        values.put("vocab_size", VOCABULARY);
        values.put("max_position_embeddings", 1024);
        return Architectures.byId(family).configure(new CheckpointConfig("FamilyBenchmark", values));
    }

    /** The plain forward pass. */
    @Benchmark
    public double forward() {
        try (Tensor logits = model.forward(tokens)) {
            return logits.size(1);
        }
    }

    /** Frees the model. */
    @TearDown
    public void tearDown() {
        model.close();
    }
}
