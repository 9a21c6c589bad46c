package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Locale;
import java.util.function.IntConsumer;

/**
 * Whether running leaks: the resident set while {@code toy-gpt2} runs 20,000 times with every activation cached, and
 * while 20,000 operations are called on tensors one by one. What is never closed has to be freed by the collector, so
 * its resident set may go up and down, but not grow.
 *
 * <p>Arguments: {@code BACKEND closed|unclosed|operations [COUNT]}.
 */
public final class RunningMemory {

    private static final int REPORTS = 10;

    private RunningMemory() {}

    /** Runs it. */
    public static void main(String[] arguments) {
        String backend = arguments[0];
        String what = arguments[1];
        int count = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 20_000;
        LoadOptions options = LoadOptions.defaults().withBackend(backend).withThreads(1);
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options)) {
            Tokens tokens = model.toTokens("When Mary and John went to the store, John gave a drink to");
            switch (what) {
                case "closed" ->
                    report(
                            backend + ", runs, closed",
                            count,
                            i -> model.runWithCache(tokens).close());
                case "unclosed" ->
                    report(backend + ", runs, never closed", count, i -> {
                        CachedRun run = model.runWithCache(tokens);
                        if (run.cache().size() == 0) {
                            throw new IllegalStateException("Nothing was cached");
                        }
                    });
                case "operations" -> operations(backend, model, count);
                default -> throw new IllegalArgumentException("Say closed, unclosed or operations, not " + what);
            }
        }
    }

    private static void operations(String backend, HookedTransformer model, int count) {
        Tensor x = model.weight("embed.W_E"); // the model's own, 1389 x 128
        report(backend + ", eight operations, never closed", count / 8, i -> {
            Tensor moved = x.slice(0, i % 64, -1).add(i);
            Tensor norm = moved.mul(moved).sum(-1).unsqueeze(-1).sqrt();
            if (moved.div(norm).transpose(0, 1).shape().rank() != 2) {
                throw new IllegalStateException("A transposed matrix has two axes");
            }
        });
    }

    private static void report(String what, int count, IntConsumer work) {
        System.out.printf(Locale.ROOT, "%s, %d times, -Xmx %d MB; resident, in MB:%n", what, count, heap());
        for (int i = 0; i < count / REPORTS; i++) {
            work.accept(i);
        }
        long before = ProcessMemory.resident();
        System.out.printf(Locale.ROOT, "  after %6d: %d%n", count / REPORTS, before / MEGABYTE);
        for (int i = count / REPORTS + 1; i <= count; i++) {
            work.accept(i);
            if (i % (count / REPORTS) == 0) {
                System.out.printf(Locale.ROOT, "  after %6d: %d%n", i, ProcessMemory.resident() / MEGABYTE);
            }
        }
    }

    private static long heap() {
        return Runtime.getRuntime().maxMemory() / MEGABYTE;
    }
}
