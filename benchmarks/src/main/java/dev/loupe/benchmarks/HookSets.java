package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * What many different sets of hooks cost at GPT-2-small's size: the resident set after one and after fifty, beside the
 * size of the weights, and what the first run of a set takes longer than its repetition, which is its preparation.
 * Sets are drawn at random: some hook points are observed; in two sets out of three some are edited as well, anywhere
 * in the model. Times are CPU time of the calling thread, which computes alone.
 *
 * <p>Arguments: {@code [BACKEND [SETS [SEED]]]}; {@code onnx 50 1} unless said otherwise.
 */
public final class HookSets {

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final int REPETITIONS = 3;

    private HookSets() {}

    /** Runs it. */
    public static void main(String[] arguments) {
        String backend = arguments.length > 0 ? arguments[0] : "onnx";
        int sets = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 50;
        Random random = new Random(arguments.length > 2 ? Long.parseLong(arguments[2]) : 1);
        try (HookedTransformer model = Gpt2Small.model(backend, 1)) {
            Tokens tokens = Gpt2Small.tokens(1, 64);
            say("the weights are", weights(model));
            say("resident with the model loaded", settled());
            run(model, RunRequest.of(tokens).build());
            run(model, RunRequest.of(tokens).build());
            say("resident after a plain run", settled());
            List<Double> preparations = new ArrayList<>();
            for (int i = 1; i <= sets; i++) {
                RunRequest request = draw(model, tokens, random, i % 3 != 0);
                preparations.add(preparation(model, request, i));
                if (i == 1 || i == sets) {
                    say("resident after " + i + " sets of hooks", settled());
                }
            }
            System.out.printf(
                    Locale.ROOT,
                    "first run of a set minus its repetition: median %.1f ms, largest %.1f ms%n",
                    sorted(preparations)[sets / 2],
                    sorted(preparations)[sets - 1]);
        }
    }

    private static void say(String what, long bytes) {
        System.out.printf(Locale.ROOT, "%s: %d MB%n", what, bytes / MEGABYTE);
    }

    // Tensors that nobody can reach any more still count until the collector has run.
    private static long settled() {
        System.gc();
        return ProcessMemory.resident();
    }

    private static long weights(HookedTransformer model) {
        Set<String> constants = model.graph().constants().keySet();
        long bytes = 0;
        for (String name : model.weightNames()) {
            if (!constants.contains(name)) {
                Tensor weight = model.weight(name); // the model's own
                bytes += weight.shape().elements() * weight.dtype().bytes();
            }
        }
        return bytes;
    }

    private static RunRequest draw(HookedTransformer model, Tokens tokens, Random random, boolean edits) {
        List<HookPoint> points = model.hookNames().points();
        Set<String> observed = new TreeSet<>();
        for (int i = 0; i < 5 + random.nextInt(20); i++) {
            observed.add(points.get(random.nextInt(points.size())).name());
        }
        List<Hook> hooks = new ArrayList<>();
        TransformerConfig config = model.config();
        for (int i = 0; edits && i < 1 + random.nextInt(3); i++) {
            String block = "blocks." + random.nextInt(config.nLayers()) + ".";
            List<HookPoint> inside = points.stream()
                    .filter(point -> point.name().startsWith(block) && !point.optional())
                    .toList();
            HookPoint point = inside.get(random.nextInt(inside.size()));
            hooks.add(Hook.at(point.name(), (activation, where) -> activation.mul(0.99)));
        }
        return RunRequest.of(tokens)
                .observe(HookFilter.names(observed))
                .hooks(hooks)
                .build();
    }

    private static double preparation(HookedTransformer model, RunRequest request, int number) {
        double first = run(model, request);
        List<Double> again = new ArrayList<>();
        for (int i = 0; i < REPETITIONS; i++) {
            again.add(run(model, request));
        }
        double repeated = sorted(again)[REPETITIONS / 2];
        System.out.printf(
                Locale.ROOT,
                "  set %2d, %d edited: %.1f ms, then %.1f ms%n",
                number,
                request.edits().size(),
                first,
                repeated);
        return first - repeated;
    }

    private static double run(HookedTransformer model, RunRequest request) {
        long start = THREADS.getCurrentThreadCpuTime();
        try (RunResult result = model.run(request)) {
            result.logits().shape();
        }
        return (THREADS.getCurrentThreadCpuTime() - start) / 1e6;
    }

    private static double[] sorted(List<Double> times) {
        double[] sorted = times.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted;
    }
}
