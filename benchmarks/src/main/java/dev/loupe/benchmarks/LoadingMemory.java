package dev.loupe.benchmarks;

import static dev.loupe.benchmarks.ProcessMemory.MEGABYTE;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * How much memory loading takes at its peak. Makes a random LLaMA checkpoint of about 500 MB in three shards,
 * loads it in a fresh Java process, and tells the largest resident set of that process (Linux's {@code VmHWM},
 * mapped files included) beside the model's size. What the process held before, with the backend open and a toy
 * model loaded once, is told too and taken off.
 *
 * <p>Arguments: {@code [BACKEND [STORED [TARGET [raw]]]]}: a backend's id, the data type in the files, that of the
 * model, and whether the weights are left unprocessed; {@code reference float32 float32} unless said otherwise.
 */
public final class LoadingMemory {

    private static final int LAYERS = 12;
    private static final int WIDTH = 768;
    private static final int MLP = 2048;
    private static final int VOCABULARY = 32_000;

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
            write(directory, stored);
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
            delete(directory);
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
            long size = parameters() * target.bytes();
            long block = (4L * WIDTH * WIDTH + 3L * WIDTH * MLP + 2L * WIDTH) * target.bytes();
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

    private static Map<String, long[]> tensors() {
        Map<String, long[]> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", new long[] {VOCABULARY, WIDTH});
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "model.layers." + layer + ".";
            for (String name : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
                tensors.put(block + "self_attn." + name + ".weight", new long[] {WIDTH, WIDTH});
            }
            tensors.put(block + "mlp.gate_proj.weight", new long[] {MLP, WIDTH});
            tensors.put(block + "mlp.up_proj.weight", new long[] {MLP, WIDTH});
            tensors.put(block + "mlp.down_proj.weight", new long[] {WIDTH, MLP});
            tensors.put(block + "input_layernorm.weight", new long[] {WIDTH});
            tensors.put(block + "post_attention_layernorm.weight", new long[] {WIDTH});
        }
        tensors.put("model.norm.weight", new long[] {WIDTH});
        tensors.put("lm_head.weight", new long[] {VOCABULARY, WIDTH});
        return tensors;
    }

    private static long parameters() {
        return tensors().values().stream()
                .mapToLong(shape -> Shape.of(shape).elements())
                .sum();
    }

    private static void write(Path directory, DType dtype) throws IOException {
        Map<String, long[]> tensors = tensors();
        List<Map.Entry<String, long[]>> entries = List.copyOf(tensors.entrySet());
        StringBuilder index = new StringBuilder();
        int shards = 3;
        for (int shard = 0; shard < shards; shard++) {
            String file = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards);
            SafetensorsWriter writer = new SafetensorsWriter();
            for (int i = shard * entries.size() / shards; i < (shard + 1) * entries.size() / shards; i++) {
                String name = entries.get(i).getKey();
                Shape shape = Shape.of(entries.get(i).getValue());
                writer.add(name, dtype, shape, () -> random(dtype, shape));
                index.append(index.isEmpty() ? "" : ",\n").append("\"" + name + "\": \"" + file + "\"");
            }
            writer.write(directory.resolve(file));
        }
        Files.writeString(directory.resolve("model.safetensors.index.json"), "{\"weight_map\": {" + index + "}}");
        Files.writeString(
                directory.resolve("config.json"),
                String.format(
                        Locale.ROOT,
                        "{\"model_type\": \"llama\", \"hidden_size\": %d, \"intermediate_size\": %d,"
                                + " \"num_hidden_layers\": %d, \"num_attention_heads\": 12, \"vocab_size\": %d,"
                                + " \"rms_norm_eps\": 1e-5, \"max_position_embeddings\": 512,"
                                + " \"tie_word_embeddings\": false, \"hidden_act\": \"silu\"}",
                        WIDTH,
                        MLP,
                        LAYERS,
                        VOCABULARY));
    }

    private static HostTensor random(DType dtype, Shape shape) {
        HostTensor tensor = HostTensor.allocateHeap(dtype, shape);
        Random random = new Random(shape.elements());
        int count = (int) shape.elements();
        for (int i = 0; i < count; i++) {
            tensor.setDouble(i, shape.rank() == 1 ? 1 : random.nextFloat() * 0.04 - 0.02);
        }
        return tensor;
    }

    private static void delete(Path directory) {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
