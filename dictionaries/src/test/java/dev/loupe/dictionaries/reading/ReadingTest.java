package dev.loupe.dictionaries.reading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.DictionaryTensors;
import dev.loupe.dictionaries.FeatureReading;
import dev.loupe.dictionaries.SparseFeatures;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What features stand for and how good dictionaries are, by their definitions. */
class ReadingTest {

    private static final List<String> TEXTS = List.of(
            "When Mary and John went to the store, John gave a drink to Mary.",
            "The capital of France is Paris.",
            "",
            "When Tom and Anna went to the park, Anna gave a ball to Tom.");

    private static HookedTransformer model() {
        return HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64));
    }

    @ParameterizedTest
    @ValueSource(strings = {"reference", "onnx", "pytorch"})
    void sparseFeaturesAreTheDenseOnesWithoutTheZeros(String backend) {
        try (HookedTransformer model = HookedTransformer.fromPretrained(
                        "toy-gpt2", LoadOptions.noProcessing().withBackend(backend));
                DictionaryTensors own = Dictionary.load("resid_post_1.jumprelu").on(model.backend(), model.dtype())) {
            Tensor read = model.runWithCache(model.toTokens(TEXTS.get(0)), HookFilter.names("resid_post1"))
                    .cache()
                    .get("resid_post1");
            Tensor dense = own.encode(read);
            double[] numbers = dense.toDoubleArray();
            for (SparseFeatures sparse : List.of(own.encodeSparse(read), SparseFeatures.of(dense))) {
                int nonzero = 0;
                for (int position = 0; position < sparse.positions(); position++) {
                    for (int feature = 0; feature < sparse.size(); feature++) {
                        double activation = numbers[position * sparse.size() + feature];
                        assertThat(sparse.activation(0, position, feature)).isCloseTo(activation, within(1e-5));
                        nonzero += activation == 0 ? 0 : 1;
                    }
                    assertThat(sparse.indices(0, position)).isSorted().hasSize(sparse.count(0, position));
                }
                assertThat(sparse.count()).isEqualTo(nonzero).isPositive();
                assertThat(sparse.indices().shape().toArray()).containsExactly(nonzero, 3);
                long[] places = sparse.indices().toLongArray();
                double[] values = sparse.values().toDoubleArray();
                for (int i = 0; i < nonzero; i++) {
                    assertThat(values[i])
                            .isEqualTo(sparse.activation(
                                    (int) places[3 * i], (int) places[3 * i + 1], (int) places[3 * i + 2]));
                }
            }
        }
    }

    @Test
    void theLargestActivationsOfAFeatureAreFound() {
        Dictionary dictionary = Dictionary.load("resid_post_2.topk");
        try (HookedTransformer model = model();
                DictionaryTensors own = dictionary.on(model.backend(), model.dtype())) {
            TopActivations found = TopActivations.of(model, dictionary, TextBatches.of(model, TEXTS, 64, 2), 3, 2);
            int tokens = 0;
            double[] best = new double[dictionary.config().dSae()];
            int[] times = new int[best.length];
            for (String text : TEXTS) {
                if (text.isEmpty()) {
                    continue;
                }
                Tokens ids = model.toTokens(text);
                Tensor acts = own.encode(model.runWithCache(ids, HookFilter.names("resid_post2"))
                        .cache()
                        .get("resid_post2"));
                double[] numbers = acts.toDoubleArray();
                for (int position = 1; position < ids.positions(); position++) {
                    tokens++;
                    for (int feature = 0; feature < best.length; feature++) {
                        double number = numbers[position * best.length + feature];
                        best[feature] = Math.max(best[feature], number);
                        times[feature] += number > 0 ? 1 : 0;
                    }
                }
            }
            assertThat(found.tokens()).isEqualTo(tokens);
            assertThat(found.active()).isNotEmpty();
            for (int feature = 0; feature < best.length; feature++) {
                TopActivations.Summary summary = found.feature(feature);
                assertThat(summary.largest()).isCloseTo(best[feature], within(1e-9));
                assertThat(summary.tokens()).isEqualTo(times[feature]);
                assertThat(summary.density()).isCloseTo((double) times[feature] / tokens, within(1e-12));
                assertThat(summary.examples()).hasSize(Math.min(3, times[feature]));
                for (TopActivations.Example example : summary.examples()) {
                    assertThat(example.activations().get(example.at())).isEqualTo(example.activation());
                    assertThat(example.window()).hasSizeBetween(1, 5).hasSameSizeAs(example.activations());
                }
            }
            TopActivations one = TopActivations.of(
                    model,
                    dictionary,
                    TextBatches.of(model, TEXTS, 64, 1),
                    3,
                    2,
                    Set.of(found.active().get(0)));
            assertThat(one.active()).containsExactly(found.active().get(0));
            assertThat(one.feature(found.active().get(0)).examples().get(0).activation())
                    .isCloseTo(found.feature(found.active().get(0)).largest(), within(1e-9));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> TopActivations.of(
                            model, dictionary, TextBatches.of(model, TEXTS, 64, 1), 3, 2, Set.of(512)))
                    .withMessageContaining("There is no feature 512; the dictionary has 512");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"resid_post_2.topk", "mlp_1.transcoder"})
    void qualityIsWhatItsDefinitionsSay(String name) {
        Dictionary dictionary = Dictionary.load(name);
        String in = dictionary.config().hookIn();
        String out = dictionary.config().hookOut();
        try (HookedTransformer model = model();
                HookedTransformer with = model.with(dictionary.spliced());
                DictionaryTensors own = dictionary.on(model.backend(), model.dtype())) {
            Tokens tokens = model.toTokens(TEXTS.get(0));
            DictionaryQuality quality = DictionaryQuality.of(model, dictionary, List.of(tokens));
            var cache = model.runWithCache(tokens, HookFilter.names(in, out)).cache();
            // Without BOS.
            Tensor is = cache.get(out).slice(1, 1, tokens.positions());
            Tensor read = cache.get(in).slice(1, 1, tokens.positions());
            Tensor missed = is.sub(own.reconstruct(read));
            Tensor spread = is.sub(is.mean(0, 1));
            assertThat(quality.varianceExplained())
                    .isCloseTo(
                            1
                                    - missed.square().sum().item()
                                            / spread.square().sum().item(),
                            within(1e-9))
                    .isBetween(0.5, 1.0);
            assertThat(quality.meanSquaredError())
                    .isCloseTo(missed.square().mean().item(), within(1e-9));
            assertThat(quality.l0())
                    .isCloseTo(
                            own.encode(read)
                                    .gt(0)
                                    .to(DType.FLOAT64)
                                    .sum(-1)
                                    .mean()
                                    .item(),
                            within(1e-9))
                    .isEqualTo(16);
            assertThat(quality.loss()).isCloseTo(model.loss(tokens), within(1e-9));
            assertThat(quality.splicedLoss()).isCloseTo(with.loss(tokens), within(1e-9));
            try (var zeros = model.hooks(Intervention.zero(out))) {
                assertThat(quality.ablatedLoss()).isCloseTo(model.loss(tokens), within(1e-9));
            }
            assertThat(quality.lossRecovered())
                    .isCloseTo(
                            (quality.ablatedLoss() - quality.splicedLoss()) / (quality.ablatedLoss() - quality.loss()),
                            within(1e-12));
            assertThat(quality.neverActive()).isBetween(1, 511);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> DictionaryQuality.of(model, dictionary, List.of()))
                    .withMessageContaining("nothing to measure");
        }
    }

    @Test
    void aFeaturesEffectOnLogitsIsTheSameWithTheFinalNormFolded() {
        SplicedDictionary spliced =
                Dictionary.load("resid_post_2.topk").spliced().forAnyOptions();
        LoadOptions raw = LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64);
        try (HookedTransformer plain = HookedTransformer.fromPretrained("toy-gpt2", raw);
                HookedTransformer folded = HookedTransformer.fromPretrained("toy-gpt2", raw.withFoldLn(true));
                HookedTransformer with = plain.with(spliced)) {
            Tensor effect = FeatureReading.logitEffect(plain, spliced, 415);
            assertThat(FeatureReading.appliesFinalNorm(plain)).isTrue();
            assertThat(FeatureReading.appliesFinalNorm(folded)).isFalse();
            assertThat(FeatureReading.logitEffect(with, spliced, 415).maxAbsDifference(effect))
                    .isLessThan(1e-12);
            // Folding a layer norm centres what is read too; so do we by hand.
            Tensor row =
                    with.weight("dictionary.blocks.2.hook_resid_post.W_dec").pick(0, 415);
            Tensor byHand =
                    row.mul(plain.weight("ln_final.w")).matmul(plain.W_U()).squeeze(0);
            assertThat(effect.maxAbsDifference(byHand)).isLessThan(1e-12);
            Tensor centred = row.sub(row.mean());
            Tensor expected =
                    centred.mul(plain.weight("ln_final.w")).matmul(plain.W_U()).squeeze(0);
            assertThat(FeatureReading.logitEffect(folded, spliced, 415).maxAbsDifference(expected))
                    .isLessThan(1e-9);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> FeatureReading.logitEffect(plain, spliced, 512))
                    .withMessageContaining("no feature 512");
        }
    }

    @Test
    void aSteeredFeatureAddsItsDecoderRow() {
        SplicedDictionary spliced =
                Dictionary.load("resid_post_2.topk").spliced().withErrorTerm();
        try (HookedTransformer model = model();
                HookedTransformer with = model.with(spliced)) {
            Tokens tokens = model.toTokens(TEXTS.get(1));
            try (var steering = with.hooks(spliced.steer(7, 2.5))) {
                Tensor after = with.runWithCache(tokens, HookFilter.names("resid_post2"))
                        .cache()
                        .get("resid_post2");
                Tensor before = model.runWithCache(tokens, HookFilter.names("resid_post2"))
                        .cache()
                        .get("resid_post2");
                Tensor row =
                        with.weight("dictionary.blocks.2.hook_resid_post.W_dec").pick(0, 7);
                assertThat(after.sub(before).maxAbsDifference(before.mul(0).add(row.mul(2.5))))
                        .isLessThan(1e-9);
            }
        }
    }
}
