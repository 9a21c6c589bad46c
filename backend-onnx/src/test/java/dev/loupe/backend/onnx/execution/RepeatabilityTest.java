package dev.loupe.backend.onnx.execution;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.onnx.OnnxBackendProvider;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same run again: later, after others, with other threads, in many threads at once. */
class RepeatabilityTest {

    private static final String PROMPT = "When Mary and John went to the store, John gave a drink to";
    private static final long SEED = 20;

    private static Backend open(int threads) {
        return new OnnxBackendProvider().open(BackendOptions.DEFAULT.withThreads(threads));
    }

    private static HookedTransformer load(String name, Backend backend) {
        return HookedTransformer.fromPretrained(name, LoadOptions.defaults(), backend);
    }

    /** Hook points drawn at random; a prompt's logits with these observed. */
    private static HookFilter draw(HookedTransformer model, Random random) {
        List<String> names = new ArrayList<>();
        for (HookPoint point : model.hookNames().points()) {
            if (!point.optional() && random.nextInt(8) == 0) {
                names.add(point.name());
            }
        }
        return HookFilter.names(names);
    }

    private static float[] logits(HookedTransformer model, Tokens tokens, HookFilter observed, Hook... hooks) {
        try (RunResult result =
                model.run(RunRequest.of(tokens).observe(observed).hooks(hooks).build())) {
            return result.logits().toFloatArray();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void aRunGivesTheSameBitsWhateverIsObservedAndWhateverRanBefore(String name) {
        try (Backend backend = open(2);
                HookedTransformer model = load(name, backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            float[] first = logits(model, tokens, HookFilter.none());
            Random random = new Random(SEED);
            for (int i = 0; i < 20; i++) {
                HookFilter observed = draw(model, random);
                assertThat(logits(model, tokens, observed))
                        .as("seed %d, draw %d, with %s observed", SEED, i, observed)
                        .containsExactly(first);
                logits(model, tokens, observed, Hook.at("resid_pre", i % 4, (act, point) -> act.mul(1.5)));
            }
            assertThat(logits(model, tokens, HookFilter.none())).containsExactly(first);
        }
    }

    @Test
    void aRunWithEditsGivesTheSameBitsAgain() {
        try (Backend backend = open(2);
                HookedTransformer model = load("toy-llama", backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            for (HookPoint point : model.hookNames().points()) {
                Hook edit = Hook.at(point.name(), (act, where) -> act.mul(1.25));
                float[] first = logits(model, tokens, HookFilter.none(), edit);
                assertThat(logits(model, tokens, HookFilter.none(), edit))
                        .as("edited at " + point)
                        .containsExactly(first);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"toy-gpt2", "toy-llama", "toy-mistral"})
    void oneThreadAndTwoGiveTheSame(String name) {
        try (Backend one = open(1);
                Backend two = open(2);
                HookedTransformer alone = load(name, one);
                HookedTransformer together = load(name, two);
                CachedRun expected = alone.runWithCache(PROMPT);
                CachedRun found = together.runWithCache(PROMPT)) {
            assertThat(found.logits().maxAbsDifference(expected.logits())).isLessThan(1e-5);
            expected.cache()
                    .items()
                    .forEach((point, value) -> assertThat(
                                    found.cache().get(point).maxAbsDifference(value))
                            .as(point)
                            .isLessThan(1e-5));
        }
    }

    @Test
    void eightThreadsWithDifferentHooksGiveWhatOneGives() throws Exception {
        try (Backend backend = open(1);
                HookedTransformer model = load("toy-gpt2", backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            List<Callable<float[]>> jobs = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                int job = i;
                jobs.add(() -> {
                    float[] last = new float[0];
                    for (int round = 0; round < 10; round++) {
                        try (Tensor logits = model.runWithHooks(
                                tokens,
                                Hook.at("resid_post", job % 4, (act, point) -> act.mul(0.5 + job)),
                                Hook.at("pattern", job / 2, (act, point) -> act.softmax(-1)))) {
                            last = logits.toFloatArray();
                        }
                    }
                    return last;
                });
            }
            assertSameTogether(jobs);
        }
    }

    // Each thread asks for more kinds of outputs than are kept, so that they are dropped while others use them.
    @Test
    void whatIsDroppedWhileItRunsRunsToItsEnd() throws Exception {
        try (Backend backend = open(1);
                HookedTransformer model = load("toy-gpt2", backend)) {
            Tokens tokens = model.toTokens(PROMPT);
            List<Callable<float[]>> jobs = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                int job = i;
                jobs.add(() -> {
                    Random random = new Random(SEED + job / 4);
                    float[] last = new float[0];
                    for (int round = 0; round < OnnxGraph.SCHEDULES_KEPT + 20; round++) {
                        last = logits(model, tokens, draw(model, random));
                    }
                    return last;
                });
            }
            assertSameTogether(jobs);
            int sessions = ((OnnxBackend) backend).sessions().size();
            assertThat(sessions)
                    .as("sessions after %d kinds of runs", 2 * OnnxGraph.SCHEDULES_KEPT + 40)
                    .isLessThan(100);
        }
    }

    private static void assertSameTogether(List<Callable<float[]>> jobs) throws Exception {
        List<float[]> alone = new ArrayList<>();
        for (Callable<float[]> job : jobs) {
            alone.add(job.call());
        }
        ExecutorService pool = Executors.newFixedThreadPool(jobs.size());
        try {
            List<Future<float[]>> together = pool.invokeAll(jobs);
            for (int i = 0; i < jobs.size(); i++) {
                assertThat(together.get(i).get()).as("job " + i).containsExactly(alone.get(i));
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void closingAModelClosesItsSessions() {
        try (Backend backend = open(1)) {
            try (HookedTransformer model = load("toy-gpt2", backend)) {
                logits(model, model.toTokens(PROMPT), HookFilter.standard());
                assertThat(((OnnxBackend) backend).sessions().size()).isPositive();
            }
            assertThat(((OnnxBackend) backend).sessions().size()).isZero();
        }
    }
}
