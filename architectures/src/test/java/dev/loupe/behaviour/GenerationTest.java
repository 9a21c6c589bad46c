package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generated;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Sampler;
import dev.loupe.model.Sampling;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
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
            Tensor logits = MODEL.forward(Tokens.of(Arrays.copyOf(text, i)));
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

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aContinuationOfEmbeddingsIsThatOfTheirTokens(boolean cached) {
        Tokens prompt = Tokens.of(new long[] {1, 2, 3}, new long[] {4, 5, 6});
        GenerateOptions how = GenerateOptions.greedy(6).withKeyValueCache(cached);
        List<long[]> whole = MODEL.generate(prompt, how);
        try (Tensor embeddings = MODEL.runWithCache(prompt, HookFilter.names("hook_embed"))
                .cache()
                .get("embed")) {
            List<long[]> found = MODEL.generate(embeddings, how);
            for (int row = 0; row < 2; row++) {
                assertThat(found.get(row)).isEqualTo(Arrays.copyOfRange(whole.get(row), 3, 9));
            }
            assertThat(embeddings.isClosed()).isFalse();
            GenerateOptions several =
                    GenerateOptions.sampling(4, 1, 3).withSamples(2).withKeyValueCache(cached);
            List<long[]> samples = MODEL.generate(embeddings, several);
            List<long[]> ofTokens = MODEL.generate(prompt, several);
            assertThat(samples).hasSize(4);
            for (int row = 0; row < 4; row++) {
                assertThat(ofTokens.get(row)).endsWith(samples.get(row));
            }
        }
        Tensor wrong = MODEL.tensors().zeros(DType.FLOAT64, 1, 2, 5);
        assertThatThrownBy(() -> MODEL.generate(wrong, how)).hasMessageContainingAll("d_model 24", "[1, 2, 5]");
    }

    @Test
    void logitsThatTokensWereChosenFromComeWithThem() {
        try (Generated generated = MODEL.generateWithLogits(PROMPT, GenerateOptions.greedy(4))) {
            assertThat(generated.logits().shape()).isEqualTo(Shape.of(2, 4, 50));
            for (int row = 0; row < 2; row++) {
                long[] ids = generated.tokens().get(row);
                Tensor plain = MODEL.forward(Tokens.of(ids));
                int from = ids.length - 5;
                Tensor expected = plain.select(0, 0).slice(0, from, from + 4);
                assertThat(generated.logits().select(0, row).maxAbsDifference(expected))
                        .isLessThan(1e-12);
            }
        }
        try (Generated none = MODEL.generateWithLogits(PROMPT, GenerateOptions.greedy(0))) {
            assertThat(none.logits().shape()).isEqualTo(Shape.of(2, 0, 50));
            assertThat(none.tokens().get(1)).isEqualTo(PROMPT.realTokens(1));
        }
    }

    @Test
    void aSequenceEndsAtAnyOfTheChosenTokens() {
        long[] free = MODEL.generate(Tokens.of(new long[] {1, 2, 3}), GenerateOptions.greedy(8))
                .get(0);
        long first = free[3];
        long later =
                Arrays.stream(free, 4, 11).filter(id -> id != first).findFirst().orElseThrow();
        GenerateOptions how = GenerateOptions.greedy(8);
        Tokens prompt = Tokens.of(new long[] {1, 2, 3});
        long[] one = MODEL.generate(prompt, how.withEosIds(later)).get(0);
        assertThat(one).isEqualTo(Arrays.copyOf(free, one.length)).endsWith(later);
        assertThat(MODEL.generate(prompt, how.withEosIds(later, first)).get(0)).containsExactly(1, 2, 3, first);
        // The other row goes on, and the one that has ended is filled up with the sole EOS.
        long[] filled = MODEL.generate(PROMPT, how.withEosIds(first)).get(0);
        assertThat(filled).containsSequence(1, 2, 3, first);
        assertThatThrownBy(() -> MODEL.generate(prompt, how.withEosIds(3, 50)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("EOS id 50", "'tiny'", "0 to 49");
        assertThatThrownBy(() -> how.withEosIds(-1)).hasMessageContaining("got -1");
    }

    @Test
    void severalSamplesOfEachPromptStandTogether() {
        GenerateOptions how = GenerateOptions.sampling(6, 1.5, 8).withSamples(3);
        List<long[]> rows = MODEL.generate(PROMPT, how);
        assertThat(rows).hasSize(6);
        for (int row = 0; row < 6; row++) {
            assertThat(rows.get(row)).startsWith(PROMPT.realTokens(row / 3));
            assertThat(MODEL.generate(PROMPT, how).get(row)).isEqualTo(rows.get(row));
        }
        assertThat(rows.subList(0, 3)).doesNotHaveDuplicates();
        assertThatThrownBy(() -> GenerateOptions.greedy(3).withSamples(2)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> how.withSamples(0)).hasMessageContaining("got 0");
    }

    @Test
    void aRepetitionPenaltyDividesPositiveLogitsAndMultipliesNegativeOnes() {
        Tensor logits = MODEL.tensors().of(new double[] {4, 3, -1, -1.5}, 1, 4);
        List<long[]> soFar = List.of(new long[] {0, 0, 2});
        Sampling plain = Sampling.greedy();
        assertThat(plain.sampler().sample(logits)).containsExactly(0);
        assertThat(plain.withRepetitionPenalty(1.3).sampler().sample(logits, soFar))
                .containsExactly(0);
        assertThat(plain.withRepetitionPenalty(1.4).sampler().sample(logits, soFar))
                .containsExactly(1);
        Tensor negative = logits.slice(1, 2, 4);
        List<long[]> second = List.of(new long[] {0});
        assertThat(plain.withRepetitionPenalty(1.6).sampler().sample(negative, second))
                .containsExactly(1);
        long[] text = MODEL.generate(
                        Tokens.of(new long[] {1, 2, 3}),
                        GenerateOptions.greedy(20).withRepetitionPenalty(1e6))
                .get(0);
        long[] repeating = MODEL.generate(Tokens.of(new long[] {1, 2, 3}), GenerateOptions.greedy(20))
                .get(0);
        assertThat(Arrays.stream(text).distinct().count())
                .isGreaterThan(Arrays.stream(repeating).distinct().count());
    }

    @Test
    void aSamplerDrawsByItselfWhatTheProbabilitiesSay() {
        Tensor logits = MODEL.tensors().of(new double[] {Math.log(0.6), Math.log(0.3), Math.log(0.1)}, 3);
        int[] drawn = new int[3];
        Sampler sampler = Sampling.of(1, 4).sampler();
        for (int i = 0; i < 3000; i++) {
            drawn[(int) sampler.sample(logits)[0]]++;
        }
        // Three standard deviations of 3000 draws are under 0.03.
        assertThat(drawn[0] / 3000.0).isBetween(0.57, 0.63);
        assertThat(drawn[2] / 3000.0).isBetween(0.07, 0.13);
        Sampler nucleus = Sampling.of(1, 4).withTopP(0.7).sampler();
        Sampler best = Sampling.of(1, 4).withTopK(1).sampler();
        for (int i = 0; i < 100; i++) {
            assertThat(nucleus.sample(logits)[0]).isLessThan(2);
            assertThat(best.sample(logits)).containsExactly(0);
        }
        assertThatThrownBy(() -> Sampling.of(1, 4).withFreqPenalty(1).sampler().sample(logits))
                .hasMessageContaining("needs the text");
        assertThatThrownBy(() -> Sampling.greedy().sampler().sample(logits, List.of(new long[] {7})))
                .hasMessageContaining("Token id 7");
        assertThatThrownBy(() -> Sampling.greedy().withRepetitionPenalty(0)).hasMessageContaining("repetitionPenalty");
        Tensor nan = MODEL.tensors().of(new double[] {1, Double.NaN}, 2);
        assertThatThrownBy(() -> Sampling.greedy().sampler().sample(nan)).hasMessageContaining("token 1 is NaN");
    }

    @Test
    void hooksKeepTheirStateForOneGeneration() {
        List<Integer> steps = new ArrayList<>();
        Hook counting = Hook.withContext("resid_post", 1, (activation, point, context) -> {
            AtomicInteger count = context.state("count", AtomicInteger.class, AtomicInteger::new);
            steps.add(count.incrementAndGet());
            assertThat(context.past()).isEqualTo(count.get() == 1 ? 0 : 3 + count.get());
            return null;
        });
        GenerateOptions how = GenerateOptions.greedy(3).withHooks(counting);
        MODEL.generate(PROMPT, how);
        MODEL.generate(PROMPT, how);
        assertThat(steps).containsExactly(1, 2, 3, 1, 2, 3);
    }
}
