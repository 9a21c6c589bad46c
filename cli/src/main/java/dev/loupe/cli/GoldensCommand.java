package dev.loupe.cli;

import dev.loupe.conformance.MakeGoldens;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe goldens}: what a small checkpoint gives today, for the tests of its family. */
@Command(
        name = "goldens",
        mixinStandardHelpOptions = true,
        description = "Write golden.safetensors into a checkpoint's folder: what the reference backend computes for it,"
                + " for the tests of an architecture. It tells when results change; whether they are right, only"
                + " another implementation can tell.")
final class GoldensCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "The folder: config.json and model.safetensors.")
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @Option(names = "--seed", defaultValue = "1", description = "What the tokens come from. Default: 1.")
    private long seed;

    @Option(names = "--force", description = "Replace a golden.safetensors that is there.")
    private boolean force;

    @Override
    public Integer call() {
        if (!Files.isDirectory(folder) || !Files.isReadable(folder.resolve("config.json"))) {
            throw new ParameterException(
                    spec.commandLine(), folder + " is no folder with a checkpoint: config.json and model.safetensors");
        }
        Path file = folder.resolve("golden.safetensors");
        if (Files.exists(file) && !force) {
            throw new ParameterException(
                    spec.commandLine(), file + " is there already; --force replaces what it holds");
        }
        spec.commandLine().getOut().println("Wrote " + MakeGoldens.make(folder, seed));
        spec.commandLine().getOut().flush();
        return 0;
    }
}
