package dev.loupe.cli;

import dev.loupe.conformance.ConformanceRunner;
import dev.loupe.conformance.kit.Reproduction;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe conformance}: whether a backend keeps the rules. */
@Command(
        name = "conformance",
        mixinStandardHelpOptions = true,
        description = "Test a backend on the class path against the rules of docs/SPEC.md and write a report.")
final class ConformanceCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--backend", required = true, paramLabel = "ID", description = "The backend.")
    @SuppressWarnings("NullAway.Init")
    private String backend;

    @Option(names = "--device", defaultValue = "cpu", description = "cpu, cuda or cuda:N. Default: ${DEFAULT-VALUE}.")
    private String device = "cpu";

    @Option(
            names = "--report",
            defaultValue = "target",
            paramLabel = "DIR",
            converter = OutputFolder.class,
            description = "Where the report goes, as JSON, Markdown and HTML. Default: ${DEFAULT-VALUE}.")
    private Path report = Path.of("target");

    @Option(names = "--seed", defaultValue = "1", description = "What all random numbers come from. Default: 1.")
    private long seed;

    @Option(
            names = "--only",
            defaultValue = "",
            paramLabel = "RULES",
            description = "Rules, such as 3.6, or tests below them, separated by commas; all unless given.")
    private String only = "";

    @Override
    public Integer call() {
        ConformanceRunner.Result result = ConformanceRunner.run(
                new ConformanceRunner.Request(backend, device, report, seed, only),
                command(),
                spec.commandLine().getOut());
        if (result.passed() + result.failed() + result.deviations() == 0) {
            throw new UsageException("--only '" + only + "' matches no rule and no test; rules are those of"
                    + " docs/SPEC.md, such as 3.6");
        }
        spec.commandLine()
                .getOut()
                .println(Output.format(
                        "%s: %d passed, %d failed, %d known deviations; the report is in %s",
                        backend, result.passed(), result.failed(), result.deviations(), report));
        spec.commandLine().getOut().flush();
        return result.conforms() ? 0 : 1;
    }

    /** How this command was called, for the line that reproduces a failure. */
    private String command() {
        StringBuilder line = new StringBuilder("loupe conformance --backend ")
                .append(Reproduction.quoted(backend))
                .append(" --device ")
                .append(Reproduction.quoted(device));
        Main.of(spec)
                .plugins()
                .files()
                .forEach(jar -> line.append(" --plugins ").append(Reproduction.quoted(jar.toString())));
        return line.toString();
    }
}
