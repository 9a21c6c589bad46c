package dev.loupe.conformance;

import dev.loupe.conformance.kit.Selection;
import java.nio.file.Path;
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

    private static final long DEFAULT_SEED = 1;

    /**
     * How a kit runs.
     *
     * @param seed what all random numbers come from
     * @param only which tests run
     * @param reportFolder where the report goes, if somebody said
     * @param device the device, or empty for the kit's own choice
     * @param backend id of a backend, for the kit that takes any
     */
    record Settings(long seed, Selection only, Optional<Path> reportFolder, String device, String backend) {}

    KitSettings() {}

    @Override
    public void beforeAll(ExtensionContext context) {
        Settings settings = new Settings(
                context.getConfigurationParameter(SEED, Long::valueOf).orElse(DEFAULT_SEED),
                Selection.parse(context.getConfigurationParameter(ONLY).orElse("")),
                context.getConfigurationParameter(REPORT).map(Path::of),
                context.getConfigurationParameter(DEVICE).orElse(""),
                context.getConfigurationParameter(BACKEND).orElse(""));
        Object kit = context.getRequiredTestInstance();
        if (kit instanceof BackendConformanceKit backendKit) {
            backendKit.start(settings);
        } else if (kit instanceof ArchitectureConformanceKit architectureKit) {
            architectureKit.start(settings);
        } else {
            throw new IllegalStateException(kit.getClass() + " is no conformance kit");
        }
    }

    /** What {@code start} made. */
    static <T> T started(@Nullable T made) {
        if (made == null) {
            throw new IllegalStateException("The kit wasn't started; run it with JUnit Jupiter");
        }
        return made;
    }
}
