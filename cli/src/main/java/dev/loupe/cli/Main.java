package dev.loupe.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The {@code loupe} command. Exit codes: 0 done, 1 failed, 2 wrong usage. */
@Command(
        name = "loupe",
        mixinStandardHelpOptions = true,
        version = "loupe 0.1.0",
        description = "Look inside transformer language models.",
        subcommands = {
            LensCommand.class,
            LogitsCommand.class,
            CacheCommand.class,
            GradientsCommand.class,
            AttributeCommand.class,
            FeaturesCommand.class,
            HarvestCommand.class,
            ExportOnnxCommand.class,
            GenerateCommand.class,
            AttentionCommand.class,
            PatchCommand.class,
            HeadsCommand.class,
            AblateCommand.class,
            SteerCommand.class,
            ConformanceCommand.class,
            ModelsCommand.class,
            BackendsCommand.class,
            ArchitecturesCommand.class
        })
public final class Main implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--stacktrace", scope = ScopeType.INHERIT, description = "Show where an error came from.")
    private boolean stacktrace;

    /** Runs a command and ends the process with its exit code. */
    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    /** The command with its error handling, for {@link #main} and for tests. */
    static CommandLine commandLine() {
        Main main = new Main();
        CommandLine line = new CommandLine(main);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler((e, command, result) -> {
            String message = e.getMessage() == null ? e.toString() : e.getMessage();
            command.getErr().println(command.getColorScheme().errorText("loupe: " + message));
            if (main.stacktrace) {
                e.printStackTrace(command.getErr());
            }
            command.getErr().flush();
            return CommandLine.ExitCode.SOFTWARE;
        });
        return line;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Say what to do: loupe COMMAND …");
    }
}
