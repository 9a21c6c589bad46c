package dev.loupe.conformance;

import dev.loupe.backend.Availability;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Models;
import dev.loupe.conformance.rules.CacheRules;
import dev.loupe.conformance.rules.ClosingRules;
import dev.loupe.conformance.rules.DiscoveryRules;
import dev.loupe.conformance.rules.GradientModelRules;
import dev.loupe.conformance.rules.GradientRules;
import dev.loupe.conformance.rules.GraphRules;
import dev.loupe.conformance.rules.HookRules;
import dev.loupe.conformance.rules.InterventionRules;
import dev.loupe.conformance.rules.LifecycleRules;
import dev.loupe.conformance.rules.MixUpRules;
import dev.loupe.conformance.rules.ModelNumericsRules;
import dev.loupe.conformance.rules.NumericsRules;
import dev.loupe.conformance.rules.OperationEdgeRules;
import dev.loupe.conformance.rules.OperationRules;
import dev.loupe.conformance.rules.SixteenBitRules;
import dev.loupe.conformance.rules.TensorMethodRules;
import dev.loupe.conformance.rules.TensorRules;
import dev.loupe.conformance.rules.ViewRules;
import dev.loupe.plugin.Plugin;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.TestFactory;

/**
 * Tests a backend by every rule of {@code SPEC.md}. A backend's author adds this artifact in test scope and writes
 *
 * <pre>{@code
 * class AcmeConformanceTest extends BackendConformanceKit {
 *   @Override
 *   protected BackendProvider provider() {
 *     return new AcmeBackendProvider();
 *   }
 * }
 * }</pre>
 *
 * <p>What is tested follows from what the backend declares in its {@link dev.loupe.backend.Capabilities}; what it doesn't
 * declare it must refuse. Rules that it is known to break are listed, each with a reason, in {@code
 * META-INF/loupe/deviations/<id>.txt} on its class path: such a test still runs, and fails if it passes.
 *
 * <p>A failing test names the rule, its intent, what was expected and found and where, and the line that runs just it
 * again. Three properties (of the system or of JUnit's configuration) say what runs: {@code loupe.only} (a rule, or a
 * test or a case below it, such as {@code 3.6/matmul/float32}; several with commas), {@code loupe.seed} (any whole
 * number), {@code loupe.report} (the folder of the report).
 *
 * <p>The outcome is written to {@code target/conformance-report.json}, {@code .md} and {@code .html}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public abstract class BackendConformanceKit extends ConformanceKit {

    private @Nullable Bench bench;
    private @Nullable Models models;

    /** For subclasses. */
    protected BackendConformanceKit() {}

    /** The provider of the backend on trial. */
    protected abstract BackendProvider provider();

    /** How the backend is opened: on the CPU, with its own choice of threads, unless a subclass says otherwise. */
    protected BackendOptions options() {
        return BackendOptions.DEFAULT;
    }

    @Override
    Plugin open(KitSettings.Settings settings) {
        BackendProvider provider = provider();
        BackendOptions options =
                settings.device().isEmpty() ? options() : options().withDevice(settings.device());
        bench = new Bench(provider, options);
        models = new Models(bench, settings.seed());
        return provider;
    }

    /** Section 1 of the specification. */
    @TestFactory
    @Order(1)
    Stream<DynamicNode> discovery() {
        return session().tests(new DiscoveryRules(bench()));
    }

    /** Section 2. */
    @TestFactory
    @Order(2)
    Stream<DynamicNode> tensorsAndTypes() {
        return session().tests(new TensorRules(bench()));
    }

    /** Section 3. */
    @TestFactory
    @Order(3)
    Stream<DynamicNode> operations() {
        return session()
                .tests(
                        new OperationRules(bench()),
                        new OperationEdgeRules(bench()),
                        new ViewRules(bench()),
                        new TensorMethodRules(bench()));
    }

    /** Section 4. */
    @TestFactory
    @Order(4)
    Stream<DynamicNode> graphRunsAndHooks() {
        return session().tests(new GraphRules(bench()), new MixUpRules(bench()), new HookRules(bench(), models()));
    }

    /** Section 5. */
    @TestFactory
    @Order(5)
    Stream<DynamicNode> cache() {
        return session().tests(new CacheRules(models()));
    }

    /** Section 6. */
    @TestFactory
    @Order(6)
    Stream<DynamicNode> lifecycleMemoryAndThreads() {
        return session().tests(new LifecycleRules(bench(), models()), new ClosingRules(bench(), models()));
    }

    /** Section 8. */
    @TestFactory
    @Order(8)
    Stream<DynamicNode> numerics() {
        return session().tests(new NumericsRules(bench()), new ModelNumericsRules(bench(), models()));
    }

    /** Section 9. */
    @TestFactory
    @Order(9)
    Stream<DynamicNode> gradients() {
        return session().tests(new GradientRules(bench()), new GradientModelRules(bench(), models()));
    }

    /** Section 10. */
    @TestFactory
    @Order(10)
    Stream<DynamicNode> interventions() {
        return session().tests(new InterventionRules(models()));
    }

    /** Section 11; nothing for a backend without 16-bit types. */
    @TestFactory
    @Order(11)
    Stream<DynamicNode> sixteenBits() {
        return session().tests(new SixteenBitRules(bench(), models()));
    }

    @Override
    String title() {
        return "backend " + bench().provider().id() + " on " + bench().options().device();
    }

    @Override
    Map<String, String> facts() {
        Bench used = bench();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("backend", used.provider().id());
        facts.put("device", used.options().device());
        try {
            facts.putAll(found(used));
        } catch (RuntimeException | LinkageError e) {
            // The tests say so, too; the report is written all the same.
            facts.put("found", "the provider failed: " + e);
        }
        return facts;
    }

    private static Map<String, String> found(Bench used) {
        Map<String, String> facts = new LinkedHashMap<>();
        if (used.provider().probe() instanceof Availability.Available available) {
            facts.put("found", available.detail());
            facts.put("types", used.types().toString());
            facts.put("computes in", used.floats().toString());
            facts.put("architectures", Models.architectures().toString());
            if (!Models.withoutSample().isEmpty()) {
                facts.put(
                        "architectures not tried, for want of a sample config",
                        Models.withoutSample().toString());
            }
            facts.put("deterministic", Boolean.toString(used.capabilities().deterministic()));
        }
        return facts;
    }

    @Override
    void close() {
        models().close();
        bench().close();
    }

    private Models models() {
        return KitSettings.started(models);
    }

    private Bench bench() {
        return KitSettings.started(bench);
    }
}
