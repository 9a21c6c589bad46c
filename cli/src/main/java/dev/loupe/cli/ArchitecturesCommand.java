package dev.loupe.cli;

import dev.loupe.architecture.Architectures;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code loupe architectures}: which model families are installed. */
@Command(name = "architectures", mixinStandardHelpOptions = true, description = "List the installed model families.")
final class ArchitecturesCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        Architectures.all()
                .forEach(provider -> out.println(Output.format(
                        "%-12s %d well-known checkpoints, from %s",
                        provider.id(),
                        Architectures.pretrained(provider).size(),
                        provider.getClass().getName())));
        out.flush();
        return 0;
    }
}
