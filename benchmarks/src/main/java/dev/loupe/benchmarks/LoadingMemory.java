package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How much memory loading takes at its peak. Makes a random LLaMA checkpoint of about 500 MB,
 * loads it in a fresh Java process, and tells the largest resident set of that process (Linux's {@code VmHWM},
 * mapped files included) beside the model's size. What the process held before, with the backend open and a toy
 * model loaded once, is told too and taken off.
 *
 * <p>Arguments: {@code [BACKEND [STORED [TARGET [raw]]]]}: a backend's id, the data type in the files, that of the
 * model, and whether the weights are left unprocessed; {@code reference float32 float32} unless said otherwise.
 */
public final class LoadingMemory {

    private static final RandomLlama MODEL = RandomLlama.of(RandomLlama.Size.M125);

    private LoadingMemory() {}

    /** Runs it. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> given = new ArrayList<>(Arrays.asList(arguments));
        if (!given.isEmpty() && given.get(0).equals("load")) {
            load(Path.of(given.get(1)), given.get(2), DType.parse(given.get(3)), given.contains("raw"));
            return;
        }
        String backend = given.isEmpty() ? "reference" : given.get(0);
        DType stored = given.size() < 2 ? DType.FLOAT32 : DType.parse(given.get(1));
        String target = given.size() < 3 ? "float32" : given.get(2);
        Path directory = Files.createTempDirectory("loupe-loading");
        try {
            MODEL.write(directory, stored);
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    LoadingMemory.class.getName(),
                    "load",
                    directory.toString(),
                    backend,
                    target));
            if (given.contains("raw")) {
                command.add("raw");
            }
            System.out.printf(Locale.ROOT, "%s in files, %s in memory, backend %s: ", stored, target, backend);
            System.out.flush();
            int exit = new ProcessBuilder(command).inheritIO().start().waitFor();
            if (exit != 0) {
                throw new IllegalStateException("Loading failed");
            }
        } finally {
            RandomLlama.delete(directory);
        }
    }

    private static void load(Path directory, String backend, DType target, boolean raw) {
        LoadOptions options = (raw ? LoadOptions.noProcessing() : LoadOptions.defaults())
                .withBackend(backend)
                .withDType(target);
        HookedTransformer.fromPretrained("toy-llama", options).close();
        System.gc();
        long before = ProcessMemory.resident();
        long start = System.nanoTime();
        try (HookedTransformer model = HookedTransformer.fromPretrained(directory.toString(), options)) {
            double seconds = (System.nanoTime() - start) / 1e9;
            long peak = ProcessMemory.peak();
            long size = MODEL.parameters() * target.bytes();
            long block = MODEL.parametersOfBlock() * target.bytes();
            System.out.printf(
                    Locale.ROOT,
                    "model %d MB, one block of it %d MB; resident %d MB before and %d MB at the peak: a block and"
                            + " %.2f times the model on top of what was there; %.1f s (%d layers)%n",
                    size / MEGABYTE,
                    block / MEGABYTE,
                    before / MEGABYTE,
                    peak / MEGABYTE,
                    (peak - before - block) / (double) size,
                    seconds,
                    model.config().nLayers());
        }
    }
}
