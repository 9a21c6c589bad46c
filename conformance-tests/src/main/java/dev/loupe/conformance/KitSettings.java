package dev.loupe.conformance;

import dev.loupe.conformance.kit.TestSelection;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Hands a kit its settings before its tests start: JUnit's configuration parameters or system properties. */
final class KitSettings implements BeforeAllCallback {

    static final String SEED = "loupe.seed";
    static final String ONLY = "loupe.only";
    static final String REPORT = "loupe.report";
    static final String DEVICE = "loupe.device";
    static final String BACKEND = "loupe.backend";
    static final String COMMAND = "loupe.command";

    private static final long DEFAULT_SEED = 1;

    /**
     * How a kit runs.
     *
     * @param seed what all random numbers come from
     * @param only which tests run
     * @param reportFolder where the report goes, if somebody said
     * @param device the device, or empty for the kit's own choice
     * @param backend id of a backend, for the kit that takes any
     * @param command how that kit was begun, without what selects tests; empty for the class that runs it
     */
    record Settings(
            long seed,
            TestSelection only,
            Optional<Path> reportFolder,
            String device,
            String backend,
            String command) {}

    KitSettings() {}

    @Override
    public void beforeAll(ExtensionContext context) {
        Settings settings = new Settings(
                setting(context, SEED).map(Long::valueOf).orElse(DEFAULT_SEED),
                TestSelection.parse(setting(context, ONLY).orElse("")),
                setting(context, REPORT).map(Path::of),
                setting(context, DEVICE).orElse(""),
                context.getConfigurationParameter(BACKEND).orElse(""),
                context.getConfigurationParameter(COMMAND).orElse(""));
        Object kit = context.getRequiredTestInstance();
        if (!(kit instanceof ConformanceKit conformanceKit)) {
            throw new IllegalStateException(kit.getClass() + " is no conformance kit");
        }
        conformanceKit.start(settings);
    }

    /** A parameter of JUnit's, a system property, or a variable of the environment: loupe.only is LOUPE_ONLY there. */
    private static Optional<String> setting(ExtensionContext context, String name) {
        String variable = System.getenv(name.toUpperCase(Locale.ROOT).replace('.', '_'));
        return context.getConfigurationParameter(name).or(() -> Optional.ofNullable(variable));
    }

    /** What {@code start} made. */
    static <T> T started(@Nullable T made) {
        if (made == null) {
            throw new IllegalStateException("The kit wasn't started; run it with JUnit Jupiter");
        }
        return made;
    }
}
