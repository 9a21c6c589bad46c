package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.conformance.kit.ArchitectureBench;
import dev.loupe.conformance.kit.Deviations;
import dev.loupe.conformance.kit.Reproduction;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.report.Report;
import dev.loupe.conformance.report.ReportWriter;
import dev.loupe.conformance.rules.ArchitectureIdentityRules;
import dev.loupe.conformance.rules.ArchitectureRules;
import dev.loupe.conformance.rules.ArchitectureRunRules;
import java.nio.file.Path;
import java.util.LinkedHashMap;
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
 * Tests an architecture by section 7 of {@code SPEC.md}, on the reference backend. An architecture's author adds this
 * artifact in test scope and writes
 *
 * <pre>{@code
 * class AcmeArchitectureTest extends ArchitectureConformanceKit {
 *   @Override
 *   protected ArchitectureProvider provider() {
 *     return new AcmeArchitecture();
 *   }
 *
 *   @Override
 *   protected Path goldens() {
 *     return Path.of("src/test/goldens/acme-tiny");
 *   }
 * }
 * }</pre>
 *
 * <p>The folder holds a small checkpoint ({@code config.json}, {@code model.safetensors}) and {@code
 * golden.safetensors}: what an independent implementation computes for it. {@code docs/writing-an-architecture.md} has
 * the names in that file; {@link MakeGoldens} makes one from the reference backend, which guards against changes but
 * not against errors that were there from the start.
 *
 * <p>Deviations, properties and the report are as in {@link BackendConformanceKit}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@ExtendWith(KitSettings.class)
public abstract class ArchitectureConformanceKit {

    private @Nullable ArchitectureBench bench;
    private @Nullable Session session;
    private @Nullable Path reportFolder;

    /** For subclasses. */
    protected ArchitectureConformanceKit() {}

    /** The architecture on trial. */
    protected abstract ArchitectureProvider provider();

    /** A folder with a small checkpoint and its goldens. */
    protected abstract Path goldens();

    /** Where the report goes, unless the property {@code loupe.report} says otherwise. */
    protected Path reportFolder() {
        return Path.of("target");
    }

    /** Called once, before the tests. */
    void start(KitSettings.Settings settings) {
        ArchitectureProvider provider = provider();
        bench = new ArchitectureBench(provider, goldens());
        Deviations deviations =
                Deviations.load(provider.id(), provider.getClass().getClassLoader());
        session = new Session(reproduce(settings), settings.seed(), settings.only(), deviations, new Report());
        reportFolder = settings.reportFolder().orElseGet(this::reportFolder);
    }

    /** How a failure is seen again. */
    Session.Reproduce reproduce(KitSettings.Settings settings) {
        return Reproduction.ofClass(getClass());
    }

    /** Section 7, first part: what the provider says. */
    @TestFactory
    @Order(1)
    Stream<DynamicNode> description() {
        return session().tests(new ArchitectureRules(bench()));
    }

    /** Section 7, second part: what models of the architecture do. */
    @TestFactory
    @Order(2)
    Stream<DynamicNode> behaviour() {
        return session().tests(new ArchitectureRunRules(bench()));
    }

    /** Section 7, third part: what standard hook points have to do with each other. */
    @TestFactory
    @Order(3)
    Stream<DynamicNode> identities() {
        return session().tests(new ArchitectureIdentityRules(bench()));
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
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("architecture", bench().provider().id());
            facts.put("goldens", bench().folder().getFileName().toString());
            facts.putAll(session().facts());
            new ReportWriter(
                            "architecture " + bench().provider().id(),
                            facts,
                            session().report(),
                            session().selection().isEverything())
                    .write(KitSettings.started(reportFolder));
        } finally {
            bench().close();
        }
    }

    private Session session() {
        return KitSettings.started(session);
    }

    private ArchitectureBench bench() {
        return KitSettings.started(bench);
    }
}
