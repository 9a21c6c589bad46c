package dev.loupe.benchmarks;

import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.Sweep;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;

/**
 * What looking and changing cost on a device, a GPU above all, beside the plain forward pass at GPT-2-small's size. Each
 * pair runs by turns in one process, and each run ends with one number read out, for which the device must be done.
 *
 * <p>Arguments: {@code BACKEND DEVICE [DTYPE [DEVICES]]}, as {@code pytorch cuda float16 2}; several devices on one card
 * are logical ones.
 */
public final class DeviceCosts {

    private static final int TURNS = 41;
    private static final int WARM = 15;
    private static final int STEPS = 32;
    private static final int SWEPT = 16;

    private final HookedTransformer model;

    private DeviceCosts(HookedTransformer model) {
        this.model = model;
    }

    /** Runs it. */
    public static void main(String[] arguments) {
        int devices = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 1;
        LoadOptions options = LoadOptions.defaults()
                .withBackend(arguments[0])
                .withDevice(arguments[1])
                .withDType(DType.valueOf((arguments.length > 2 ? arguments[2] : "float32").toUpperCase(Locale.ROOT)))
                .withDevices(devices);
        if (devices > 1) {
            options = options.withBackendSetting("logical-devices", arguments[3]);
        }
        try (HookedTransformer model = HookedTransformer.fromConfig(Gpt2Small.config(), 1, options)) {
            say("%s on %s in %s", arguments[0], model.backend().device(), model.dtype());
            DeviceCosts costs = new DeviceCosts(model);
            for (String shape : new String[] {"1x64", "8x64", "1x512"}) {
                costs.runs(shape);
            }
            costs.generation();
            costs.sweep();
            say("collections asked for: %d", Tensor.collectionsAskedFor());
        }
    }

    private void runs(String shape) {
        Tokens tokens = Gpt2Small.tokens(shape);
        Runnable plain = () -> run(RunRequest.of(tokens).build());
        pair(shape + " standard points observed (at most 1.3)", plain, observing(tokens, HookFilter.standard()));
        pair(shape + " every point observed (at most 1.3)", plain, observing(tokens, HookFilter.everything()));
        for (String point : new String[] {"pattern", "resid_post"}) {
            Intervention[] edits = new Intervention[model.config().nLayers()];
            Arrays.setAll(edits, layer -> Intervention.scale(point, layer, 0.9));
            Runnable edited =
                    () -> run(RunRequest.of(tokens).interventions(edits).build());
            pair(shape + " 12 edits of " + point + " (at most 1.2)", plain, edited);
        }
    }

    private Runnable observing(Tokens tokens, HookFilter points) {
        return () -> run(RunRequest.of(tokens).observe(points).build());
    }

    private void run(RunRequest request) {
        try (RunResult result = model.run(request)) {
            result.logits().item(0, 0, 0);
        }
    }

    private void generation() {
        Tokens prompt = Gpt2Small.tokens(1, 64);
        GenerateOptions plain = GenerateOptions.greedy(STEPS).withStopAtEos(false);
        try (Tensor vector = model.tensors().randn(1, model.config().dModel()).mul(1e-6)) {
            GenerateOptions steered = plain.withHooks(Intervention.add("resid_post", 6, vector));
            pair(
                    STEPS + " tokens generated, steered",
                    () -> model.generate(prompt, plain),
                    () -> model.generate(prompt, steered));
        }
    }

    private void sweep() {
        Tokens corrupted = Gpt2Small.tokens(1, SWEPT);
        long[] other = corrupted.row(0);
        other[3] = (other[3] + 1) % model.config().dVocab();
        try (ActivationCache clean = model.runWithCache(Tokens.of(other), HookFilter.glob("*hook_resid_pre"))
                .cache()) {
            ActivationPatching patching =
                    ActivationPatching.of(model, corrupted, clean, LogitMetric.logitDifference(5, 9));
            pair(
                    "sweep of resid_pre, 12 x 16, beside one forward",
                    () -> run(RunRequest.of(corrupted).build()),
                    () -> patching.run(Sweep.RESID_PRE));
        }
    }

    private static void pair(String what, Runnable base, Runnable tried) {
        double[] bases = new double[TURNS];
        double[] trieds = new double[TURNS];
        double[] ratios = new double[TURNS];
        for (int turn = -WARM; turn < TURNS; turn++) {
            double first = time(base);
            double second = time(tried);
            if (turn >= 0) {
                bases[turn] = first;
                trieds[turn] = second;
                ratios[turn] = second / first;
            }
        }
        say("%s: %.2f ms, plain %.2f ms, ratio %.3f", what, median(trieds), median(bases), median(ratios));
    }

    private static double time(Runnable run) {
        long start = System.nanoTime();
        run.run();
        return (System.nanoTime() - start) / 1e6;
    }

    private static double median(double[] times) {
        double[] sorted = times.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static void say(String format, Object... arguments) {
        System.out.printf(Locale.ROOT, format + "%n", arguments);
    }
}
