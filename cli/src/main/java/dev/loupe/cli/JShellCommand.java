package dev.loupe.cli;

import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.io.IoFailures;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jdk.jshell.tool.JavaShellToolBuilder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe jshell}: Java's own shell, with Loupe in it. */
@Command(
        name = "jshell",
        mixinStandardHelpOptions = true,
        description = "Start Java's shell with Loupe's classes imported and a model loaded, under the name 'model'.")
final class JShellCommand implements Callable<Integer> {

    /** What the shell has imported; a resource, for the pages of documentation are compiled with exactly this. */
    private static final String IMPORTS = "imports.jsh";

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private final ModelOptions options = new ModelOptions();

    @Parameters(
            paramLabel = "ARG",
            description = "Files of snippets to run; behind a --, jshell's own options: loupe jshell -- -s FILE.")
    private final List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws Exception {
        // What can be found wrong before a shell is open ends the command as it ends others.
        options.parsed();
        CheckpointLoader.installed(options.model).describe(options.model, options.loadOptions());
        Path folder = Files.createTempDirectory("loupe-");
        Path startup = folder.resolve("startup.jsh");
        Path then = folder.resolve("then.jsh");
        try {
            OutputFile.writeString(then, "");
            OutputFile.writeString(startup, snippets(then));
            return JavaShellToolBuilder.builder().start(arguments(startup).toArray(String[]::new));
        } catch (NoClassDefFoundError e) {
            throw new IllegalStateException(
                    "The Java that runs this is no JDK: it has no jshell. Set JAVA_HOME to a JDK", e);
        } finally {
            Files.deleteIfExists(startup);
            Files.deleteIfExists(then);
            Files.deleteIfExists(folder);
        }
    }

    private List<String> arguments(Path startup) {
        List<String> all = new ArrayList<>(List.of(
                "--class-path",
                ClasspathCommand.of(spec),
                "--startup",
                "DEFAULT",
                "--startup",
                startup.toString(),
                // What runs the snippets is a process of its own.
                "-R-XX:+UseSerialGC"));
        if (Runtime.version().feature() >= 22) {
            all.add("-R--enable-native-access=ALL-UNNAMED");
        }
        all.addAll(arguments);
        return all;
    }

    /** What the shell begins with. */
    private String snippets(Path then) {
        return imports()
                + "LoadOptions options = " + options.javaOptions() + ";\n"
                + "HookedTransformer model = dev.loupe.cli.ShellModel.load(" + path(then) + ", "
                + literal(options.model) + ", options, "
                + list(options.interventionFiles.stream().map(JShellCommand::path)) + ", "
                + list(options.interventions.stream().map(JShellCommand::literal)) + ");\n"
                + "/open " + then + "\n";
    }

    private static String imports() {
        try (InputStream in = Objects.requireNonNull(JShellCommand.class.getResourceAsStream(IMPORTS))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read what the shell imports: " + IoFailures.reason(e), e);
        }
    }

    private static String path(Path file) {
        return "java.nio.file.Path.of(" + literal(file.toString()) + ")";
    }

    private static String list(Stream<String> expressions) {
        return "java.util.List.of(" + expressions.collect(Collectors.joining(", ")) + ")";
    }

    /** A text as Java has it. */
    static String literal(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(Output.format("\\%03o", (int) c));
            } else if (c > '~') {
                quoted.append(Output.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
