package dev.loupe.cli;

import dev.loupe.backend.onnx.OnnxExport;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
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
        if (!options.interventions.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "The exported model is the plain one: --intervene isn't written into ONNX files");
        }
        // Loading a model takes a while; what can be said before is said before.
        requireNew(out);
        if (externalData) {
            requireNew(out.resolveSibling(out.getFileName() + ".data"));
        }
        try (HookedTransformer model = options.load()) {
            OnnxExport export = OnnxExport.of(model);
            for (String globs : observe) {
                export = export.observe(HookFilter.glob(globs));
            }
            export = externalData ? export.externalData() : export;
            OnnxExport.Written written = (force ? export.replacing() : export).write(out);
            spec.commandLine()
                    .getOut()
                    .println("Wrote " + options.model + " with "
                            + written.outputs().size() + " output"
                            + (written.outputs().size() == 1 ? "" : "s") + " to " + written.file()
                            + written.data().map(data -> " and " + data).orElse("")
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
