package dev.loupe.conformance;

import dev.loupe.conformance.kit.Deviations;
import dev.loupe.conformance.kit.Reproduction;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.report.Report;
import dev.loupe.conformance.report.ReportWriter;
import dev.loupe.plugin.Plugin;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What both kits have in common: how they start and end, deviations, the report. Extend {@link BackendConformanceKit} or
 * {@link ArchitectureConformanceKit}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@ExtendWith(KitSettings.class)
public abstract class ConformanceKit {

    private @Nullable Session session;
    private @Nullable Path folder;

    ConformanceKit() {}

    /** Where the report goes, unless the property {@code loupe.report} says otherwise. */
    protected Path reportFolder() {
        return Path.of("target");
    }

    /** Called once, before the tests. */
    final void start(KitSettings.Settings settings) {
        Plugin provider = open(settings);
        Deviations deviations =
                Deviations.load(provider.id(), provider.getClass().getClassLoader());
        session = new Session(reproduce(settings), settings.seed(), settings.only(), deviations, new Report());
        folder = settings.reportFolder().orElseGet(this::reportFolder);
    }

    /**
     * Opens what the tests need.
     *
     * @return the provider on trial
     */
    abstract Plugin open(KitSettings.Settings settings);

    /** How a failure is seen again. */
    Session.Reproduce reproduce(KitSettings.Settings settings) {
        return Reproduction.ofClass(getClass());
    }

    final Session session() {
        return KitSettings.started(session);
    }

    /** The deviations file itself. */
    @TestFactory
    @Order(100)
    Stream<DynamicNode> deviations() {
        return session().deviationTests();
    }

    /** Writes the report and closes what was opened. */
    @AfterAll
    final void finish() {
        try {
            Map<String, String> facts = facts();
            facts.putAll(session().facts());
            new ReportWriter(
                            title(),
                            facts,
                            session().report(),
                            session().selection().isEverything())
                    .write(KitSettings.started(folder));
        } finally {
            close();
        }
    }

    /** What was tested, in words. */
    abstract String title();

    /** What the report says of it. */
    abstract Map<String, String> facts();

    /** Closes what {@link #open} opened. */
    abstract void close();
}
