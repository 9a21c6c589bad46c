package dev.loupe.architectures;

import static dev.loupe.fixtures.CentredUnembedding.centredUnderSoftCap;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig.Positions;
import dev.loupe.architectures.support.Golden;
import dev.loupe.architectures.support.Models;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every tensor of the fixtures' goldens that concerns a run or a weight, within 1e-4 in float32. (What concerns
 * the analysis of a run is compared where that is.)
 */
class GoldenTest {

    private static List<String> fixtures() {
        return Fixtures.names();
    }

    private static HookedTransformer load(String fixture, LoadOptions options) {
        return Models.load(Fixtures.directory(fixture), options);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void unprocessedEveryHookPointAgreesWithTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing());
                CachedRun run = model.runWithCache(golden.tokens("tokens"), HookFilter.everything())) {
            run.cache().items().forEach((name, value) -> {
                if (!name.endsWith("hook_attn_in") && !name.endsWith("mlp.hook_in")) {
                    golden.assertAgrees("raw." + name, value);
                }
            });
            assertThat(golden.left("raw.")).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void processedEveryHookPointAgreesWithTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.defaults());
                CachedRun run = model.runWithCache(golden.tokens("tokens"), HookFilter.standard())) {
            golden.assertAgrees("proc.logits", centredUnderSoftCap(model, "logits", run.logits()));
            run.cache()
                    .items()
                    .forEach((name, value) ->
                            golden.assertAgrees("proc." + name, centredUnderSoftCap(model, name, value)));
            assertThat(golden.left("proc.blocks.")).isEmpty();
            assertThat(golden.left("proc.hook_")).isEmpty();
            assertThat(golden.left("proc.ln_final.")).isEmpty();
            assertThat(golden.left("proc.unembed.")).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void processedEveryWeightAgreesWithTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.defaults())) {
            Map<String, Tensor> weights = Map.ofEntries(
                    Map.entry("W_E", model.W_E()),
                    Map.entry("W_U", model.W_U()),
                    Map.entry("b_U", model.b_U()),
                    Map.entry("W_Q", model.W_Q()),
                    Map.entry("W_K", model.W_K()),
                    Map.entry("W_V", model.W_V()),
                    Map.entry("W_O", model.W_O()),
                    Map.entry("b_Q", model.b_Q()),
                    Map.entry("b_K", model.b_K()),
                    Map.entry("b_V", model.b_V()),
                    Map.entry("b_O", model.b_O()),
                    Map.entry("W_in", model.W_in()),
                    Map.entry("b_in", model.b_in()),
                    Map.entry("W_out", model.W_out()),
                    Map.entry("b_out", model.b_out()));
            weights.forEach((name, weight) ->
                    golden.assertAgrees("proc.weights." + name, centredUnderSoftCap(model, name, weight)));
            if (model.config().gatedMlp()) {
                golden.assertAgrees("proc.weights.W_gate", model.W_gate());
            }
            if (model.config().positions() == Positions.LEARNED) {
                golden.assertAgrees("proc.weights.W_pos", model.W_pos());
            }
            assertThat(golden.left("proc.weights.")).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void hookPointsFireInTheOrderOfTransformerLens(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            List<String> standard = model.graph().hookPoints().stream()
                    .filter(point -> !point.optional())
                    .map(HookPoint::name)
                    .toList();
            assertThat(standard).isEqualTo(golden.names("raw_hooks"));
            List<String> optional = model.graph().hookPoints().stream()
                    .filter(point -> point.optional()
                            && !point.name().endsWith("hook_attn_in")
                            && !point.name().endsWith("mlp.hook_in"))
                    .map(HookPoint::name)
                    .toList();
            assertThat(optional).containsExactlyElementsOf(golden.names("optional_hooks"));
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void aRunAgreesWithHuggingFace(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            Tokens tokens = golden.tokens("tokens");
            int layers = model.config().nLayers();
            try (CachedRun run = model.runWithCache(tokens)) {
                golden.assertAgrees("hf.logits", run.logits());
                for (int layer = 0; layer < layers; layer++) {
                    golden.assertAgrees("hf.hidden." + layer, run.cache().get("resid_pre", layer));
                    golden.assertAgrees("hf.attention." + layer, run.cache().get("pattern", layer));
                }
                // Hugging Face's last hidden state is behind the final norm.
                golden.assertAgrees("hf.hidden." + layers, run.cache().get("unembed.hook_in"));
            }
            Tokens padded = golden.tokens("hf.left_padded.tokens", "hf.left_padded.attention_mask");
            assertRealPositionsAgree(golden, padded, model.forward(padded));
            assertThat(model.loss(tokens)).isEqualTo(golden.fact("hf_loss").doubleValue(), within(1e-4));
            assertGreedy(golden, model, tokens);
            assertThat(golden.left("hf.")).isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void processingChangesNeitherTheLossNorWhatIsGenerated(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model =
                        load(fixture, LoadOptions.defaults().withRefactorFactoredAttnMatrices(true))) {
            Tokens tokens = golden.tokens("tokens");
            assertThat(model.loss(tokens)).isEqualTo(golden.fact("hf_loss").doubleValue(), within(1e-4));
            assertGreedy(golden, model, tokens);
        }
    }

    // At padded positions logits mean nothing.
    private static void assertRealPositionsAgree(Golden golden, Tokens padded, Tensor found) {
        HostTensor expected = golden.read("hf.left_padded.logits");
        HostTensor logits = found.toHost();
        assertThat(padded.hasPadding()).isTrue();
        assertThat(logits.shape()).isEqualTo(expected.shape());
        int columns = (int) expected.shape().size(2);
        for (int i = 0; i < expected.shape().elements(); i++) {
            int row = i / columns / padded.positions();
            int position = i / columns % padded.positions();
            if (padded.isReal(row, position)) {
                assertThat(logits.getDouble(i))
                        .as("logit %d at %d of row %d", i % columns, position, row)
                        .isEqualTo(expected.getDouble(i), within(1e-4));
            }
        }
    }

    private static void assertGreedy(Golden golden, HookedTransformer model, Tokens tokens) {
        GenerateOptions how = GenerateOptions.greedy(12).withStopAtEos(false);
        long[][] expected = golden.rows("hf.greedy");
        assertThat(model.generate(tokens, how)).containsExactly(expected);
        assertThat(model.generate(tokens, how.withKeyValueCache(false))).containsExactly(expected);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void floatsAndDoublesAgree(String fixture) {
        for (LoadOptions options : List.of(LoadOptions.noProcessing(), LoadOptions.defaults())) {
            try (Golden golden = new Golden(fixture);
                    HookedTransformer narrow = load(fixture, options);
                    HookedTransformer wide = load(fixture, options.withDType(DType.FLOAT64))) {
                Tokens tokens = golden.tokens("tokens");
                try (CachedRun one = narrow.runWithCache(tokens);
                        CachedRun other = wide.runWithCache(tokens)) {
                    assertAgree("logits", one.logits(), other.logits());
                    assertThat(other.cache().keys()).isEqualTo(one.cache().keys());
                    one.cache()
                            .items()
                            .forEach((name, value) ->
                                    assertAgree(name, value, other.cache().get(name)));
                }
            }
        }
    }

    private static void assertAgree(String name, Tensor a, Tensor b) {
        HostTensor one = a.toHost();
        HostTensor other = b.toHost();
        assertThat(one.shape()).isEqualTo(other.shape());
        for (int i = 0; i < one.shape().elements(); i++) {
            assertThat(Golden.difference(one.getDouble(i), other.getDouble(i)))
                    .as("%s at %d", name, i)
                    .isLessThanOrEqualTo(1e-4);
        }
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void stoppingAndStartingAgainGivesTheSameLogits(String fixture) {
        try (Golden golden = new Golden(fixture);
                HookedTransformer model = load(fixture, LoadOptions.noProcessing())) {
            Tokens tokens = golden.tokens("tokens");
            for (int layer = 0; layer < model.config().nLayers(); layer++) {
                Tensor residual = model.run(
                                RunRequest.of(tokens).stopAtLayer(layer).build())
                        .residual();
                Tensor logits = model.run(RunRequest.of(tokens)
                                .startAtLayer(layer, residual)
                                .build())
                        .logits();
                golden.assertAgrees("hf.logits", logits);
            }
        }
    }
}
