package dev.loupe.cli;

import dev.loupe.backend.onnx.OnnxExport;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe export-onnx}: a model with hook points as outputs, for any ONNX Runtime. */
@Command(
        name = "export-onnx",
        mixinStandardHelpOptions = true,
        description = "Write the model as an ONNX file with chosen hook points as outputs beside the logits.")
final class ExportOnnxCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(
            names = "--observe",
            paramLabel = "GLOB[,GLOB…]",
            description = "Hook points to have as outputs, such as '*hook_pattern' or 'blocks.3.*'; may be repeated."
                    + " Default: none, only logits.")
    private final List<String> observe = new ArrayList<>();

    @Option(
            names = "--gradients-of",
            paramLabel = "WHAT",
            description =
                    "Have a metric and its derivatives at the observed points as outputs too: diff:A,B (logit of token"
                            + " id A minus that of B), logit:A, logprob:A, or loss.")
    private @Nullable String gradientsOf;

    @Option(
            names = "--intervene-as-input",
            description = "The values of interventions are inputs of the model, which each run brings along.")
    private boolean asInput;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE",
            converter = OutputPath.class,
            description = "The file to write: FILE.onnx.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(
            names = "--external-data",
            description = "Write the weights to FILE.onnx.data beside the model, as is done anyway over 2 GiB.")
    private boolean externalData;

    @Option(names = "--force", description = "Replace files that exist.")
    private boolean force;

    @Override
    public Integer call() {
        Intervention[] interventions = options.parsed().toArray(new Intervention[0]);
        if (asInput && interventions.length == 0) {
            throw new ParameterException(
                    spec.commandLine(), "--intervene-as-input goes with --intervene or --interventions");
        }
        Metric metric = gradientsOf == null ? null : GradientsCommand.metric("--gradients-of", gradientsOf);
        if (metric != null && observe.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--gradients-of needs hook points to differentiate at: --observe '*hook_resid_post'");
        }
        // Loading a model takes a while; what can be said before is said before.
        requireNew(out);
        if (externalData) {
            requireNew(out.resolveSibling(out.getFileName() + ".data"));
        }
        try (HookedTransformer model = options.loadPlain()) {
            OnnxExport export = OnnxExport.of(model).intervene(interventions);
            HookFilter points = HookFilter.none();
            for (String globs : observe) {
                points = points.and(HookFilter.glob(globs));
            }
            export = export.observe(points);
            export = metric == null ? export : export.gradients(metric, points);
            export = asInput ? export.valuesAsInputs() : export;
            export = externalData ? export.externalData() : export;
            OnnxExport.Written written = (force ? export.replacing() : export).write(out);
            spec.commandLine()
                    .getOut()
                    .println("Wrote " + options.model + " with "
                            + written.outputs().size() + " output"
                            + (written.outputs().size() == 1 ? "" : "s") + " to " + written.file()
                            + written.data().map(data -> " and " + data).orElse("")
                            + (written.values().isEmpty() ? "" : ", values fed to " + written.values())
                            + Output.format(" (%.1f MB)", written.bytes() / 1e6));
            spec.commandLine().getOut().flush();
        }
        return 0;
    }

    private void requireNew(Path file) {
        if (!force && Files.isRegularFile(file)) {
            throw new ParameterException(spec.commandLine(), file + " exists; --force replaces it");
        }
    }
}
