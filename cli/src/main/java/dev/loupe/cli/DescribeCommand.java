package dev.loupe.cli;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe describe}: what a model is. */
@Command(
        name = "describe",
        mixinStandardHelpOptions = true,
        description = "Tell a model's size, memory by data type, context, layers and heads. Reads its config alone.")
final class DescribeCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "M", description = "The model, said in another way.")
    private @Nullable String model;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Option(names = "--hook-points", description = "List the hook points instead, each with its type and shape.")
    private boolean hookPoints;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        String name = model == null ? options.model : model;
        ModelDescription description = ModelDescription.of(name, options.loadOptions());
        if (hookPoints) {
            description.tellHookPoints(spec, json);
        } else {
            describe(spec, description, json);
        }
        return 0;
    }

    static void describe(CommandSpec spec, ModelDescription description, boolean json) {
        if (json) {
            Output.json(spec.commandLine().getOut(), description.object());
        } else {
            Painter paint = Painter.of(spec);
            description.print(paint);
            paint.flush();
        }
    }
}
