package dev.loupe.cli;

import dev.loupe.backend.Backends;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code loupe backends}: what can compute here, and why the rest can't. */
@Command(
        name = "backends",
        mixinStandardHelpOptions = true,
        description = "List compute backends, whether each can be used here, and what to do if not.")
final class BackendsCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Override
    public Integer call() {
        spec.commandLine().getOut().println(Backends.report());
        String own = System.getenv("PYTORCH_LIBRARY_PATH");
        if ("later".equals(System.getProperty("loupe.libtorch")) && (own == null || own.isEmpty())) {
            // The script says so; it fetches none where there is one of the user's.
            spec.commandLine()
                    .getOut()
                    .println("The loupe script fetches libtorch when 'pytorch' is first asked for: --backend pytorch");
        }
        spec.commandLine().getOut().flush();
        return 0;
    }
}
