package dev.loupe.benchmarks;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A LLaMA with random weights as a checkpoint in shards, at sizes of real models: 13.5 GB of it are written as fast as
 * the disk takes them.
 *
 * <p>Arguments: {@code FOLDER SIZE [DTYPE [LAYERS]]}, the size one of 125m, 1b and 7b, {@code bfloat16} unless said
 * otherwise.
 */
public final class RandomLlama {

    /** A size of models. */
    enum Size {
        M125("125m", 12, 768, 2048, 12, 12),
        B1("1b", 22, 2048, 5632, 32, 4),
        B7("7b", 32, 4096, 11008, 32, 32);

        private final String id;
        private final int layers;
        private final int width;
        private final int mlp;
        private final int heads;
        private final int keyValueHeads;

        Size(String id, int layers, int width, int mlp, int heads, int keyValueHeads) {
            this.id = id;
            this.layers = layers;
            this.width = width;
            this.mlp = mlp;
            this.heads = heads;
            this.keyValueHeads = keyValueHeads;
        }

        static Size parse(String id) {
            return Stream.of(values())
                    .filter(size -> size.id.equals(id))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("No size '" + id + "'; there are "
                            + Stream.of(values()).map(size -> size.id).toList()));
        }
    }

    static final int VOCABULARY = 32_000;

    private static final long SHARD = 2_000_000_000;
    private static final int CONTEXT = 2048;

    private final Size size;
    private final int layers;
    private final Map<String, Shape> tensors = new LinkedHashMap<>();

    RandomLlama(Size size, int layers) {
        this.size = size;
        this.layers = layers;
        long keys = (long) size.width / size.heads * size.keyValueHeads;
        tensors.put("model.embed_tokens.weight", Shape.of(VOCABULARY, size.width));
        for (int layer = 0; layer < layers; layer++) {
            String block = "model.layers." + layer + ".";
            tensors.put(block + "self_attn.q_proj.weight", Shape.of(size.width, size.width));
            tensors.put(block + "self_attn.k_proj.weight", Shape.of(keys, size.width));
            tensors.put(block + "self_attn.v_proj.weight", Shape.of(keys, size.width));
            tensors.put(block + "self_attn.o_proj.weight", Shape.of(size.width, size.width));
            tensors.put(block + "mlp.gate_proj.weight", Shape.of(size.mlp, size.width));
            tensors.put(block + "mlp.up_proj.weight", Shape.of(size.mlp, size.width));
            tensors.put(block + "mlp.down_proj.weight", Shape.of(size.width, size.mlp));
            tensors.put(block + "input_layernorm.weight", Shape.of(size.width));
            tensors.put(block + "post_attention_layernorm.weight", Shape.of(size.width));
        }
        tensors.put("model.norm.weight", Shape.of(size.width));
        tensors.put("lm_head.weight", Shape.of(VOCABULARY, size.width));
    }

    /** The whole model of a size. */
    static RandomLlama of(Size size) {
        return new RandomLlama(size, size.layers);
    }

    /** Writes one. */
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        Size size = Size.parse(arguments[1]);
        DType dtype = arguments.length > 2 ? DType.parse(arguments[2]) : DType.BFLOAT16;
        int layers = arguments.length > 3 ? Integer.parseInt(arguments[3]) : size.layers;
        RandomLlama model = new RandomLlama(size, layers);
        model.write(folder, dtype);
        System.out.printf(
                Locale.ROOT,
                "%s: %d parameters, %.2f GB in %s%n",
                folder,
                model.parameters(),
                model.parameters() * dtype.bytes() / 1e9,
                dtype);
    }

    long parameters() {
        return tensors.values().stream().mapToLong(Shape::elements).sum();
    }

    /** Parameters of one block. */
    long parametersOfBlock() {
        return tensors.entrySet().stream()
                .filter(tensor -> tensor.getKey().startsWith("model.layers.0."))
                .mapToLong(tensor -> tensor.getValue().elements())
                .sum();
    }

    /** Shapes of the matrices by which activations are multiplied, as stored: {@code [out, in]}. */
    List<Shape> matrices() {
        return tensors.entrySet().stream()
                .filter(tensor ->
                        tensor.getValue().rank() == 2 && !tensor.getKey().contains("embed"))
                .map(Map.Entry::getValue)
                .toList();
    }

    /** Writes a folder that can be loaded: shards of about 2 GB, their index, and a config. */
    void write(Path folder, DType dtype) throws IOException {
        Files.createDirectories(folder);
        List<List<String>> shards = shards(dtype);
        Map<String, String> index = new LinkedHashMap<>();
        // One buffer for all: each tensor is written before the next is asked for.
        HostTensor random = random(dtype);
        for (int i = 0; i < shards.size(); i++) {
            String file = String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
            SafetensorsWriter writer = new SafetensorsWriter();
            for (String name : shards.get(i)) {
                Shape shape = Objects.requireNonNull(tensors.get(name));
                int shift = index.size();
                writer.add(name, dtype, shape, () -> part(random, dtype, shape, shift));
                index.put(name, file);
            }
            writer.write(folder.resolve(file));
        }
        Files.writeString(
                folder.resolve("model.safetensors.index.json"),
                index.entrySet().stream()
                        .map(entry -> "\"" + entry.getKey() + "\": \"" + entry.getValue() + "\"")
                        .collect(Collectors.joining(",\n", "{\"weight_map\": {", "}}")));
        Files.writeString(folder.resolve("config.json"), config(dtype));
    }

    private List<List<String>> shards(DType dtype) {
        List<List<String>> shards = new ArrayList<>(List.of(new ArrayList<>()));
        long bytes = 0;
        for (Map.Entry<String, Shape> tensor : tensors.entrySet()) {
            long own = tensor.getValue().elements() * dtype.bytes();
            if (bytes > 0 && bytes + own > SHARD) {
                shards.add(new ArrayList<>());
                bytes = 0;
            }
            shards.get(shards.size() - 1).add(tensor.getKey());
            bytes += own;
        }
        return shards;
    }

    private HostTensor random(DType dtype) {
        long most = tensors.values().stream().mapToLong(Shape::elements).max().orElse(1) + tensors.size();
        HostTensor all = HostTensor.allocate(dtype, Shape.of(most));
        SplittableRandom random = new SplittableRandom(1);
        for (long i = 0; i < most; i++) {
            all.setDouble(i, 0.04 * random.nextDouble() - 0.02);
        }
        return all;
    }

    // Each begins elsewhere, so that no two are the same.
    private static HostTensor part(HostTensor random, DType dtype, Shape shape, int shift) {
        if (shape.rank() == 1) {
            HostTensor ones = HostTensor.allocateHeap(dtype, shape);
            IntStream.range(0, (int) shape.elements()).forEach(i -> ones.setDouble(i, 1));
            return ones;
        }
        ByteBuffer bytes = random.data()
                .slice(shift * dtype.bytes(), (int) (shape.elements() * dtype.bytes()))
                .order(random.data().order());
        return new HostTensor(dtype, shape, bytes);
    }

    private String config(DType dtype) {
        return String.format(
                Locale.ROOT,
                "{\"model_type\": \"llama\", \"hidden_size\": %d, \"intermediate_size\": %d,"
                        + " \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d,"
                        + " \"vocab_size\": %d, \"rms_norm_eps\": 1e-5, \"max_position_embeddings\": %d,"
                        + " \"tie_word_embeddings\": false, \"hidden_act\": \"silu\", \"torch_dtype\": \"%s\"}",
                size.width,
                size.mlp,
                layers,
                size.heads,
                size.keyValueHeads,
                VOCABULARY,
                CONTEXT,
                dtype);
    }

    /** Deletes a folder with all that is in it. */
    static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
