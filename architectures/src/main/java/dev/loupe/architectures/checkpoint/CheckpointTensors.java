package dev.loupe.architectures.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.DType;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.StoredTensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** The tensors of a checkpoint, by name, whichever of its files they are in. */
final class CheckpointTensors implements AutoCloseable {

    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    private static final List<String> PICKLED = List.of("pytorch_model.bin", "pytorch_model.bin.index.json");
    private static final List<String> FOREIGN = List.of(
            "consolidated.safetensors",
            "consolidated.00.pth",
            "tf_model.h5",
            "flax_model.msgpack",
            "adapter_model.safetensors",
            "adapter_config.json");

    /** Folders and names that don't begin with a dot, so that no name leads upwards. */
    private static final Pattern SHARD = Pattern.compile("(?!\\.)[\\w.+ -]+(/(?!\\.)[\\w.+ -]+)*");

    private final String source;
    private final List<SafetensorsFile> files;
    private final Map<String, SafetensorsFile> byTensor;
    private final Set<String> names;

    private CheckpointTensors(
            String source, List<SafetensorsFile> files, Map<String, SafetensorsFile> byTensor, Set<String> names) {
        this.source = source;
        this.files = files;
        this.byTensor = byTensor;
        this.names = names;
    }

    /**
     * Opens a checkpoint's files of tensors: {@code model.safetensors}, or those shards named by its index that
     * hold a wanted tensor.
     *
     * @param wanted names of tensors that may be read; others may be there
     * @throws IllegalArgumentException if there are none, or they don't fit together; says what to do
     */
    static CheckpointTensors open(ModelFiles files, Set<String> wanted) {
        if (files.has(SINGLE)) {
            SafetensorsFile file = files.openTensors(SINGLE);
            Map<String, SafetensorsFile> byTensor = new LinkedHashMap<>();
            file.names().forEach(name -> byTensor.put(name, file));
            return new CheckpointTensors(files.source(), List.of(file), byTensor, byTensor.keySet());
        }
        if (files.has(INDEX)) {
            return openShards(files, wanted);
        }
        ForeignForms.rejectAdapter(files);
        ForeignForms.rejectGguf(files);
        throw new IllegalArgumentException(nothingToRead(files));
    }

    /**
     * Checks that there can be so many layers, before rules are made for them: each has a tensor at least.
     *
     * @throws IllegalArgumentException if there are fewer tensors than layers
     */
    static void checkLayers(ModelFiles files, TransformerConfig config) {
        int count;
        if (files.has(SINGLE)) {
            try (SafetensorsFile file = files.openTensors(SINGLE)) {
                count = file.names().size();
            }
        } else if (files.has(INDEX)) {
            count = index(files).size();
        } else {
            return;
        }
        if (config.nLayers() > count) {
            throw new IllegalArgumentException(files.source() + "/config.json gives the model " + config.nLayers()
                    + " layers, but its files hold only " + count + " tensors. Get the checkpoint again.");
        }
    }

