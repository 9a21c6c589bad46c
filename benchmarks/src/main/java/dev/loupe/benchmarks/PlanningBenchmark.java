package dev.loupe.benchmarks;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
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
 * What the preparation of a run costs: a model of 48 layers that are so narrow that hardly anything is computed, with
 * 50 hooks. The difference between a set of hooks that is new and one that was run before is the passes and the
 * division of the graph.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(1)
@SuppressWarnings("NullAway.Init")
public class PlanningBenchmark {

    private static final int LAYERS = 48;
    private static final int HOOKS = 50;

    @Param("reference")
    private String backend;

    private HookedTransformer model;
    private Tokens tokens;
    private Random random;
    private RunRequest known;
    private RunRequest fresh;

    /** Makes the model. */
    @Setup
    public void setUp() {
        TransformerConfig config = TransformerConfig.builder()
                .modelName("48 narrow layers")
                .architecture("gpt2")
                .nLayers(LAYERS)
                .dModel(8)
                .nHeads(2)
                .dVocab(20)
                .nCtx(16)
                .build();
        model = HookedTransformer.fromConfig(
                config, 1, LoadOptions.defaults().withBackend(backend).withThreads(1));
        tokens = Tokens.of(new long[][] {{1, 2}});
        random = new Random(1);
        known = draw();
        knownHooks();
    }

    /** Another set of hooks. */
    @Setup(Level.Invocation)
    public void drawHooks() {
        fresh = draw();
    }

    private RunRequest draw() {
        List<HookPoint> points = new ArrayList<>(model.graph().hookPoints().stream()
                .filter(point -> !point.optional())
                .toList());
        Collections.shuffle(points, random);
        RunRequest.Builder request = RunRequest.of(tokens);
        for (HookPoint point : points.subList(0, HOOKS)) {
            request.hooks(Hook.at(point.name(), (activation, at) -> null));
        }
        return request.build();
    }

    /** A run whose plan is there. */
    @Benchmark
    public RunResult knownHooks() {
        return model.run(known);
    }

    /** The first run with a set of hooks. */
    @Benchmark
    public RunResult newHooks() {
        return model.run(fresh);
    }

    /** Frees the model. */
    @TearDown
    public void tearDown() {
        model.close();
    }
}
