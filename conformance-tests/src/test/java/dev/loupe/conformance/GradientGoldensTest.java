package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Derivatives at every hook point of the fixtures against float64 autograd of an independent implementation. */
class GradientGoldensTest {

    private static Backend backend;

    @BeforeAll
    static void open() {
        backend = Backends.open("reference", BackendOptions.DEFAULT);
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    static Stream<String> fixtures() {
        return Fixtures.names().stream();
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void derivativesOfTheLogitDifferenceOfTheUnprocessedModel(String fixture) {
        // The goldens' scalar: logit 5 minus logit 9 at the last position, as a mean over the batch.
        compare(fixture, LoadOptions.noProcessing(), Metric.logitDifference(5, 9), "raw.diff.");
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void derivativesOfTheLossOfTheProcessedModel(String fixture) {
        compare(fixture, LoadOptions.defaults(), Metric.loss(), "proc.loss.");
    }

    private static void compare(String fixture, LoadOptions options, Metric metric, String prefix) {
        Path directory = Fixtures.directory(fixture);
        boolean centredAnyway = fixture.equals(Fixtures.GEMMA2) && prefix.startsWith("proc.");
        try (SafetensorsFile golden = SafetensorsFile.open(directory.resolve("gradients.safetensors"));
                HookedTransformer loaded = HookedTransformer.fromPretrained(directory.toString(), options, backend);
                HookedTransformer model = centredAnyway ? withCentredUnembedding(loaded) : loaded) {
            List<String> names = model.hookNames().points().stream()
                    .map(HookPoint::name)
                    .filter(name -> golden.contains(prefix + name))
                    .toList();
            assertThat(names).hasSizeGreaterThan(50);
            Tokens tokens = tokens(golden.read("tokens"));
            try (GradientCache found = model.gradients(tokens, metric, HookFilter.names(names))) {
                for (String name : names) {
                    HostTensor expected = golden.read(prefix + name);
                    // With an input for each head the original has a norm for each head, whose derivatives it keeps
                    // only
                    // for the values: another test looks at them.
                    if (expected.shape().rank() == found.get(name).rank()) {
                        check(fixture + " " + prefix + name, found.get(name).toHost(), expected);
                    }
                }
            }
        }
    }

    // The original centres the unembedding under a soft cap too, which changes the model (its goldens say so: the loss
    // before is 6.361, after 6.381). Loupe doesn't; here it is done for the comparison's sake.
    private static HookedTransformer withCentredUnembedding(HookedTransformer model) {
        Map<String, HostTensor> weights = new HashMap<>();
        for (String name : model.weightNames()) {
            if (!model.graph().constants().containsKey(name)) {
                Tensor weight = model.weight(name);
                boolean centre = name.equals("unembed.W_U") || name.equals("unembed.b_U");
                weights.put(name, (centre ? weight.sub(weight.mean(-1).unsqueeze(-1)) : weight).toHost());
            }
        }
        return HookedTransformer.fromWeights(
                Architectures.byId(model.config().architecture()),
                model.config(),
                weights,
                LoadOptions.noProcessing(),
                backend);
    }

    private static void check(String what, HostTensor found, HostTensor expected) {
        assertThat(found.shape()).as(what).isEqualTo(expected.shape());
        for (int i = 0; i < expected.shape().elements(); i++) {
            double right = expected.getDouble(i);
            assertThat(Math.abs(found.getDouble(i) - right))
                    .as("%s at %d: %s, expected %s", what, i, found.getDouble(i), right)
                    .isLessThanOrEqualTo(1e-5 + 1e-4 * Math.abs(right));
        }
    }

    private static Tokens tokens(HostTensor ids) {
        int positions = (int) ids.shape().size(1);
        long[] flat = ids.toLongArray();
        long[][] rows = new long[(int) ids.shape().size(0)][positions];
        for (int i = 0; i < flat.length; i++) {
            rows[i / positions][i % positions] = flat[i];
        }
        return Tokens.of(rows);
    }
}
