package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.reference.ReferenceBackendProvider;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every hook point of every family is edited, one at a time, by a function that is known: the logits, and all that is
 * cached, must be what the reference computes in float64.
 */
class EditSweepTest {

    /** An edit moves the logits by more than rounding does. */
    private static final double EFFECT = 10 * Sweeps.TOLERANCE;

    private static Backend backend;
    private static Backend reference;

    @BeforeAll
    static void open() {
        backend = new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
        reference = new ReferenceBackendProvider().open(BackendOptions.DEFAULT.withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
        reference.close();
    }

    static List<Arguments> models() {
        List<Arguments> models = new ArrayList<>();
        for (String fixture : List.of(Fixtures.GPT2, Fixtures.LLAMA, Fixtures.MISTRAL)) {
            models.add(Arguments.of(fixture, false));
            models.add(Arguments.of(fixture, true));
        }
        return models;
    }

    private interface Way {
        Map<String, HostTensor> run(HookedTransformer model, HookFilter observed, Hook... hooks);
    }

    private static void sweep(String fixture, boolean processed, HookFilter observed, Way way) {
        LoadOptions options = processed ? LoadOptions.defaults() : LoadOptions.noProcessing();
        try (HookedTransformer model = Sweeps.load(fixture, options, backend);
                HookedTransformer truth = Sweeps.load(fixture, options.withDType(DType.FLOAT64), reference)) {
            Map<String, HostTensor> plain = way.run(model, HookFilter.none());
            for (HookPoint point : model.hookNames().points()) {
                Hook edit = Sweeps.edit(point.name());
                Map<String, HostTensor> found = way.run(model, observed, edit);
                Sweeps.assertAgree(fixture + ", edited at " + point, found, way.run(truth, observed, edit));
                assertThat(Sweeps.effect(found, plain))
                        .as(fixture + ": how far the edit at " + point + " moves the logits")
                        .isGreaterThan(EFFECT);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void anEditAtAnyPointHasTheReferencesEffect(String fixture, boolean processed) {
        sweep(fixture, processed, HookFilter.standard(), Sweeps::run);
    }

    @ParameterizedTest
    @MethodSource("models")
    void anEditAtAnyPointHasTheReferencesEffectWhileOptionalPointsAreObserved(String fixture, boolean processed) {
        sweep(fixture, processed, HookFilter.everything(), Sweeps::run);
    }

    @ParameterizedTest
    @MethodSource("models")
    void anEditAtAnyPointOfAContinuedPromptHasTheReferencesEffect(String fixture, boolean processed) {
        sweep(fixture, processed, HookFilter.standard(), Sweeps::continued);
    }
}
