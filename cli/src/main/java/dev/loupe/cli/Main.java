package dev.loupe.cli;

import dev.loupe.analysis.views.Provenance;
import java.io.InputStream;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** The {@code loupe} command. Exit codes: 0 done, 1 failed, 2 wrong usage. */
@Command(name = "loupe", mixinStandardHelpOptions = true, description = "Look inside transformer language models.")
public final class Main implements Runnable {

    /** In the order of the help. */
    private static final List<Class<?>> COMMANDS = List.of(
            LensCommand.class,
            LogitsCommand.class,
            CacheCommand.class,
            GradientsCommand.class,
            AttributeCommand.class,
            FeaturesCommand.class,
            AttributionGraphCommand.class,
            HarvestCommand.class,
            TopExamplesCommand.class,
            ExportOnnxCommand.class,
            GenerateCommand.class,
            AttentionCommand.class,
            PatchCommand.class,
            HeadsCommand.class,
            AblateCommand.class,
            SteerCommand.class,
            ConformanceCommand.class,
            GoldensCommand.class,
            ModelsCommand.class,
            DescribeCommand.class,
            GraphCommand.class,
            BackendsCommand.class,
            ArchitecturesCommand.class,
            ClasspathCommand.class,
            JShellCommand.class);

    private final InputStream input;
    private final PluginJars plugins = new PluginJars();

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--stacktrace", scope = ScopeType.INHERIT, description = "Show where an error came from.")
    private boolean stacktrace;

    private Main(InputStream input) {
        this.input = input;
    }

    /** Jars with backends or architectures of others; the value is kept by {@link PluginJars}, not by each command. */
    @Option(
            names = "--plugins",
            scope = ScopeType.INHERIT,
            paramLabel = "JAR",
            description =
                    "A jar or folder of classes with backends or model families of others; may be repeated. So may"
                            + " be said in the environment variable LOUPE_CLASSPATH, for every command.")
    @SuppressWarnings("UnusedMethod") // picocli calls it
    private void plugins(List<String> jars) {
        try {
            plugins.add(jars);
        } catch (PluginJars.MissingException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    /** Runs a command and ends the process with its exit code. */
    public static void main(String[] args) {
        PrintWriter err = new PrintWriter(System.err, true, StandardOutput.charset());
        System.exit(run(args, System.in, StandardOutput.open(), err));
    }

    /**
     * Runs a command.
     *
     * @return the exit code
     */
    static int run(String[] args, InputStream in, PrintWriter out, PrintWriter err) {
        Main main = new Main(in);
        CommandLine line = main.commandLine(commands(args), out, err);
        int code;
        CommandLog log = CommandLog.open(err, () -> main.stacktrace);
        try {
            code = line.execute(args);
            out.flush();
        } catch (StandardOutput.LostException | Error e) {
            code = main.fail(e, line);
        } finally {
            main.plugins.close();
            log.close();
        }
        err.flush();
        return code;
    }

    /** The command that is named, if it can be told: to look at all of them takes as long as to run one. */
    private static List<Class<?>> commands(String[] args) {
        Optional<String> name = Arrays.stream(args)
                .filter(argument -> !argument.startsWith("-"))
                .findFirst();
        List<Class<?>> named = COMMANDS.stream()
                .filter(command -> name.equals(
                        Optional.of(command.getAnnotation(Command.class).name())))
                .limit(1)
                .toList();
        return named.isEmpty() ? COMMANDS : named;
    }

    private CommandLine commandLine(List<Class<?>> commands, PrintWriter out, PrintWriter err) {
        CommandLine line = new CommandLine(this);
        commands.forEach(line::addSubcommand);
        // Asked for with --version alone, of a command too.
        IVersionProvider version = () -> new String[] {"loupe " + Provenance.version()};
        line.getCommandSpec().versionProvider(version);
        line.getSubcommands()
                .values()
                .forEach(command -> command.getCommandSpec().versionProvider(version));
        line.setOut(out);
        line.setErr(err);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler((e, command, result) -> fail(e, command));
        line.setParameterExceptionHandler((e, arguments) -> misused(e, arguments));
        line.setExecutionStrategy(result -> {
            try {
                plugins.open();
                return new CommandLine.RunLast().execute(result);
            } catch (StandardOutput.LostException | PluginJars.MissingException e) {
                // Picocli has its own way with failures of commands; these happen beside them, as help does.
                return fail(e, line);
            }
        });
        return line;
    }

    private int fail(Throwable failure, CommandLine command) {
        if (failure instanceof UsageException) {
            return misused(new ParameterException(command, Failures.message(failure), failure), new String[] {""});
        }
        PrintWriter err = command.getErr();
        boolean unwanted = failure instanceof StandardOutput.LostException lost && lost.isUnwanted();
        // Who reads no further knows it.
        if (!unwanted) {
            err.println(command.getColorScheme().errorText("loupe: " + Failures.message(failure)));
        }
        if (stacktrace) {
            failure.printStackTrace(err);
        }
        err.flush();
        return ExitCode.SOFTWARE;
    }

    private int misused(ParameterException e, String[] arguments) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        err.println(command.getColorScheme().errorText("loupe: " + Failures.message(e)));
        if (stacktrace) {
            e.printStackTrace(err);
        }
        if (arguments.length == 0) {
            command.usage(err);
        } else {
            if (e instanceof UnmatchedArgumentException unmatched) {
                suggest(unmatched, err);
            }
            err.println("See '" + command.getCommandSpec().qualifiedName() + " --help'.");
        }
        err.flush();
        return ExitCode.USAGE;
    }

    private static void suggest(UnmatchedArgumentException e, PrintWriter err) {
        if (!UnmatchedArgumentException.printSuggestions(e, err)
                && e.getUnmatched().stream().noneMatch(argument -> argument.startsWith("-"))) {
            err.println("A text of several words goes in quotation marks.");
        }
    }

    /** The command that a subcommand belongs to. */
    static Main of(CommandSpec command) {
        return (Main) command.root().userObject();
    }

    /** Standard input. */
    InputStream input() {
        return input;
    }

    /** What is on the class path besides Loupe. */
    PluginJars plugins() {
        return plugins;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Say what to do: loupe COMMAND …");
    }
}
