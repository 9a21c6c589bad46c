package dev.loupe.cli;

import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code loupe classpath}: what a program of one's own needs. */
@Command(
        name = "classpath",
        mixinStandardHelpOptions = true,
        description = "Print the class path that Loupe itself runs with, for programs of your own:"
                + " java -cp \"$(loupe classpath)\" My.java")
final class ClasspathCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--backend",
            paramLabel = "ID",
            description = "With what this backend needs; fails if it can't be used.")
    private @Nullable String backend;

    @Override
    public Integer call() {
        if (backend != null) {
            Backends.open(backend, BackendOptions.DEFAULT).close();
        }
        spec.commandLine().getOut().println(of(spec));
        spec.commandLine().getOut().flush();
        return 0;
    }

    /** The class path of this process and the plugins. */
    static String of(CommandSpec command) {
        List<String> parts = new ArrayList<>();
        for (String part : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            if (!part.isEmpty()) {
                parts.add(Path.of(part).toAbsolutePath().toString());
            }
        }
        Main.of(command).plugins().files().forEach(file -> parts.add(file.toString()));
        return String.join(File.pathSeparator, parts);
    }
}
