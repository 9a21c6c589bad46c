package dev.loupe.dictionaries;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The bundled dictionaries against what PyTorch computes with them, on every backend. */
class BundledDictionariesTest {

    private static final LoadOptions RAW = LoadOptions.noProcessing();

    static Stream<String> backends() {
        return Stream.of("reference", "onnx", "pytorch");
    }

    private static SafetensorsFile golden() {
        try {
            return SafetensorsFile.open(
                    Path.of(Objects.requireNonNull(BundledDictionariesTest.class.getResource("golden.safetensors"))
                            .toURI()));
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static HookedTransformer load(String backend) {
        return HookedTransformer.fromPretrained("toy-gpt2", RAW.withBackend(backend));
    }

    private static Tokens tokens(SafetensorsFile golden) {
        return Tokens.of(golden.read("tokens").toLongArray());
    }

    private static void agrees(SafetensorsFile golden, String name, Tensor found) {
        double[] expected = golden.read(name).toDoubleArray();
        double[] numbers = found.toDoubleArray();
        assertThat(numbers).as(name).hasSameSizeAs(expected);
        for (int i = 0; i < numbers.length; i++) {
            assertThat(Math.abs(numbers[i] - expected[i]))
                    .as("%s at %d", name, i)
                    .isLessThan(1e-4);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void featuresOutputsAndSplicedLogitsAreThoseOfTheGoldens(String backend) {
        try (SafetensorsFile golden = golden();
                HookedTransformer model = load(backend)) {
            Tokens tokens = tokens(golden);
            agrees(golden, "logits", model.forward(tokens));
            for (String name : Dictionaries.bundled()) {
                SplicedDictionary spliced = Dictionary.load(name).spliced();
                try (HookedTransformer with = model.with(spliced)) {
                    RunResult run = with.run(RunRequest.of(tokens)
                            .observe(spliced.features(), spliced.point("hook_sae_recons"))
                            .build());
                    agrees(golden, name + ".features", run.cache().get(spliced.features()));
                    agrees(golden, name + ".out", run.cache().get(spliced.point("hook_sae_recons")));
                    agrees(golden, name + ".spliced_logits", run.logits());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void withTheErrorTermEveryOtherPointIsAsWithoutTheDictionary(String backend) {
        boolean wide = backend.equals("reference");
        LoadOptions options = RAW.withBackend(backend).withDType(wide ? DType.FLOAT64 : DType.FLOAT32);
        try (SafetensorsFile golden = golden();
                HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options);
                HookedTransformer with = model.with(
                        Dictionary.load("resid_post_1.jumprelu").spliced().withErrorTerm(),
                        Dictionary.load("mlp_2.transcoder").spliced().withErrorTerm())) {
            ActivationCache plain =
                    model.runWithCache(tokens(golden), HookFilter.standard()).cache();
            ActivationCache found = with.runWithCache(tokens(golden)).cache();
            plain.items().forEach((name, value) -> {
                double largest = value.abs().max().item();
                double difference = value.maxAbsDifference(found.get(name));
                if (!name.endsWith("scores")) {
                    assertThat(difference)
                            .as(name)
                            .isLessThanOrEqualTo(Math.max(largest, 1e-3) * (wide ? 1e-12 : 1e-5));
                }
            });
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void anAblatedFeatureTakesItsDecoderRowWithIt(String backend) {
        try (SafetensorsFile golden = golden();
                HookedTransformer model = load(backend)) {
            Dictionary dictionary = Dictionary.load("resid_post_2.topk");
            SplicedDictionary spliced = dictionary.spliced().withErrorTerm();
            try (HookedTransformer with = model.with(spliced)) {
                Tokens tokens = tokens(golden);
                Tensor features = with.runWithCache(tokens, HookFilter.names(spliced.features()))
                        .cache()
                        .get(spliced.features());
                long feature = features.max(0, 1).argmax(0).toLongArray()[0];
                Tensor acts = features.pick(2, feature);
                try (DictionaryTensors own = dictionary.on(model.backend(), model.dtype())) {
                    Tensor row = own.weight("W_dec").pick(0, feature);
                    Tensor before = model.runWithCache(tokens, HookFilter.names("resid_post2"))
                            .cache()
                            .get("resid_post2");
                    Tensor expected = before.sub(acts.mul(row.unsqueeze(0)));
                    Tensor found = with.run(RunRequest.of(tokens)
                                    .interventions(Intervention.zero(spliced.features())
                                            .indices(feature))
                                    .observe("resid_post2")
                                    .build())
                            .cache()
                            .get("resid_post2");
                    assertThat(found.maxAbsDifference(expected)).isLessThan(1e-4);
                    assertThat(found.maxAbsDifference(before)).isGreaterThan(0.1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"resid_post_2.topk", "resid_post_1.jumprelu", "resid_pre_3.standard", "mlp_1.transcoder"})
    void derivativesThroughADictionaryAreThoseOfCentralDifferences(String name) {
        LoadOptions options = RAW.withBackend("reference").withDType(DType.FLOAT64);
        try (SafetensorsFile golden = golden();
                HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2", options)) {
            SplicedDictionary spliced = Dictionary.load(name).spliced();
            String read = spliced.dictionary().config().hookIn();
            try (HookedTransformer with = model.with(spliced)) {
                Tokens tokens = tokens(golden);
                Metric metric = Metric.logitDifference(5, 9);
                // What the dictionary reads leads to the metric through it.
                GradientCache gradients = with.gradients(
                        tokens, metric, HookFilter.names(spliced.point("hook_sae_input"), spliced.features()));
                Tensor gradient = gradients.get(spliced.point("hook_sae_input"));
                Tensor direction =
                        model.tensors().randn(7, gradient.shape().toArray()).to(model.dtype());
                double step = 1e-6;
                double up = difference(with, tokens, spliced, direction.mul(step));
                double down = difference(with, tokens, spliced, direction.mul(-step));
                double expected = gradient.mul(direction).sum().item();
                assertThat((up - down) / (2 * step))
                        .as("%s, read at %s", name, read)
                        .isCloseTo(
                                expected,
                                org.assertj.core.api.Assertions.within(1e-4 * Math.max(1, Math.abs(expected))));
                assertThat(gradients.get(spliced.features()).abs().max().item()).isPositive();
            }
        }
    }

    private static double difference(HookedTransformer with, Tokens tokens, SplicedDictionary spliced, Tensor shift) {
        Tensor logits = with.runWith(tokens, Intervention.add(spliced.point("hook_sae_input"), shift));
        long last = logits.size(1) - 1;
        return logits.item(0, last, 5) - logits.item(0, last, 9);
    }

    @org.junit.jupiter.api.Test
    void whatDoesNotFitIsToldApart() {
        try (HookedTransformer processed = HookedTransformer.fromPretrained(
                        "toy-gpt2", LoadOptions.defaults().withBackend("reference"));
                HookedTransformer raw = load("reference")) {
            Dictionary dictionary = Dictionary.load("resid_post_2.topk");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> processed.with(dictionary.spliced()))
                    .withMessageContaining("fold_ln false (here true)")
                    .withMessageContaining("noProcessing");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> raw.with(dictionary
                            .at("blocks.0.mlp.hook_post", "blocks.0.mlp.hook_post")
                            .spliced()))
                    .withMessageContaining("width 128");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> raw.with(dictionary
                            .at("blocks.9.hook_mlp_out", "blocks.9.hook_mlp_out")
                            .spliced()))
                    .withMessageContaining("blocks.9");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Dictionary.load("resid_post_2.topp"))
                    .withMessageContaining("resid_post_2.topk");
        }
        assertThat(Dictionaries.loadSet(Dictionaries.BUNDLED_SET)).hasSize(4);
    }
}
