package dev.loupe.cli;

import dev.loupe.analysis.views.Provenance;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

    @Option(
            names = "--threads",
            defaultValue = "0",
            description = "Threads; 0 for as many as there are physical cores.")
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

    @Option(
            names = "--intervene",
            paramLabel = "CHANGE",
            description =
                    "A change of activations, may be repeated: 'blocks.2.attn.hook_z[:, -1, 3] = 0', 'pattern3[head=0]"
                            + " *= 0.3', 'resid_post 1 += 0.5 * FILE.safetensors:NAME', '= mean(pos)', '= patch(FILE)'.")
    final List<String> interventions = new ArrayList<>();

    @Option(
            names = "--interventions",
            paramLabel = "FILE",
            description =
                    "Changes of activations from a JSON file, such as 'loupe steer --out' writes; may be repeated."
                            + " They come before those of --intervene.")
    final List<Path> interventionFiles = new ArrayList<>();

    /** Those that weights can have. */
    private static final List<DType> TYPES = List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16);

    private Map<String, Boolean> trainedUnder = Map.of();

    /** Loads the model as something that is used with it was trained on, unless --no-processing says so anyway. */
    void followOptionsOf(Map<String, Boolean> options) {
        trainedUnder = options;
    }

    LoadOptions loadOptions() {
        LoadOptions base = noProcessing ? LoadOptions.noProcessing() : LoadOptions.defaults();
        if (!noProcessing) {
            base = base.withFoldLn(trainedUnder.getOrDefault("fold_ln", base.foldLn()))
                    .withCenterWritingWeights(
                            trainedUnder.getOrDefault("center_writing_weights", base.centerWritingWeights()))
                    .withCenterUnembed(trainedUnder.getOrDefault("center_unembed", base.centerUnembed()))
                    .withFoldValueBiases(trainedUnder.getOrDefault("fold_value_biases", base.foldValueBiases()));
        }
        LoadOptions typed = dtype.equals("auto") ? base.withAutoDType() : base.withDType(type("--dtype", dtype));
        LoadOptions placed = typed.withDevice(device)
                .withBackend(backend)
                .withThreads(threads)
                .withRevision(revision)
                .withListener(new TerminalProgress("Loading"));
        if (checkpointIndex != null && checkpointValue != null) {
            throw new UsageException(
                    "A checkpoint of the training is named by --checkpoint-index or by --checkpoint-value, not by both");
        }
        if (checkpointIndex != null) {
            return placed.withCheckpointIndex(checkpointIndex);
        }
        return checkpointValue == null ? placed : placed.withCheckpointValue(checkpointValue);
    }

    /** The type of numbers that a model can be loaded in. */
    static DType type(String option, String name) {
        for (DType known : TYPES) {
            if (known.toString().equalsIgnoreCase(name)) {
                return known;
            }
        }
        throw new UsageException(option + " is float32, float64, float16"
                + (option.equals("--dtype") ? ", bfloat16 or auto" : " or bfloat16") + "; found '" + name + "'");
    }

    /** The model, its options and the interventions as a job to harvest points. */
    HarvestJob job(List<String> points) {
        return HarvestJob.of(model, points.toArray(new String[0]))
                .withOptions(loadOptions())
                .withInterventions(parsed());
    }

    /** The expression in Java that makes {@link #loadOptions}. */
    String javaOptions() {
        StringBuilder text = new StringBuilder(noProcessing ? "LoadOptions.noProcessing()" : "LoadOptions.defaults()");
        text.append(
                dtype.equals("auto")
                        ? ".withAutoDType()"
                        : ".withDType(DType." + type("--dtype", dtype).name() + ")");
        text.append(".withDevice(").append(JShellCommand.literal(device)).append(')');
        if (backend != null) {
            text.append(".withBackend(").append(JShellCommand.literal(backend)).append(')');
        }
        text.append(".withThreads(").append(threads).append(')');
        text.append(".withRevision(").append(JShellCommand.literal(revision)).append(')');
        if (checkpointIndex != null) {
            text.append(".withCheckpointIndex(").append(checkpointIndex).append(')');
        }
        if (checkpointValue != null) {
            text.append(".withCheckpointValue(").append(checkpointValue).append("L)");
        }
        return text.toString();
    }

    HookedTransformer load() {
        List<Intervention> parsed = parsed();
        HookedTransformer loaded = loadPlain();
        try {
            parsed.forEach(loaded::addPermanentHook);
        } catch (RuntimeException | Error e) {
            loaded.close();
            throw e;
        }
        return loaded;
    }

    /** The model without the interventions. */
    HookedTransformer loadPlain() {
        return HookedTransformer.fromPretrained(model, loadOptions());
    }

    /** The interventions, in their order. */
    List<Intervention> parsed() {
        List<Intervention> all = new ArrayList<>();
        interventionFiles.forEach(file -> all.addAll(Intervention.read(file)));
        interventions.forEach(text -> all.add(UsageException.read("--intervene", () -> Intervention.parse(text))));
        return all;
    }

    /** What a page says of the model: its name as it was asked for, backend, interventions. */
    Provenance provenance(HookedTransformer loaded) {
        Provenance source = Provenance.of(loaded, model);
        for (Intervention intervention : parsed()) {
            source = source.fact("intervention", intervention.toString());
        }
        return source;
    }

    /** The interventions on another model that is made of the loaded one. */
    void intervene(HookedTransformer other) {
        parsed().forEach(other::addPermanentHook);
    }
}
