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

    @Option(names = "--no-processing", description = "Leave the weights as they are in the checkpoint.")
    boolean noProcessing;

    LoadOptions loadOptions() {
        LoadOptions base = noProcessing ? LoadOptions.noProcessing() : LoadOptions.defaults();
        LoadOptions typed = dtype.equals("auto") ? base.withAutoDType() : base.withDType(DType.parse(dtype));
        return typed.withDevice(device)
                .withBackend(backend)
                .withThreads(threads)
                .withRevision(revision);
    }

    HookedTransformer load() {
        return HookedTransformer.fromPretrained(model, loadOptions());
    }
}
