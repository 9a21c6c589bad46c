package dev.loupe.conformance.kit;

import java.io.File;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** The line that sees a failure again, for whatever runs the kit now: it works as it is printed. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Reproduction {

    /** The class whose {@code main} runs a kit without a build tool. */
    private static final String RUNNER = "dev.loupe.conformance.ConformanceRunner";

    private Reproduction() {}

    /** For the class of a kit. */
    public static Session.Reproduce ofClass(Class<?> kit) {
        return ofClass(kit, System::getProperty, System.getenv());
    }

    static Session.Reproduce ofClass(
            Class<?> kit, UnaryOperator<@Nullable String> properties, Map<String, String> environment) {
        if (properties.apply("surefire.test.class.path") != null || environment.containsKey("MAVEN_CMD_LINE_ARGS")) {
            return (only, seed) -> "mvn test -Dtest=" + kit.getSimpleName() + " -Dsurefire.failIfNoSpecifiedTests=false"
                    + " -Dloupe.only=" + only + " -Dloupe.seed=" + seed;
        }
        if (properties.apply("org.gradle.test.worker") != null) {
            // Gradle hands no properties on to tests; the environment it does.
            return (only, seed) ->
                    "LOUPE_ONLY=" + only + " LOUPE_SEED=" + seed + " gradle test --tests " + kit.getName();
        }
        String java = java(properties);
        return (only, seed) -> java + " --kit " + quoted(kit.getName()) + " --only " + only + " --seed " + seed;
    }

    /** For a backend that is named by its id, run without the command line tool. */
    public static Session.Reproduce ofBackend(String backend, String device) {
        String java = java(System::getProperty);
        return (only, seed) ->
                java + " --backend " + backend + " --device " + device + " --only " + only + " --seed " + seed;
    }

    private static String java(UnaryOperator<@Nullable String> properties) {
        String path = String.valueOf(properties.apply("java.class.path"));
        String modules = properties.apply("jdk.module.path");
        String found = Stream.of(path, modules == null ? "" : modules)
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining(File.pathSeparator));
        return "java -cp " + quoted(found) + " " + RUNNER;
    }

    /** A word as a shell reads it back. */
    public static String quoted(String word) {
        boolean plain = word.matches("[A-Za-z0-9._/:=,+@%\\\\-]+");
        return plain ? word : File.separatorChar == '\\' ? '"' + word + '"' : "'" + word.replace("'", "'\\''") + "'";
    }
}
