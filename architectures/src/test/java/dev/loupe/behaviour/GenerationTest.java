package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.Index;
import dev.loupe.hook.Hook;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class GenerationTest {

    private static final HookedTransformer MODEL = TinyModels.gpt2();
    private static final Tokens PROMPT = Tokens.pad(List.of(new long[] {1, 2, 3}, new long[] {4, 5, 6, 7, 8}), 0, true);

    @AfterAll
    static void close() {
        MODEL.close();
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 42})
    void theSameSeedGivesTheSameTokensWithAndWithoutTheCache(long seed) {
        GenerateOptions how = GenerateOptions.sampling(10, 1.3, seed)
                .withTopK(30)
                .withTopP(0.9)
                .withFreqPenalty(0.5);
        List<long[]> cached = MODEL.generate(PROMPT, how);
        List<long[]> plain = MODEL.generate(PROMPT, how.withKeyValueCache(false));
        List<long[]> again = MODEL.generate(PROMPT, how);
        for (int row = 0; row < 2; row++) {
            assertThat(plain.get(row)).as("seed %d", seed).isEqualTo(cached.get(row));
            assertThat(again.get(row)).as("seed %d", seed).isEqualTo(cached.get(row));
        }
        assertThat(MODEL.generate(PROMPT, how.withSeed(seed + 1000)).get(0)).isNotEqualTo(cached.get(0));
    }

    @Test
    void greedyTakesTheMostLikelyToken() {
        long[] text = MODEL.generate(Tokens.of(new long[] {1, 2}), GenerateOptions.greedy(4))
                .get(0);
        for (int i = 2; i < text.length; i++) {
            Tensor logits = MODEL.forward(Tokens.of(java.util.Arrays.copyOf(text, i)));
            assertThat(text[i]).isEqualTo((long) logits.select(1, -1).argmax(-1).item());
        }
    }

    @Test
    void aBatchGivesWhatEachSequenceGivesAlone() {
        List<long[]> batch = MODEL.generate(PROMPT, GenerateOptions.greedy(6));
        for (int row = 0; row < 2; row++) {
            Tokens alone = Tokens.of(PROMPT.realTokens(row));
            assertThat(MODEL.generate(alone, GenerateOptions.greedy(6)).get(0)).isEqualTo(batch.get(row));
        }
    }

    @Test
    void aFinishedSequenceIsFilledWithEos() {
        long[] free = MODEL.generate(Tokens.of(new long[] {1, 2, 3}), GenerateOptions.greedy(8))
                .get(0);
        long eos = free[4];
        try (HookedTransformer ending = HookedTransformer.fromConfig(
                TinyModels.gpt2Config().toBuilder().eosIds(Set.of(eos)).build(),
                TinyModels.SEED,
                LoadOptions.defaults().withBackend("reference").withDType(DType.FLOAT64))) {
            long[] text = ending.generate(PROMPT, GenerateOptions.greedy(8)).get(0);
            int end = first(text, eos, 3);
            assertThat(end).isBetween(3, 4);
            for (int i = end; i < text.length; i++) {
                assertThat(text[i]).isEqualTo(eos);
            }
            long[] onwards = ending.generate(PROMPT, GenerateOptions.greedy(8).withStopAtEos(false))
                    .get(0);
            assertThat(onwards)
                    .isEqualTo(MODEL.generate(PROMPT, GenerateOptions.greedy(8)).get(0));
        }
    }

    private static int first(long[] text, long token, int from) {
        int i = from;
        while (i < text.length && text[i] != token) {
            i++;
        }
        return i;
    }

    @Test
    void hooksRunAtEveryStep() {
        AtomicInteger fired = new AtomicInteger();
        // With all attention on position 0 and nothing else, generation changes.
        GenerateOptions how = GenerateOptions.greedy(5).withHooks(Hook.at("resid_post", 1, (act, point) -> {
            fired.incrementAndGet();
            return act.with(Index.at(Index.all(), -1), 0.0);
        }));
        MODEL.generate(PROMPT, how);
        assertThat(fired).hasValue(5);
    }

    @Test
    void aPenaltyDrivesTokensAwayThatStandInTheText() {
        GenerateOptions how = GenerateOptions.sampling(20, 0.5, 3).withFreqPenalty(1000);
        long[] text = MODEL.generate(Tokens.of(new long[] {1, 2, 3}), how).get(0);
        assertThat(text).doesNotHaveDuplicates();
    }

    @Test
    void topOneIsGreedyAtAnyTemperature() {
        GenerateOptions how = GenerateOptions.sampling(6, 5, 9);
        List<long[]> greedy = MODEL.generate(PROMPT, GenerateOptions.greedy(6));
        assertThat(MODEL.generate(PROMPT, how.withTopK(1)).get(1)).isEqualTo(greedy.get(1));
        assertThat(MODEL.generate(PROMPT, how.withTopP(1e-9)).get(1)).isEqualTo(greedy.get(1));
    }

    @Test
    void tokensComeOneByOne() {
        List<Long> steps = new ArrayList<>();
        try (Generation generation = MODEL.stream(PROMPT, GenerateOptions.greedy(4))) {
            while (generation.hasNext()) {
                steps.add(generation.next()[1]);
            }
            assertThatThrownBy(generation::next).isInstanceOf(java.util.NoSuchElementException.class);
        }
        long[] whole = MODEL.generate(PROMPT, GenerateOptions.greedy(4)).get(1);
        assertThat(whole).endsWith(steps.stream().mapToLong(Long::longValue).toArray());
    }

    @Test
    void badOptionsAndLongTextsAreRefused() {
        assertThatThrownBy(() -> GenerateOptions.sampling(3, -1, 0)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> GenerateOptions.greedy(3).withTopP(0)).hasMessageContaining("topP");
        assertThatThrownBy(() -> MODEL.generate(PROMPT, GenerateOptions.greedy(28)))
                .hasMessageContaining("5 tokens of prompt")
                .hasMessageContaining("is 32");
        Tokens prompt = PROMPT;
        GenerateOptions poisoned =
                GenerateOptions.greedy(2).withHooks(Hook.at("resid_post", 2, (act, point) -> act.mul(Double.NaN)));
        assertThatThrownBy(() -> MODEL.generate(prompt, poisoned)).hasMessageContaining("NaN");
    }
}
