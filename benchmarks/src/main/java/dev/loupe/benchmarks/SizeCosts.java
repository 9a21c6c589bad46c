package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * What a model of real size costs: its peak while loading, what stays, the time to load it and to the first token, of
 * each token, and the peak of a run whose activations are kept. Resident sets are Linux's, with {@code own} for what
 * belongs to the process alone (libraries and mapped files left out).
 *
 * <p>Arguments: {@code BACKEND DTYPE SIZE [STORED [LAYERS]] [processed] [layer] [heap=8g]}, a size of {@link RandomLlama}
 * or a folder that it has written; {@code layer} keeps one layer's points of a run, not all. The model is loaded in a
 * process of its own with a heap of 2 GB, or of as much as is said: the tensors of {@code reference} lie there.
 */
public final class SizeCosts {

    private static final int TOKENS = 16;
    private static final String HEAP = "heap=";

    private SizeCosts() {}

    /** Runs it. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> given = new ArrayList<>(Arrays.asList(arguments));
        boolean processed = given.remove("processed");
        boolean layer = given.remove("layer");
        String heap = given.stream()
                .filter(argument -> argument.startsWith(HEAP))
                .findFirst()
                .orElse(HEAP + "2g");
        given.remove(heap);
        if (given.get(0).equals("load")) {
            load(given.get(1), given.get(2), DType.parse(given.get(3)), processed, layer);
            return;
        }
        String what = given.get(2);
        Path folder = Path.of(what);
        boolean made = !Files.isDirectory(folder);
        if (made) {
            folder = Files.createTempDirectory("loupe-size");
        }
        try {
            if (made) {
                RandomLlama.Size size = RandomLlama.Size.parse(what);
                DType stored = given.size() > 3 ? DType.parse(given.get(3)) : DType.BFLOAT16;
                RandomLlama llama =
                        given.size() > 4 ? new RandomLlama(size, Integer.parseInt(given.get(4))) : RandomLlama.of(size);
                llama.write(folder, stored);
            }
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-Xmx" + heap.substring(HEAP.length()),
                    "-XX:MaxDirectMemorySize=32g",
                    "-cp",
                    System.getProperty("java.class.path"),
                    SizeCosts.class.getName(),
                    "load",
                    folder.toString(),
                    given.get(0),
                    given.get(1)));
            if (processed) {
                command.add("processed");
            }
            if (layer) {
                command.add("layer");
            }
            int exit = new ProcessBuilder(command).inheritIO().start().waitFor();
            if (exit != 0) {
                throw new IllegalStateException("Loading failed");
            }
        } finally {
            if (made) {
                RandomLlama.delete(folder);
            }
        }
    }

    private static void load(String folder, String backend, DType dtype, boolean processed, boolean oneLayer) {
        LoadOptions options = (processed ? LoadOptions.defaults() : LoadOptions.noProcessing())
                .withBackend(backend)
                .withDType(dtype)
                .withThreads(Runtime.getRuntime().availableProcessors());
        try (HookedTransformer toy = HookedTransformer.fromPretrained("toy-llama", options)) {
            toy.forward(tokens(toy, 4)).close();
        }
        settle();
        long before = ProcessMemory.resident();
        report("with the engine and a toy model closed again", before, 0);
        ProcessMemory.forgetPeak();
        long start = System.nanoTime();
        try (HookedTransformer model = HookedTransformer.fromPretrained(folder, options)) {
            double seconds = millis(start) / 1e3;
            long weights = model.parameterCount() * dtype.bytes();
            System.out.printf(
                    Locale.ROOT,
                    "%s, %s, %d layers: %d parameters, weights %d MB; loaded in %.1f s%n",
                    backend,
                    dtype,
                    model.config().nLayers(),
                    model.parameterCount(),
                    weights / MEGABYTE,
                    seconds);
            long peak = ProcessMemory.peak();
            settle();
            report("peak while loading", peak, weights);
            report("stays after loading", ProcessMemory.resident(), weights);
            run(model, weights, oneLayer);
        }
    }

    private static void run(HookedTransformer model, long weights, boolean oneLayer) {
        Tokens prompt = tokens(model, 64);
        try (Generation generation = model.stream(prompt, GenerateOptions.greedy(TOKENS + 1))) {
            long start = System.nanoTime();
            generation.next();
            double first = millis(start);
            start = System.nanoTime();
            generation.forEachRemaining(token -> {});
            System.out.printf(
                    Locale.ROOT,
                    "first token after 64 of prompt: %.0f ms; then %.1f ms a token%n",
                    first,
                    millis(start) / TOKENS);
        }
        for (int i = 0; i < 3; i++) {
            long start = System.nanoTime();
            model.forward(prompt).close();
            System.out.printf(Locale.ROOT, "forward 1x64: %.0f ms%n", millis(start));
        }
        settle();
        long stays = ProcessMemory.resident();
        report("stays after running", stays, weights);
        ProcessMemory.forgetPeak();
        Tokens tokens = tokens(model, 512);
        HookFilter filter =
                oneLayer ? HookFilter.glob("blocks." + model.config().nLayers() / 2 + ".*") : HookFilter.standard();
        long start = System.nanoTime();
        try (CachedRun run = model.runWithCache(tokens, filter)) {
            long cached = run.cache().items().values().stream()
                            .mapToLong(SizeCosts::bytes)
                            .sum()
                    + bytes(run.logits());
            long peak = ProcessMemory.peak();
            System.out.printf(
                    Locale.ROOT,
                    "cached run of 1x512, %d activations, %d MB with the logits: %.0f ms, peak %d MB,"
                            + " %.2f times weights and cache%n",
                    run.cache().size(),
                    cached / MEGABYTE,
                    millis(start),
                    peak / MEGABYTE,
                    peak / (double) (weights + cached));
        }
        settle();
        report("stays after the cached run", ProcessMemory.resident(), weights);
    }

    private static long bytes(Tensor tensor) {
        return tensor.shape().elements() * tensor.dtype().bytes();
    }

    private static void report(String what, long bytes, long weights) {
        System.out.printf(
                Locale.ROOT,
                "%s: %d MB%s (now: own %d MB, Java's heap %d MB, direct buffers %d MB)%n",
                what,
                bytes / MEGABYTE,
                weights == 0 ? "" : String.format(Locale.ROOT, ", %.2f times the weights", bytes / (double) weights),
                ProcessMemory.own() / MEGABYTE,
                Runtime.getRuntime().totalMemory() / MEGABYTE,
                ProcessMemory.direct() / MEGABYTE);
    }

    // Memory outside of the heap is freed by a thread of Java's own, a little later than the collection that found it.
    private static void settle() {
        System.gc();
        try {
            Thread.sleep(500);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        System.gc();
    }

    private static double millis(long start) {
        return (System.nanoTime() - start) / 1e6;
    }

    private static Tokens tokens(HookedTransformer model, int positions) {
        Random random = new Random(positions);
        long[][] ids = new long[1][positions];
        Arrays.setAll(ids[0], i -> random.nextInt(model.config().dVocab()));
        return Tokens.of(ids);
    }
}
