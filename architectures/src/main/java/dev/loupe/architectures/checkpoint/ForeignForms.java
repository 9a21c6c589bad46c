package dev.loupe.architectures.checkpoint;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Forms of checkpoints that aren't read, recognised, so that the message can say what to load instead. */
final class ForeignForms {

    private static final String ADAPTER = "adapter_config.json";
    private static final String GGUF_REMEDY = ", which Loupe doesn't read. Load the model it was made from, in the form"
            + " of Hugging Face transformers, or convert it with transformers' from_pretrained(…, gguf_file=…) and"
            + " save_pretrained.";
    private static final String QUANTIZATION = "quantization_config";

    private ForeignForms() {}

    /**
     * A file given in place of a directory.
     *
     * @return what it is, where that can be told by how it begins, and what to give instead
     */
    static String singleFile(Path file) {
        return "'" + file + "' is a file" + (isGguf(file) ? " in the GGUF form of llama.cpp" + GGUF_REMEDY : ".")
                + " Give the directory it is in: a checkpoint is a"
                + " directory with config.json and model.safetensors.";
    }

    /**
     * GGUF files, where there is nothing else to read.
     *
     * @throws IllegalArgumentException if the directory has some
     */
    static void rejectGguf(ModelFiles files) {
        List<String> found = files.list().stream()
                .filter(name -> name.toLowerCase(Locale.ROOT).endsWith(".gguf"))
                .sorted()
                .toList();
        if (!found.isEmpty()) {
            throw new IllegalArgumentException(files.source() + " holds " + found.get(0)
                    + (found.size() == 1 ? "" : " and " + (found.size() - 1) + " more")
                    + ", in the GGUF form of llama.cpp" + GGUF_REMEDY);
        }
    }

    private static boolean isGguf(Path file) {
        if (!Files.isRegularFile(file)) {
            // A pipe would be waited for.
            return false;
        }
        try (InputStream in = Files.newInputStream(file)) {
            return new String(in.readNBytes(4), StandardCharsets.ISO_8859_1).equals("GGUF");
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + ": " + e, e);
        }
    }

    /**
     * Quantised weights are codes, not numbers: read as numbers they would be silently wrong.
     *
     * @throws IllegalArgumentException if the config says that the weights are quantised
     */
    static void rejectQuantized(CheckpointConfig config) {
        if (config.raw("text_config") instanceof Map<?, ?>) {
            // That of a multimodal checkpoint's language model.
            rejectQuantized(config.object("text_config"));
        }
        if (config.has(QUANTIZATION)) {
            String method = config.object(QUANTIZATION).string("quant_method", "unknown method");
            throw new IllegalArgumentException(config.source() + ": '" + QUANTIZATION + "' says that the checkpoint is"
                    + " quantised (" + method + "), which Loupe doesn't read. Load the model it was made from, in"
                    + " float32, float16 or bfloat16, or save it dequantised with Hugging Face transformers.");
        }
    }

    /**
     * An adapter beside full weights: transformers would put it onto the model it names and leave the weights alone.
     *
     * @throws IllegalArgumentException if there is one; says how to tell which is meant
     */
    static void rejectAdapterBesideWeights(ModelFiles files) {
        if (files.has(ADAPTER) && (files.has(CheckpointTensors.SINGLE) || files.has(CheckpointTensors.INDEX))) {
            String base = JsonFiles.config(files, ADAPTER).string("base_model_name_or_path", "");
            throw new IllegalArgumentException(files.source() + " holds full weights and an adapter (LoRA; " + ADAPTER
                    + "), and they are two models: transformers puts the adapter onto its base model"
                    + (base.isEmpty() ? "" : " '" + base + "'") + " and doesn't read the weights beside it."
                    + " For the weights as they are, load a copy of the directory without the adapter's files; for the"
                    + " adapter's model, merge it into its base with PEFT's merge_and_unload, save that with"
                    + " save_pretrained, and load the result.");
        }
    }

    /**
     * An adapter holds only what is added to a model.
     *
     * @throws IllegalArgumentException if that is what is here
     */
    static void rejectAdapter(ModelFiles files) {
        if (files.has(ADAPTER)) {
            String base = JsonFiles.config(files, ADAPTER).string("base_model_name_or_path", "");
            throw new IllegalArgumentException(
                    files.source() + " holds an adapter (LoRA; " + ADAPTER + "), not a model."
                            + " Merge it into its base model" + (base.isEmpty() ? "" : " '" + base + "'")
                            + " with PEFT's merge_and_unload, save that with save_pretrained, and load the result.");
        }
    }
}
