package dev.loupe.cli;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.plugin.Plugins;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe models}: which names mean something. */
@Command(name = "models", mixinStandardHelpOptions = true, description = "List bundled models and known aliases.")
final class ModelsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "M",
            description = "Tell about this one instead: the same as 'loupe describe M'.")
    private @Nullable String model;

    @Option(names = "--json", description = "With --model: print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        if (model != null) {
            DescribeCommand.describe(spec, ModelDescription.of(model, LoadOptions.noProcessing()), json);
            return 0;
        }
        PrintWriter out = spec.commandLine().getOut();
        out.println("Bundled, no network needed:");
        Plugins.usable(CheckpointLoader.all())
                .forEach(loader -> loader.bundled().forEach(name -> out.println("  " + name)));
        out.println("On the Hugging Face Hub, by alias:");
        List<String[]> rows = new ArrayList<>();
        Architectures.all()
                .forEach(provider -> Architectures.pretrained(provider)
                        .forEach(known -> rows.add(new String[] {known.alias(), known.repository(), provider.id()})));
        int alias = Painter.width(0, rows.stream().map(row -> row[0]));
        int repository = Painter.width(0, rows.stream().map(row -> row[1]));
        rows.forEach(row ->
                out.println("  " + Painter.pad(row[0], alias) + " " + Painter.pad(row[1], repository) + " " + row[2]));
        out.println(
                "Any other repository (org/name, --revision for a branch, tag or commit) or directory works, if an");
        out.println("installed architecture accepts its config.json; see 'loupe architectures'. 'loupe describe M'");
        out.println("tells how large a model is.");
        out.flush();
        return 0;
    }
}
