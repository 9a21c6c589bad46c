package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.analysis.patching.ActivationPatching;
import dev.loupe.analysis.patching.LogitMetric;
import dev.loupe.analysis.patching.Sweep;
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
import java.util.SplittableRandom;

/**
 * What interventions cost at GPT-2-small's size, each next to what it is measured against. Both sides run by turns in one
 * process, so that whatever else the machine does meets both; told are both medians and the median of the turns' ratios,
 * which noise moves least.
 *
 * <p>Arguments: {@code BACKEND [WHAT…]}, where what is {@code patterns}, {@code memory}, {@code sweeps} or {@code
 * generation}; all without. Set the environment variable {@code OMP_WAIT_POLICY=PASSIVE}.
 */
public final class InterventionCosts {

    private static final int SELECTIONS = 300;
    private static final int STEPS = 32;
    private static final int SWEPT = 16;

    private final String backend;
    private final HookedTransformer model;

    private InterventionCosts(String backend, HookedTransformer model) {
        this.backend = backend;
        this.model = model;
    }

    /** Runs it. */
    public static void main(String[] arguments) {
        String backend = arguments[0];
        String[] wanted = arguments.length > 1
                ? Arrays.copyOfRange(arguments, 1, arguments.length)
                : new String[] {"patterns", "memory", "generation", "sweeps"};
        try (HookedTransformer model = Gpt2Small.model(backend, 2)) {
            InterventionCosts costs = new InterventionCosts(backend, model);
            for (String what : wanted) {
                switch (what) {
                    case "patterns" -> costs.patterns();
                    case "memory" -> costs.memory();
                    case "generation" -> costs.generation();
                    case "sweeps" -> costs.sweeps();
                    default ->
                        throw new IllegalArgumentException(
                                "Say patterns, memory, generation or sweeps, not '" + what + "'");
                }
            }
        }
    }

    /** Twelve patterns scaled: beside nothing, and beside twelve patterns observed. */
    private void patterns() {
        Intervention[] scaled = new Intervention[model.config().nLayers()];
        Arrays.setAll(scaled, layer -> Intervention.scale("pattern", layer, 0.9));
        Tokens few = Gpt2Small.tokens(1, 64);
        pair(
                "12 patterns scaled, 1x64, beside the plain forward (at most 1.05)",
                31,
                () -> run(RunRequest.of(few).interventions(scaled).build()),
                () -> run(RunRequest.of(few).build()));
        Tokens many = Gpt2Small.tokens(1, 512);
        pair(
                "12 patterns scaled, 1x512, beside 12 patterns observed (at most 1.05)",
                11,
                () -> run(RunRequest.of(many).interventions(scaled).build()),
                () -> run(RunRequest.of(many)
                        .observe(HookFilter.glob("*hook_pattern"))
                        .build()));
    }

    /** The resident set after one selection and value, and after 300. */
    private void memory() {
        Tokens tokens = Gpt2Small.tokens(1, 16);
        SplittableRandom random = new SplittableRandom(3);
        // What a process takes for its first runs, and for the heap that they fill, is no matter of selections.
        for (int i = 0; i < 30; i++) {
            selected(tokens, random);
        }
        System.gc();
        long before = ProcessMemory.resident();
        for (int i = 0; i < SELECTIONS; i++) {
            selected(tokens, random);
        }
        System.gc();
        long after = ProcessMemory.resident();
        say(
                "%s: resident after 30 selections and values %d MB, after %d more %d MB: %+.2f%% (at most +1%%)",
                backend, before / MEGABYTE, SELECTIONS, after / MEGABYTE, 100.0 * (after - before) / before);
    }

    private void selected(Tokens tokens, SplittableRandom random) {
        long position = random.nextInt(tokens.positions());
        try (Tensor vector =
                model.tensors().randn(random.nextLong(), model.config().dModel())) {
            run(RunRequest.of(tokens)
                    .interventions(
                            Intervention.scale("z", 3, random.nextDouble()).heads(random.nextInt(12)),
                            Intervention.add("resid_post", 6, vector).positions(position),
                            Intervention.set("resid_mid9", vector).positionOfEachRow(position))
                    .build());
        }
    }

