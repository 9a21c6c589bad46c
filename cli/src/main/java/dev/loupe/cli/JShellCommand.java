package dev.loupe.cli;

import dev.loupe.io.IoFailures;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
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

    private static final List<String> PACKAGES = List.of(
            "dev.loupe.array",
            "dev.loupe.architecture",
            "dev.loupe.hook",
            "dev.loupe.model",
            "dev.loupe.tensor",
            "dev.loupe.analysis.attribution",
            "dev.loupe.analysis.factored",
            "dev.loupe.analysis.heads",
            "dev.loupe.analysis.pages",
            "dev.loupe.analysis.patching",
            "dev.loupe.analysis.prediction",
            "dev.loupe.analysis.residual",
            "dev.loupe.analysis.steering",
            "dev.loupe.analysis.tasks",
            "dev.loupe.analysis.views",
            "dev.loupe.dictionaries");

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
        Path startup = startup();
        try {
            return JavaShellToolBuilder.builder().start(arguments(startup).toArray(String[]::new));
        } catch (NoClassDefFoundError e) {
            throw new IllegalStateException(
                    "The Java that runs this is no JDK: it has no jshell. Set JAVA_HOME to a JDK", e);
        } finally {
            Files.deleteIfExists(startup);
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

    private Path startup() {
        try {
            Path file = Files.createTempFile("loupe-", ".jsh");
            OutputFile.writeString(file, snippets());
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException("Can't make a temporary file: " + IoFailures.reason(e), e);
        }
    }

    /** What the shell begins with. */
    String snippets() {
        StringBuilder text = new StringBuilder();
        PACKAGES.forEach(name -> text.append("import ").append(name).append(".*;\n"));
        text.append("import static dev.loupe.array.Index.*;\n");
        text.append("LoadOptions options = ").append(options.javaOptions()).append(";\n");
        text.append("HookedTransformer model = HookedTransformer.fromPretrained(")
                .append(literal(options.model))
                .append(", options);\n");
        for (java.nio.file.Path file : options.interventionFiles) {
            text.append("Intervention.read(java.nio.file.Path.of(")
                    .append(literal(file.toString()))
                    .append(")).forEach(model::addPermanentHook);\n");
        }
        for (String intervention : options.interventions) {
            text.append("model.addPermanentHook(Intervention.parse(")
                    .append(literal(intervention))
                    .append("));\n");
        }
        text.append("System.out.println(\"'model' is \" + model.config().modelName() + \" on \" + model.backend().id()")
                .append(
                        " + \". Try: model.generate(\\\"The capital of France is\\\", GenerateOptions.greedy(3))\");\n");
        return text.toString();
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
