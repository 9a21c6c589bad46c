package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

final class RunsTest {

    private static final HookedTransformer MODEL = TinyModels.gpt2();
    private static final Tokens TOKENS = TinyModels.tokens();

    @AfterAll
    static void close() {
        MODEL.close();
    }

    @Test
    void observingAPointDoesNotChangeTheLogits() {
        Tensor plain = MODEL.forward(TOKENS);
        MODEL.hookNames().points().forEach(point -> {
            CachedRun run = MODEL.runWithCache(TOKENS, HookFilter.names(point.name()));
            assertThat(run.cache().keys()).containsExactly(point.name());
            assertThat(run.logits().maxAbsDifference(plain)).as(point.name()).isLessThan(1e-12);
        });
    }

    @Test
    void stoppingAndStartingAtALayerGivesTheWholeRun() {
        Tensor plain = MODEL.forward(TOKENS);
        for (int layer = 0; layer <= 3; layer++) {
            RunResult first = MODEL.run(RunRequest.of(TOKENS).stopAtLayer(layer).build());
            if (layer < 3) {
                RunResult second = MODEL.run(RunRequest.builder()
                        .startAtLayer(layer, first.residual())
                        .build());
                assertThat(second.logits().maxAbsDifference(plain)).isLessThan(1e-12);
            }
        }
    }

    @Test
    void negativeLayersCountFromTheEnd() {
        Tensor byNumber =
                MODEL.run(RunRequest.of(TOKENS).stopAtLayer(2).build()).residual();
        Tensor fromEnd =
                MODEL.run(RunRequest.of(TOKENS).stopAtLayer(-1).build()).residual();
        assertThat(fromEnd.maxAbsDifference(byNumber)).isZero();
        CachedRun run = MODEL.runWithCache(TOKENS);
        assertThat(run.cache().get("resid_post", -1)).isSameAs(run.cache().get("resid_post", 2));
    }

