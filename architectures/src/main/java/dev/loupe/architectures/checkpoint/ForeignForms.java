package dev.loupe.architectures.checkpoint;

import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;

/** Forms of checkpoints that aren't read, recognised, so that the message can say what to load instead. */
final class ForeignForms {

    private static final String ADAPTER = "adapter_config.json";
    private static final String QUANTIZATION = "quantization_config";

    private ForeignForms() {}

    /**
     * Quantised weights are codes, not numbers: read as numbers they would be silently wrong.
     *
     * @throws IllegalArgumentException if the config says that the weights are quantised
     */
    static void rejectQuantized(CheckpointConfig config) {
        if (config.has(QUANTIZATION)) {
            String method = config.object(QUANTIZATION).string("quant_method", "unknown method");
            throw new IllegalArgumentException(config.source() + ": '" + QUANTIZATION + "' says that the checkpoint is"
                    + " quantised (" + method + "), which Loupe doesn't read. Load the model it was made from, in"
                    + " float32, float16 or bfloat16, or save it dequantised with Hugging Face transformers.");
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