    /** A vector added at every step behind layer 6. */
    private void generation() {
        Tokens prompt = Gpt2Small.tokens(1, 32);
        // So small that the tokens stay the same: another length would be another generation.
        try (Tensor vector = model.tensors().randn(1, model.config().dModel()).mul(1e-6)) {
            Intervention steering = Intervention.add("resid_post", 6, vector);
            GenerateOptions plain = GenerateOptions.greedy(STEPS).withStopAtEos(false);
            pair(
                    "generation of " + STEPS + " tokens steered, beside one that isn't (at most 1.03)",
                    21,
                    () -> generate(prompt, plain.withHooks(steering)),
                    () -> generate(prompt, plain));
        }
    }

    private void generate(Tokens prompt, GenerateOptions how) {
        int length = model.generate(prompt, how).get(0).length;
        if (length != prompt.positions() + STEPS) {
            throw new IllegalStateException("Generated " + length + " tokens");
        }
    }

    /** Sweeps, beside the same patched runs one by one. */
    private void sweeps() {
        Tokens corrupted = Gpt2Small.tokens(1, SWEPT);
        long[] other = corrupted.row(0);
        other[3] = (other[3] + 1) % model.config().dVocab();
        LogitMetric metric = LogitMetric.logitDifference(5, 9);
        try (ActivationCache clean = model.runWithCache(Tokens.of(other), HookFilter.glob("*hook_resid_pre,*hook_z"))
                .cache()) {
            ActivationPatching patching = ActivationPatching.of(model, corrupted, clean, metric);
            pair(
                    "sweep resid_pre, 12 x 16, beside separate runs (onnx: at most 0.15)",
                    3,
                    () -> patching.run(Sweep.RESID_PRE),
                    () -> eachLayer(
                            SWEPT,
                            (layer, at) -> apart(
                                    corrupted,
                                    metric,
                                    Intervention.patch("resid_pre", layer, clean)
                                            .positions(at))));
            pair(
                    "sweep of heads, 12 x 12, beside separate runs (onnx: at most 0.18)",
                    3,
                    () -> patching.run(Sweep.ATTN_HEAD_OUT_ALL_POS),
                    () -> eachLayer(
                            model.config().nHeads(),
                            (layer, at) -> apart(
                                    corrupted,
                                    metric,
                                    Intervention.patch("z", layer, clean).heads(at))));
        }
    }

    private interface Place {
        void run(int layer, int index);
    }

    private void eachLayer(int count, Place place) {
        for (int layer = 0; layer < model.config().nLayers(); layer++) {
            for (int index = 0; index < count; index++) {
                place.run(layer, index);
            }
        }
    }

    private void apart(Tokens tokens, LogitMetric metric, Intervention patch) {
        try (Tensor logits = model.runWith(tokens, patch)) {
            metric.of(logits);
        }
    }

    private void run(RunRequest request) {
        try (RunResult result = model.run(request)) {
            if (result.cache().size() < 0) {
                throw new IllegalStateException("A cache has a size");
            }
        }
    }

    /** Both by turns, the first to go changing too; the first turns aren't counted. */
    private void pair(String what, int turns, Runnable tried, Runnable base) {
        int warm = Math.max(1, turns / 3);
        double[] triedTimes = new double[turns];
        double[] baseTimes = new double[turns];
        double[] ratios = new double[turns];
        for (int turn = -warm; turn < turns; turn++) {
            double first = turn % 2 == 0 ? time(tried) : time(base);
            double second = turn % 2 == 0 ? time(base) : time(tried);
            if (turn >= 0) {
                triedTimes[turn] = turn % 2 == 0 ? first : second;
                baseTimes[turn] = turn % 2 == 0 ? second : first;
                ratios[turn] = triedTimes[turn] / baseTimes[turn];
            }
        }
        say(
                "%s: %s: %.1f ms, %.1f ms; ratio %.3f (quartiles %.3f to %.3f, %d turns)",
                backend,
                what,
                quantile(triedTimes, 0.5),
                quantile(baseTimes, 0.5),
                quantile(ratios, 0.5),
                quantile(ratios, 0.25),
                quantile(ratios, 0.75),
                turns);
    }

    private static double time(Runnable run) {
        long start = System.nanoTime();
        run.run();
        return (System.nanoTime() - start) / 1e6;
    }

    private static double quantile(double[] numbers, double part) {
        double[] sorted = numbers.clone();
        Arrays.sort(sorted);
        return sorted[(int) Math.round(part * (sorted.length - 1))];
    }

    private static void say(String format, Object... numbers) {
        System.out.println(String.format(Locale.ROOT, format, numbers));
    }
}
