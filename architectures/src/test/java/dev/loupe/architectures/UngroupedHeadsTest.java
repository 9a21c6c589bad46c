package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Grouped key and value heads, repeated for the query heads that read them. */
class UngroupedHeadsTest {

    private static final Tokens TOKENS = Tokens.of(new long[] {3, 1, 4, 1, 5}, new long[] {9, 2, 6, 5, 3});

    private static HookedTransformer load(String fixture) {
        LoadOptions options =
                LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64);
        return HookedTransformer.fromPretrained(Fixtures.directory(fixture).toString(), options);
    }

    @ParameterizedTest
    @ValueSource(strings = {Fixtures.LLAMA, Fixtures.QWEN2, Fixtures.QWEN3, Fixtures.GEMMA3})
    void theModelComputesTheSameAndItsKeysAndValuesHaveAHeadForEachQueryHead(String fixture) {
        try (HookedTransformer model = load(fixture);
                HookedTransformer ungrouped = model.ungroupKeyValueHeads()) {
            int heads = model.config().nHeads();
            int group = heads / model.config().nKeyValueHeads();
            assertThat(group).isGreaterThan(1);
            CachedRun grouped = model.runWithCache(TOKENS);
            CachedRun run = ungrouped.runWithCache(TOKENS);
            assertThat(run.logits().maxAbsDifference(grouped.logits())).isLessThan(1e-9);
            for (String point : new String[] {"k", "v"}) {
                Tensor found = run.cache().get(point, 1);
                assertThat(found.shape())
                        .isEqualTo(Shape.of(2, 5, heads, model.config().dHead()));
                for (int head = 0; head < heads; head++) {
                    Tensor expected = grouped.cache().get(point, 1).select(2, head / group);
                    assertThat(found.select(2, head).maxAbsDifference(expected)).isLessThan(1e-12);
                }
            }
            assertThat(ungrouped.W_K().maxAbsDifference(model.W_K())).isZero();
            GenerateOptions how = GenerateOptions.greedy(4);
            assertThat(ungrouped.generate(TOKENS, how).get(0))
                    .isEqualTo(model.generate(TOKENS, how).get(0));
        }
    }

    @Test
    void oneHeadsKeysCanBeChangedAlone() {
        try (HookedTransformer model = load(Fixtures.LLAMA);
                HookedTransformer ungrouped = model.ungroupKeyValueHeads()) {
            Tensor plain = ungrouped.runWithCache(TOKENS).cache().get("pattern", 0);
            Hook hook = Hook.at("k", 0, (keys, point) -> keys.with(Index.at(Index.all(), Index.all(), 0), 0.0));
            Tensor[] seen = new Tensor[1];
            ungrouped.runWithHooks(TOKENS, hook, Hook.at("pattern", 0, (pattern, point) -> {
                seen[0] = pattern;
                return null;
            }));
            assertThat(seen[0].select(1, 0).maxAbsDifference(plain.select(1, 0)))
                    .isPositive();
            assertThat(seen[0].select(1, 1).maxAbsDifference(plain.select(1, 1)))
                    .isZero();
        }
    }

    @Test
    void aModelWithoutGroupsStaysAsItIs() {
        try (HookedTransformer model = load(Fixtures.GPT2);
                HookedTransformer same = model.ungroupKeyValueHeads()) {
            assertThat(same.forward(TOKENS).maxAbsDifference(model.forward(TOKENS)))
                    .isZero();
        }
    }
}
