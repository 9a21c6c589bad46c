package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.loupe.array.DType;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class HooksTest {

    private static final HookedTransformer MODEL = TinyModels.gpt2();
    private static final Tokens TOKENS = TinyModels.tokens();
    private static final String MID = "blocks.1.hook_resid_mid";

    @AfterAll
    static void close() {
        MODEL.close();
    }

    @BeforeEach
    void reset() {
        MODEL.resetHooks(true);
    }

    @Test
    void hooksAtOnePointRunInTheOrderGiven() {
        List<String> order = new ArrayList<>();
        MODEL.runWithHooks(
                TOKENS,
                Hook.at(MID, (act, point) -> {
                    order.add("first");
                    return act.add(1);
                }),
                Hook.at(MID, (act, point) -> {
                    order.add("second");
                    return null;
                }));
        assertThat(order).containsExactly("first", "second");
    }

    @Test
    void theSecondHookSeesWhatTheFirstReturned() {
        List<Tensor> seen = new ArrayList<>();
        MODEL.runWithHooks(
                TOKENS,
                Hook.at(MID, (act, point) -> {
                    seen.add(act);
                    return act.mul(3);
                }),
                Hook.at(MID, (act, point) -> {
                    seen.add(act);
                    return null;
                }));
        assertThat(seen.get(1).maxAbsDifference(seen.get(0).mul(3))).isZero();
    }

    @Test
    void hooksFireInTheOrderOfThePoints() {
        List<String> fired = new ArrayList<>();
        MODEL.runWithHooks(TOKENS, Hook.at(HookFilter.everything(), (act, point) -> {
            fired.add(point.name());
            return null;
        }));
        assertThat(fired)
                .containsExactlyElementsOf(MODEL.hookNames().points().stream()
                        .map(point -> point.name())
                        .toList());
    }

    @Test
    void returningNullKeepsTheActivation() {
        Tensor plain = MODEL.forward(TOKENS);
        Tensor hooked = MODEL.runWithHooks(TOKENS, Hook.at(MID, (act, point) -> null));
        assertThat(hooked.maxAbsDifference(plain)).isZero();
    }

    @Test
    void anEditAtEveryPointChangesTheLogits() {
        Tensor plain = MODEL.forward(TOKENS);
        MODEL.hookNames().points().forEach(point -> {
            Tensor edited = MODEL.runWithHooks(TOKENS, Hook.at(point.name(), (act, p) -> act.mul(1.5)));
            assertThat(edited.maxAbsDifference(plain)).as(point.name()).isGreaterThan(1e-7);
        });
    }

    @Test
    void theCacheRecordsTheValueAfterAllHooks() {
        RunResult run = MODEL.run(RunRequest.of(TOKENS)
                .observe(MID)
                .hooks(Hook.at(MID, (act, point) -> act.mul(0)), Hook.at(MID, (act, point) -> act.add(2)))
                .build());
        assertThat(run.cache().get(MID).toDoubleArray()).containsOnly(2.0);
    }

    @Test
    void anEditAtAnOptionalPointFlowsOn() {
        CachedRun plain = MODEL.runWithCache(TOKENS, HookFilter.names("result1", "attn_out1"));
        RunResult edited = MODEL.run(RunRequest.of(TOKENS)
                .observe("result1", "attn_out1")
                .hooks(Hook.at("result", 1, (act, point) -> act.mul(2)))
                .build());
        Tensor bias = MODEL.b_O().select(0, 1);
        Tensor expected = plain.cache().get("attn_out", 1).sub(bias).mul(2).add(bias);
        assertThat(edited.cache().get("attn_out", 1).maxAbsDifference(expected)).isLessThan(1e-12);
    }

    @Test
    void editingTheQueryInputOfAHeadChangesItsPatternAlone() {
        Tensor plain = MODEL.runWithCache(TOKENS).cache().get("pattern", 1);
        RunResult edited = MODEL.run(RunRequest.of(TOKENS)
                .observe("pattern1")
                .hooks(Hook.at(
                        "q_input",
                        1,
                        (act, point) -> act.with(
                                dev.loupe.array.Index.at(dev.loupe.array.Index.all(), dev.loupe.array.Index.all(), 2),
                                act.factory().randn(5, act.size(-1)).to(DType.FLOAT64))))
                .build());
        Tensor pattern = edited.cache().get("pattern", 1);
        assertThat(pattern.slice(1, 0, 2).maxAbsDifference(plain.slice(1, 0, 2)))
                .isLessThan(1e-12);
        assertThat(pattern.slice(1, 2, 3).maxAbsDifference(plain.slice(1, 2, 3)))
                .isGreaterThan(1e-7);
    }

    @Test
    void editsThatBypassEachOtherAreRefused() {
        assertThatThrownBy(() -> MODEL.runWithHooks(
                        TOKENS,
                        Hook.at("q_input", 1, (act, point) -> act),
                        Hook.at("blocks.1.ln1.hook_normalized", (act, point) -> act.mul(2))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("blocks.1.hook_q_input")
                .hasMessageContaining("blocks.1.ln1.hook_normalized");
    }

    @Test
    void aRemovedHookDoesNotRunAnyMore() {
        Tensor plain = MODEL.forward(TOKENS);
        HookHandle handle = MODEL.addHook(Hook.at(MID, (act, point) -> act.mul(2)));
        assertThat(MODEL.forward(TOKENS).maxAbsDifference(plain)).isGreaterThan(1e-7);
        MODEL.removeHook(handle);
        handle.close();
        assertThat(MODEL.forward(TOKENS).maxAbsDifference(plain)).isZero();
    }

    @Test
    void permanentHooksSurviveAResetAndRunFirst() {
        List<String> order = new ArrayList<>();
        MODEL.addHook(recorder("added", order));
        MODEL.addPermanentHook(recorder("permanent", order));
        MODEL.addHook(recorder("permanent, prepended", order), true, true);
        MODEL.runWithHooks(TOKENS, recorder("own", order));
        assertThat(order).containsExactly("permanent, prepended", "permanent", "added", "own");
        order.clear();
        MODEL.resetHooks();
        MODEL.forward(TOKENS);
        assertThat(order).containsExactly("permanent, prepended", "permanent");
        order.clear();
        MODEL.resetHooks(true);
        MODEL.forward(TOKENS);
        assertThat(order).isEmpty();
    }

    private static Hook recorder(String name, List<String> order) {
        return Hook.at(MID, (act, point) -> {
            order.add(name);
            return null;
        });
    }

    @Test
    void scopedHooksAreGoneAfterTheBlockEvenIfItThrows() {
        Tensor plain = MODEL.forward(TOKENS);
        Throwable thrown = catchThrowable(() -> {
            try (HookHandle scope = MODEL.hooks(Hook.at(MID, (act, point) -> act.mul(2)))) {
                assertThat(MODEL.forward(TOKENS).maxAbsDifference(plain)).isGreaterThan(1e-7);
                throw new IllegalStateException("out of here");
            }
        });
        assertThat(thrown).hasMessage("out of here");
        assertThat(MODEL.forward(TOKENS).maxAbsDifference(plain)).isZero();
    }

    @Test
    void whatAHookThrowsReachesTheCallerAndSaysWhere() {
        IllegalStateException mine = new IllegalStateException("mine");
        Throwable thrown = catchThrowable(() -> MODEL.runWithHooks(TOKENS, Hook.at(MID, (act, point) -> {
            throw mine;
        })));
        assertThat(thrown).isSameAs(mine);
        assertThat(thrown.getSuppressed()[0]).hasMessageContaining(MID);
        assertThat(MODEL.forward(TOKENS).elements()).isPositive();
    }

    @Test
    void aWrongShapeOrTypeIsRefusedWithBothNamed() {
        assertThatThrownBy(() -> MODEL.runWithHooks(TOKENS, Hook.at(MID, (act, point) -> act.slice(1, 0, 2))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(MID)
                .hasMessageContaining("[2, 2, 24]")
                .hasMessageContaining("[2, 6, 24]");
        assertThatThrownBy(() -> MODEL.runWithHooks(TOKENS, Hook.at(MID, (act, point) -> act.to(DType.FLOAT32))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("float32")
                .hasMessageContaining("float64");
    }

    @Test
    void unknownNamesListTheNearestOnes() {
        assertThatThrownBy(() -> MODEL.runWithHooks(TOKENS, Hook.at("blocks.1.hook_resid_mud", (a, p) -> null)))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("blocks.1.hook_resid_mid");
        assertThatThrownBy(() -> MODEL.runWithCache(TOKENS, HookFilter.glob("blocks.7.*")))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("3 layers");
        assertThatThrownBy(() -> MODEL.addHook(Hook.at("hook_patern", (a, p) -> null)))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("hook_patern");
        assertThatThrownBy(() -> MODEL.addHook(Hook.at("hook_patern", (a, p) -> null), true, false))
                .isInstanceOf(UnknownHookException.class);
    }

    @Test
    void aHookThatCouldNotFireIsRefused() {
        RunRequest request = RunRequest.of(TOKENS)
                .stopAtLayer(1)
                .hooks(Hook.at("resid_post", 2, (act, point) -> null))
                .build();
        assertThatThrownBy(() -> MODEL.run(request))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("blocks.2.hook_resid_post")
                .hasMessageContaining("could not fire");
    }

    @Test
    void hooksOnTheModelThatLieBeyondTheStopAreLeftOut() {
        List<String> order = new ArrayList<>();
        MODEL.addHook(Hook.at("resid_post", 2, (act, point) -> {
            order.add("fired");
            return null;
        }));
        MODEL.run(RunRequest.of(TOKENS).stopAtLayer(1).build());
        assertThat(order).isEmpty();
    }

    @Test
    void hooksFireWhenNothingIsReturned() {
        List<String> order = new ArrayList<>();
        MODEL.run(RunRequest.of(TOKENS)
                .returns(Returns.NONE)
                .hooks(recorder("fired", order))
                .build());
        assertThat(order).containsExactly("fired");
    }

    @Test
    void eightThreadsWithDifferentHooksGetWhatOneThreadGets() throws Exception {
        int tasks = 8;
        List<Tensor> alone = new ArrayList<>();
        for (int i = 0; i < tasks; i++) {
            alone.add(run(i));
        }
        ExecutorService pool = Executors.newFixedThreadPool(tasks);
        try {
            for (int round = 0; round < 5; round++) {
                List<Callable<Tensor>> calls = new ArrayList<>();
                for (int i = 0; i < tasks; i++) {
                    int number = i;
                    calls.add(() -> run(number));
                }
                List<Future<Tensor>> results = pool.invokeAll(calls);
                for (int i = 0; i < tasks; i++) {
                    assertThat(results.get(i).get().maxAbsDifference(alone.get(i)))
                            .isZero();
                }
            }
        } finally {
            pool.shutdown();
        }
    }

    private static Tensor run(int number) {
        String name = MODEL.hookNames().points().get(number * 7).name();
        return MODEL.runWithHooks(TOKENS, Hook.at(name, (act, point) -> act.mul(1 + number)));
    }

    @Test
    void stateThatAHookKeepsIsItsRunsOwnAndSharedByItsHooks() {
        List<Integer> seen = new ArrayList<>();
        Hook writing = Hook.withContext("resid_pre", 0, (activation, point, context) -> {
            context.state("seen", List.class, ArrayList::new);
            context.state("count", AtomicInteger.class, AtomicInteger::new).addAndGet(5);
            return null;
        });
        Hook reading = Hook.withContext("resid_post", 2, (activation, point, context) -> {
            seen.add(context.state("count", AtomicInteger.class, AtomicInteger::new)
                    .incrementAndGet());
            assertThat(context.batch()).isEqualTo(TOKENS.batch());
            assertThat(context.isReal(0, 0)).isTrue();
            return null;
        });
        MODEL.runWithHooks(TOKENS, writing, reading);
        MODEL.runWithHooks(TOKENS, writing, reading);
        MODEL.runWithHooks(TOKENS, reading);
        assertThat(seen).containsExactly(6, 6, 1);
        Hook mistaken = Hook.withContext("resid_post", 1, (activation, point, context) -> {
            context.state("count", String.class, () -> "");
            return null;
        });
        assertThatThrownBy(() -> MODEL.runWithHooks(TOKENS, writing, mistaken))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("'count'", "AtomicInteger", "String");
    }
}
