package dev.loupe.cli;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.model.HookedTransformer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model to load, and how: options that all commands share. */
final class ModelOptions {

    @Option(
            names = {"-m", "--model"},
            defaultValue = "toy-gpt2",
            paramLabel = "M",
            description =
                    "A bundled model, a directory, or a model on the Hugging Face Hub. Default: ${DEFAULT-VALUE}.")
    String model = "toy-gpt2";

    @Option(names = "--backend", paramLabel = "ID", description = "Compute backend; see 'loupe backends'.")
    @Nullable
    String backend;

    @Option(names = "--device", defaultValue = "cpu", description = "cpu, cuda or cuda:N. Default: ${DEFAULT-VALUE}.")
    String device = "cpu";

    @Option(
            names = "--dtype",
            defaultValue = "float32",
            description =
                    "float32, float64, float16, bfloat16, or auto: the checkpoint's own. Default: ${DEFAULT-VALUE}.")
    String dtype = "float32";

    @Option(names = "--threads", defaultValue = "0", description = "Threads; 0 leaves it to the backend.")
    int threads;

    @Option(names = "--revision", defaultValue = "main", description = "Branch, tag or commit on the Hub.")
    String revision = "main";

    @Option(
            names = "--checkpoint-index",
            description = "A checkpoint of the model's training by its number; -1 for the last (Pythia).")
    @Nullable
    Integer checkpointIndex;

    @Option(names = "--checkpoint-value", description = "A checkpoint of the model's training by its step (Pythia).")
    @Nullable
    Long checkpointValue;

    @Option(names = "--no-processing", description = "Leave the weights as they are in the checkpoint.")
    boolean noProcessing;

    LoadOptions loadOptions() {
        LoadOptions base = noProcessing ? LoadOptions.noProcessing() : LoadOptions.defaults();
        LoadOptions typed = dtype.equals("auto") ? base.withAutoDType() : base.withDType(DType.parse(dtype));
        LoadOptions placed = typed.withDevice(device)
                .withBackend(backend)
                .withThreads(threads)
                .withRevision(revision);
        if (checkpointIndex != null && checkpointValue != null) {
            throw new IllegalArgumentException(
                    "A checkpoint of the training is named by --checkpoint-index or by --checkpoint-value, not by both");
        }
        if (checkpointIndex != null) {
            return placed.withCheckpointIndex(checkpointIndex);
        }
        return checkpointValue == null ? placed : placed.withCheckpointValue(checkpointValue);
    }

    HookedTransformer load() {
        return HookedTransformer.fromPretrained(model, loadOptions());
    }
}