    private static CheckpointTensors openShards(ModelFiles files, Set<String> wanted) {
        Map<String, String> index = index(files);
        Set<String> shards = new TreeSet<>();
        index.forEach((tensor, shard) -> {
            if (wanted.contains(tensor)) {
                shards.add(shard);
            }
        });
        List<String> missing =
                shards.stream().filter(shard -> !files.has(shard)).toList();
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(files.source() + " lacks " + missing.size() + " of its "
                    + Set.copyOf(index.values()).size() + " files of weights, which " + INDEX + " names: " + missing
                    + ". Get them too.");
        }
        CheckpointTensors result = new CheckpointTensors(
                files.source(), new ArrayList<>(), new LinkedHashMap<>(), new LinkedHashSet<>(index.keySet()));
        try {
            for (String shard : shards) {
                result.addShard(files.openTensors(shard));
            }
            index.forEach((tensor, shard) -> {
                if (shards.contains(shard)) {
                    result.checkIndexed(tensor, shard, files);
                }
            });
            return result;
        } catch (RuntimeException e) {
            result.close();
            throw e;
        }
    }

    private void addShard(SafetensorsFile shard) {
        files.add(shard);
        names.addAll(shard.names());
        for (String tensor : shard.names()) {
            SafetensorsFile other = byTensor.putIfAbsent(tensor, shard);
            if (other != null) {
                throw new IllegalArgumentException("Tensor '" + tensor + "' is in two files, " + other.source()
                        + " and " + shard.source() + ": nobody knows which counts. Get the checkpoint again.");
            }
        }
    }

    private void checkIndexed(String tensor, String file, ModelFiles from) {
        SafetensorsFile holder = byTensor.get(tensor);
        if (holder == null) {
            throw new IllegalArgumentException(from.source() + "/" + INDEX + " says that tensor '" + tensor + "' is in "
                    + file + ", but it isn't there. Get that file again.");
        }
        if (!holder.source().endsWith(file)) {
            throw new IllegalArgumentException(from.source() + "/" + INDEX + " says that tensor '" + tensor + "' is in "
                    + file + ", but it is in " + holder.source() + ". Get the checkpoint again.");
        }
    }

    private static Map<String, String> index(ModelFiles files) {
        ObjectNode root = JsonFiles.tree(files, INDEX);
        if (!(root.get("weight_map") instanceof ObjectNode map)) {
            throw new IllegalArgumentException(
                    files.source() + "/" + INDEX + " has no object 'weight_map'. Get the file again.");
        }
        Map<String, String> index = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String file = entry.getValue().asText();
            if (!entry.getValue().isTextual() || !file.endsWith(".safetensors")) {
                throw new IllegalArgumentException(
                        files.source() + "/" + INDEX + " should name a .safetensors file for '" + entry.getKey()
                                + "', found " + entry.getValue() + ". Get the file again.");
            }
            if (!SHARD.matcher(file).matches()) {
                throw new IllegalArgumentException(files.source() + "/" + INDEX + ": '" + file
                        + "' is refused as the name of a file: it may lead out of the checkpoint.");
            }
            index.put(entry.getKey(), file);
        }
        return index;
    }

    private static String nothingToRead(ModelFiles files) {
        String found = files.source() + " has neither " + SINGLE + " nor " + INDEX + ".";
        List<String> pickled = files.present(PICKLED);
        if (!pickled.isEmpty()) {
            return found + " It has " + pickled
                    + ": Python pickles, which can run anything when they are read, so Loupe"
                    + " doesn't read them. Convert the checkpoint once, in Python with torch and transformers installed:"
                    + " python -c \"from transformers import AutoModelForCausalLM as M; M.from_pretrained('"
                    + files.source() + "').save_pretrained('converted', safe_serialization=True)\"; then load"
                    + " 'converted' (copy the tokenizer's files there too).";
        }
        List<String> foreign = files.present(FOREIGN);
        return found
                + (foreign.isEmpty()
                        ? " Weights are read from safetensors files in the form of Hugging Face transformers."
                        : " It has " + foreign + ", which is another form; save it with Hugging Face transformers'"
                                + " save_pretrained.");
    }

    /** Where the checkpoint is, for messages. */
    String source() {
        return source;
    }

    /** All names, those in shards that hold nothing wanted too. */
    Set<String> names() {
        return names;
    }

    /** Whether a tensor can be read. */
    boolean contains(String name) {
        return byTensor.containsKey(name);
    }

    /** The file that holds a tensor; the tensor must be there. */
    SafetensorsFile holder(String name) {
        SafetensorsFile file = byTensor.get(name);
        if (file == null) {
            throw new IllegalArgumentException(source + " has no tensor '" + name + "'");
        }
        return file;
    }

    StoredTensor tensor(String name) {
        return holder(name).tensor(name);
    }

    /** The data type in which most numbers of some tensors are stored. Those that aren't there don't count. */
    DType mostlyIn(Set<String> some) {
        Map<DType, Long> elements = new EnumMap<>(DType.class);
        for (String name : some) {
            if (contains(name)) {
                StoredTensor tensor = tensor(name);
                tensor.dtype()
                        .ifPresent(type -> elements.merge(type, tensor.shape().elements(), Long::sum));
            }
        }
        return elements.entrySet().stream()
                .filter(entry -> entry.getKey().isFloating())
                .max(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey)
                .orElse(DType.FLOAT32);
    }

    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
