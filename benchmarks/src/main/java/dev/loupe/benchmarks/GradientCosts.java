package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.Locale;

/**
 * What a first run with derivatives costs beyond the run itself, in time and memory, next to a forward pass with every
 * standard activation cached: 1×64 tokens, GPT-2-small's size.
 *
 * <p>Arguments: {@code BACKEND cache|gradients}. Each in a process of its own, since memory that was once used stays.
 */
public final class GradientCosts {

    private static final int RUNS = 5;

    private GradientCosts() {}

    /** Runs it. */
    public static void main(String[] arguments) {
        String backend = arguments[0];
        boolean gradients = arguments[1].equals("gradients");
        try (HookedTransformer model = Gpt2Small.model(backend, 2)) {
            Tokens tokens = Gpt2Small.tokens(1, 64);
            RunRequest forward = RunRequest.of(tokens).build();
            RunRequest cached =
                    RunRequest.of(tokens).observe(HookFilter.standard()).build();
            RunRequest request = gradients
                    ? RunRequest.of(tokens)
                            .returns(Returns.NONE)
                            .gradients(Metric.logitDifference(5, 9), HookFilter.standard())
                            .build()
                    : cached;
            long loaded = ProcessMemory.resident();
            double forwardFirst = time(model, forward);
            double forwardThen = steady(model, forward);
            long afterForward = ProcessMemory.peak();
            double first = time(model, request);
            double then = steady(model, request);
            System.out.printf(
                    Locale.ROOT,
                    "%s, %s: forward first %.0f ms, then %.0f; this first %.0f ms, then %.0f; prepared in %.0f against %.0f"
                            + " ms; MB above the loaded model's %d: forward %d, this %d%n",
                    backend,
                    arguments[1],
                    forwardFirst,
                    forwardThen,
                    first,
                    then,
                    first - then,
                    forwardFirst - forwardThen,
                    loaded / MEGABYTE,
                    (afterForward - loaded) / MEGABYTE,
                    (ProcessMemory.peak() - loaded) / MEGABYTE);
        }
    }

    private static double steady(HookedTransformer model, RunRequest request) {
        double best = Double.POSITIVE_INFINITY;
        for (int i = 0; i < RUNS; i++) {
            best = Math.min(best, time(model, request));
        }
        return best;
    }

    private static double time(HookedTransformer model, RunRequest request) {
        long start = System.nanoTime();
        try (RunResult result = model.run(request)) {
            if (result.cache().size() < 0) {
                throw new IllegalStateException("A cache has a size");
            }
        }
        return (System.nanoTime() - start) / 1e6;
    }
}