    @Test
    void aRunThatStopsCachesOnlyWhatItPassed() {
        RunResult run = MODEL.run(RunRequest.of(TOKENS)
                .stopAtLayer(1)
                .observe(HookFilter.standard())
                .build());
        assertThat(run.cache().keys())
                .contains("blocks.0.hook_resid_post")
                .noneMatch(name -> name.startsWith("blocks.1"));
        assertThatThrownBy(run::logits).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void feedingAPointReplacesWhatEntersIt() {
        Tensor pattern = MODEL.runWithCache(TOKENS).cache().get("pattern", 1);
        Tensor uniform = pattern.mul(0).add(1.0 / 6);
        RunResult run = MODEL.run(RunRequest.of(TOKENS)
                .feed("pattern1", uniform)
                .observe("pattern1", "z1", "v1")
                .build());
        assertThat(run.cache().get("pattern", 1).maxAbsDifference(uniform)).isZero();
        Tensor mean = run.cache().get("v", 1).mean(1).unsqueeze(1);
        assertThat(run.cache().get("z", 1).sub(mean).abs().max().item()).isLessThan(1e-12);
    }

    @Test
    void logitsAtChosenPositionsAreThoseOfAllPositions() {
        Tensor all = MODEL.forward(TOKENS);
        Tensor some = MODEL.run(RunRequest.of(TOKENS).logitsAt(-1, 2).build()).logits();
        assertThat(some.maxAbsDifference(all.pick(1, 5, 2))).isLessThan(1e-12);
        assertThatThrownBy(() -> MODEL.run(RunRequest.of(TOKENS).logitsAt(6).build()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("6 positions");
    }

    @Test
    void leftAndRightPaddingGiveTheNumbersOfNoPadding() {
        long[] row = {3, 1, 4, 1, 5};
        Tensor alone = MODEL.forward(Tokens.of(row)).select(0, 0);
        List<long[]> rows = List.of(row, new long[] {9, 2, 6, 5, 3, 5, 8});
        Tensor left = MODEL.forward(Tokens.pad(rows, 0, true)).select(0, 0);
        Tensor right = MODEL.forward(Tokens.pad(rows, 0, false)).select(0, 0);
        assertThat(left.slice(0, 2, 7).maxAbsDifference(alone)).isLessThan(1e-12);
        assertThat(right.slice(0, 0, 5).maxAbsDifference(alone)).isLessThan(1e-12);
    }

    @Test
    void paddingCountsOnNeitherSideOfTheLoss() {
        long[] row = {3, 1, 4, 1, 5};
        double alone = MODEL.loss(Tokens.of(row));
        List<long[]> rows = List.of(row, new long[] {9, 2, 6, 5, 3, 5, 8});
        for (boolean left : new boolean[] {true, false}) {
            Tokens padded = Tokens.pad(rows, 7, left);
            double[] perToken = MODEL.lossPerToken(padded).select(0, 0).toDoubleArray();
            assertThat(Arrays.stream(perToken).sum() / 4).isCloseTo(alone, within(1e-12));
            double second = MODEL.loss(Tokens.of(rows.get(1)));
            assertThat(MODEL.loss(padded)).isCloseTo((alone * 4 + second * 6) / 10, within(1e-12));
        }
    }

    @Test
    void theLossIsTheCrossEntropyOfTheNextToken() {
        double[] logits = MODEL.forward(Tokens.of(new long[] {1, 2})).toDoubleArray();
        double sum = 0;
        for (int i = 0; i < 50; i++) {
            sum += Math.exp(logits[i]);
        }
        assertThat(MODEL.loss(Tokens.of(new long[] {1, 2}))).isCloseTo(Math.log(sum) - logits[2], within(1e-12));
    }

    @Test
    void aKeyValueCacheGivesTheNumbersOfTheWholeRun() {
        Tensor whole = MODEL.forward(TOKENS);
        try (KeyValueCache cache = MODEL.newKeyValueCache(2)) {
            for (int i = 0; i < 6; i++) {
                long[][] column = {{TOKENS.id(0, i)}, {TOKENS.id(1, i)}};
                RunResult step = MODEL.run(
                        RunRequest.of(Tokens.of(column)).keyValueCache(cache).build());
                assertThat(cache.positions()).isEqualTo(i + 1);
                assertThat(step.logits().select(1, 0).maxAbsDifference(whole.select(1, i)))
                        .isLessThan(1e-12);
            }
        }
    }

    @Test
    void aRunGoesOnAtALayerFromKeysAndValuesThatWereRecorded() {
        Tensor whole = MODEL.forward(TOKENS);
        ActivationCache run = MODEL.runWithCache(TOKENS).cache();
        boolean[][] past = new boolean[2][4];
        for (boolean[] row : past) {
            Arrays.fill(row, true);
        }
        Map<Integer, Tensor> keys = new HashMap<>();
        Map<Integer, Tensor> values = new HashMap<>();
        for (int layer = 1; layer < 3; layer++) {
            keys.put(layer, run.get("k", layer).slice(1, 0, 4));
            values.put(layer, run.get("v", layer).slice(1, 0, 4));
        }
        KeyValueCache cache = KeyValueCache.frozen(past, keys, values);
        RunRequest request = RunRequest.builder()
                .startAtLayer(1, run.get("resid_pre", 1).slice(1, 4, 6))
                .keyValueCache(cache)
                .build();
        // Twice: a frozen cache is the same afterwards.
        for (int i = 0; i < 2; i++) {
            assertThat(MODEL.run(request).logits().maxAbsDifference(whole.slice(1, 4, 6)))
                    .isLessThan(1e-12);
            assertThat(cache.positions()).isEqualTo(4);
        }
        assertThat(cache.isFrozen()).isTrue();
        assertThat(cache.layers()).containsExactly(1, 2);
    }

    @Test
    void aFrozenKeyValueCacheServesManyContinuationsAndGrowsAgainOnceItIsUnfrozen() {
        Tensor whole = MODEL.forward(TOKENS);
        Tokens first = Tokens.of(new long[] {1, 7, 3, 9}, new long[] {4, 4, 6, 0});
        Tokens rest = Tokens.of(new long[] {2, 8}, new long[] {11, 5});
        try (KeyValueCache cache = MODEL.newKeyValueCache(2)) {
            MODEL.run(RunRequest.of(first).keyValueCache(cache).build()).close();
            cache.freeze();
            for (int i = 0; i < 2; i++) {
                Tensor logits = MODEL.run(
                                RunRequest.of(rest).keyValueCache(cache).build())
                        .logits();
                assertThat(logits.maxAbsDifference(whole.slice(1, 4, 6))).isLessThan(1e-12);
                assertThat(cache.positions()).isEqualTo(4);
            }
            cache.unfreeze();
            MODEL.run(RunRequest.of(rest).keyValueCache(cache).build()).close();
            assertThat(cache.positions()).isEqualTo(6);
        }
    }

    @Test
    void unfreezingWhatOthersRecordedLeavesTheirTensorsOpen() {
        ActivationCache run = MODEL.runWithCache(TOKENS).cache();
        Map<Integer, Tensor> keys = new HashMap<>();
        Map<Integer, Tensor> values = new HashMap<>();
        for (int layer = 0; layer < 3; layer++) {
            keys.put(layer, run.get("k", layer));
            values.put(layer, run.get("v", layer));
        }
        KeyValueCache cache = KeyValueCache.frozen(TOKENS.mask(), keys, values);
        cache.unfreeze();
        MODEL.run(RunRequest.of(Tokens.of(new long[] {1}, new long[] {2}))
                        .keyValueCache(cache)
                        .build())
                .close();
        assertThat(cache.positions()).isEqualTo(7);
        assertThat(run.get("k", 0).isClosed()).isFalse();
        cache.close();
    }

    @Test
    void parametersAreCountedAsTheOriginalDoesAndPlainly() {
        // 12 layers of 4 · 768² and 2 · 768 · 3072: the "85M" of the original's table.
        TransformerConfig small = TransformerConfig.builder()
                .modelName("gpt2")
                .architecture("gpt2")
                .nLayers(12)
                .dModel(768)
                .nHeads(12)
                .dVocab(50257)
                .nCtx(1024)
                .build();
        assertThat(small.nParams()).isEqualTo(84_934_656);
        assertThat(MODEL.config().nParams()).isEqualTo(3 * (4 * 24 * 24 + 2 * 24 * 96));
        long plain = MODEL.weightNames().stream()
                .mapToLong(name -> MODEL.weight(name).elements())
                .sum();
        assertThat(MODEL.parameterCount())
                .isEqualTo(plain)
                .isGreaterThan(MODEL.config().nParams());
    }

    @Test
    void aKeyValueCacheThatDoesNotFitIsRefused() {
        Tensor keys = MODEL.runWithCache(TOKENS).cache().get("k", 2);
        boolean[][] mask = TOKENS.mask();
        assertThatThrownBy(() -> KeyValueCache.frozen(new boolean[][] {{true}}, Map.of(2, keys), Map.of(2, keys)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[1, 1, kv_heads, d_head]")
                .hasMessageContaining(keys.shape().toString());
        assertThatThrownBy(() -> KeyValueCache.frozen(mask, Map.of(2, keys), Map.of()))
                .hasMessageContaining("layers [2] and values of []");
        KeyValueCache lacking = KeyValueCache.frozen(mask, Map.of(2, keys), Map.of(2, keys));
        assertThatThrownBy(() -> MODEL.run(RunRequest.of(Tokens.of(new long[] {1}, new long[] {2}))
                        .keyValueCache(lacking)
                        .build()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("past_keys.");
        assertThatThrownBy(() -> MODEL.run(RunRequest.of(Tokens.of(new long[] {1}))
                        .keyValueCache(lacking)
                        .build()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("batch of 2")
                .hasMessageContaining("batch of 1");
        assertThatThrownBy(() -> lacking.values(0)).hasMessageContaining("[2], not 0");
    }

    @Test
    void nothingIsComputedThatNobodyAskedFor() {
        RunResult run = MODEL.run(RunRequest.of(TOKENS).returns(Returns.NONE).build());
        assertThat(run.cache().size()).isZero();
        assertThatThrownBy(run::loss).isInstanceOf(IllegalStateException.class).hasMessageContaining("returns(LOSS)");
    }

    @Test
    void closingTheLogitsLeavesTheCacheOpen() {
        CachedRun run = MODEL.runWithCache(TOKENS);
        Tensor copy = run.logits().mul(1);
        run.logits().close();
        assertThat(run.cache().get("unembed.hook_out").maxAbsDifference(copy)).isZero();
    }

    @Test
    void onlyTheChosenPositionsAreCached() {
        CachedRun run = MODEL.runWithCache(
                TOKENS,
                HookFilter.names("z1", "pattern1"),
                Index.at(-1).indices().get(0));
        assertThat(run.cache().get("z", 1).shape()).isEqualTo(Shape.of(2, 1, 3, 8));
        Tensor whole = MODEL.runWithCache(TOKENS).cache().get("pattern", 1);
        assertThat(run.cache().get("pattern", 1).squeeze(2).maxAbsDifference(whole.select(2, -1)))
                .isLessThan(1e-12);
    }

    @Test
    void theSameSeedGivesTheSameModel() {
        try (HookedTransformer again = TinyModels.gpt2()) {
            assertThat(again.forward(TOKENS).toDoubleArray())
                    .isEqualTo(MODEL.forward(TOKENS).toDoubleArray());
        }
    }

    @Test
    void badInputIsRefusedInWords() {
        assertThatThrownBy(() -> Tokens.of(new long[0])).hasMessageContaining("prompt is empty");
        assertThatThrownBy(() -> MODEL.forward(Tokens.of(new long[] {1, 50})))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Token id 50 at [0, 1]")
                .hasMessageContaining("0 to 49");
        assertThatThrownBy(() -> MODEL.forward(Tokens.of(new long[33])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("33 tokens")
                .hasMessageContaining("is 32");
        assertThatThrownBy(() -> MODEL.run(RunRequest.builder().build())).hasMessageContaining("nothing to start from");
        assertThatThrownBy(() -> MODEL.forward("text"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no tokenizer");
        assertThatThrownBy(() -> MODEL.run(RunRequest.of(TOKENS).stopAtLayer(4).build()))
                .hasMessageContaining("3 layers");
        assertThatThrownBy(() -> MODEL.run(RunRequest.of(TOKENS)
                        .feed("resid_pre1", MODEL.tensors().randn(1, 2, 6, 24))
                        .build()))
                .hasMessageContaining("fed into blocks.1.hook_resid_pre")
                .hasMessageContaining("float64");
        assertThatThrownBy(() -> HookedTransformer.fromConfig(
                        TinyModels.gpt2Config().toBuilder().architecture("gpt9").build(),
                        1,
                        LoadOptions.defaults().withBackend("reference")))
                .hasMessageContaining("gpt9")
                .hasMessageContaining("gpt2");
        assertThatThrownBy(() -> HookedTransformer.fromConfig(
                        TinyModels.gpt2Config(), 1, LoadOptions.defaults().withBackend("referense")))
                .hasMessageContaining("referense")
                .hasMessageContaining("'reference' is available");
    }

    @Test
    void aClosedModelSaysSo() {
        HookedTransformer model = TinyModels.gpt2();
        model.close();
        model.close();
        assertThatThrownBy(() -> model.forward(TOKENS))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void oneTokenHasNoLoss() {
        Tokens one = Tokens.of(new long[] {3});
        assertThatThrownBy(() -> MODEL.loss(one))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("at least two tokens");
        assertThat(MODEL.lossPerToken(one).shape()).isEqualTo(Shape.of(1, 0));
        assertThatThrownBy(() -> MODEL.gradients(one, Metric.loss()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least two tokens");
        Tokens three = Tokens.of(new long[] {3, 1, 4});
        Tokens both = Tokens.pad(List.of(new long[] {3}, new long[] {3, 1, 4}), 0, true);
        assertThat(MODEL.loss(both)).isCloseTo(MODEL.loss(three), within(1e-12));
    }

    @Test
    void whatIsFedFromAnotherModelIsRefusedWithBothPlaces() {
        try (HookedTransformer other = TinyModels.gpt2()) {
            Tensor residual =
                    other.run(RunRequest.of(TOKENS).stopAtLayer(1).build()).residual();
            assertThatThrownBy(() -> MODEL.run(
                            RunRequest.builder().startAtLayer(1, residual).build()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("blocks.1.hook_resid_pre", "'reference' on cpu", "opened by itself");
            Tensor moved = residual.to(MODEL.backend());
            Tensor logits = MODEL.run(
                            RunRequest.builder().startAtLayer(1, moved).build())
                    .logits();
            assertThat(logits.maxAbsDifference(MODEL.forward(TOKENS))).isLessThan(1e-12);
            Hook foreign = Hook.at("resid_pre", 1, (activation, point) -> residual);
            assertThatThrownBy(() -> MODEL.runWithHooks(TOKENS, foreign))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("What a hook at blocks.1.hook_resid_pre returned", "opened by itself");
        }
    }

    @Test
    void aCacheOnADeviceByNameHasTheSameActivations() {
        CachedRun there = MODEL.runWithCache(TOKENS, HookFilter.standard(), "cpu");
        CachedRun plain = MODEL.runWithCache(TOKENS);
        assertThat(there.cache().keys()).isEqualTo(plain.cache().keys());
        plain.cache()
                .items()
                .forEach((name, tensor) -> assertThat(there.cache().get(name).maxAbsDifference(tensor))
                        .as(name)
                        .isZero());
        assertThatThrownBy(() -> MODEL.runWithCache(TOKENS, HookFilter.standard(), "cuda:7"))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("cuda:7");
        assertThatThrownBy(() -> plain.cache().to("tpu")).isInstanceOf(BackendUnavailableException.class);
    }
}
