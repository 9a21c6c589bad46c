package dev.loupe.cli;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.plugin.Plugins;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code loupe models}: which names mean something. */
@Command(name = "models", mixinStandardHelpOptions = true, description = "List bundled models and known aliases.")
final class ModelsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        out.println("Bundled, no network needed:");
        Plugins.usable(CheckpointLoader.all())
                .forEach(loader -> loader.bundled().forEach(name -> out.println("  " + name)));
        out.println("On the Hugging Face Hub, by alias:");
        Architectures.all()
                .forEach(provider -> provider.pretrained()
                        .forEach(model -> out.println(
                                Output.format("  %-20s %-45s %s", model.alias(), model.repository(), provider.id()))));
        out.println(
                "Any other repository (org/name, --revision for a branch, tag or commit) or directory works, if an");
        out.println("installed architecture accepts its config.json; see 'loupe architectures'.");
        out.flush();
        return 0;
    }
}
