package dev.loupe.benchmarks;

import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.PatchSetter;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
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
 * Sweeps of activation patching over a prompt of 16 tokens, and the same patched runs made one by one from the tokens:
 * 192 of the residual stream, 144 of heads.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 1)
@Measurement(iterations = 3)
@Fork(value = 1, jvmArgsAppend = "-Xmx2g")
@SuppressWarnings("NullAway.Init")
public class PatchingBenchmark {

    @Param("onnx")
    private String backend;

    @Param("0")
    private int threads;

    private HookedTransformer model;
    private Tokens corrupted;
    private ActivationCache clean;
    private LogitMetric metric;

    /** Makes the model and the clean run. */
    @Setup
    public void setUp() {
        model = Gpt2Small.model(backend, threads);
        corrupted = Gpt2Small.tokens(1, 16);
        long[] other = corrupted.row(0);
        other[3] = (other[3] + 1) % model.config().dVocab();
        clean = model.runWithCache(Tokens.of(other), HookFilter.glob("*hook_resid_pre,*hook_z"))
                .cache();
        metric = LogitMetric.logitDifference(5, 9);
    }

    /** Frees the model. */
    @TearDown
    public void tearDown() {
        clean.close();
        model.close();
    }

    /** 12 × 16 patched runs. */
    @Benchmark
    public double residPre() {
        return sweep(Sweep.RESID_PRE);
    }

    /** 12 × 12 patched runs. */
    @Benchmark
    public double attnHeadOutAllPos() {
        return sweep(Sweep.ATTN_HEAD_OUT_ALL_POS);
    }

    private double sweep(Sweep sweep) {
        return ActivationPatching.of(model, corrupted, clean, metric)
                .run(sweep)
                .values()
                .item(0, 0);
    }

    /** 192 full runs. */
    @Benchmark
    public double residPreOneByOne() {
        return oneByOne("resid_pre", corrupted.positions(), PatchSetter.layerPos());
    }

    /** 144 full runs. */
    @Benchmark
    public double attnHeadOutAllPosOneByOne() {
        return oneByOne("z", model.config().nHeads(), PatchSetter.layerHeadVector());
    }

    private double oneByOne(String activation, int count, PatchSetter setter) {
        double sum = 0;
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            for (int i = 0; i < count; i++) {
                int[] index = {layer, i};
                Hook hook = Hook.at(
                        activation, layer, (before, point) -> setter.apply(before, index, clean.get(point.name())));
                try (Tensor logits = model.runWithHooks(corrupted, hook)) {
                    sum += metric.of(logits);
                }
            }
        }
        return sum;
    }
}
