package dev.loupe.conformance;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.conformance.kit.ArchitectureBench;
import dev.loupe.conformance.rules.ArchitectureIdentityRules;
import dev.loupe.conformance.rules.ArchitectureRules;
import dev.loupe.conformance.rules.ArchitectureRunRules;
import dev.loupe.plugin.Plugin;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.TestFactory;

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
public abstract class ArchitectureConformanceKit extends ConformanceKit {

    private @Nullable ArchitectureBench bench;

    /** For subclasses. */
    protected ArchitectureConformanceKit() {}

    /** The architecture on trial. */
    protected abstract ArchitectureProvider provider();

    /** A folder with a small checkpoint and its goldens. */
    protected abstract Path goldens();

    @Override
    Plugin open(KitSettings.Settings settings) {
        ArchitectureProvider provider = provider();
        bench = new ArchitectureBench(provider, goldens());
        return provider;
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

    @Override
    String title() {
        return "architecture " + bench().provider().id();
    }

    @Override
    Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("architecture", bench().provider().id());
        facts.put("goldens", bench().folder().getFileName().toString());
        return facts;
    }

    @Override
    void close() {
        bench().close();
    }

    private ArchitectureBench bench() {
        return KitSettings.started(bench);
    }
}
