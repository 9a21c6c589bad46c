package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.graph.GraphFunction;
import dev.loupe.hook.Hook;
import dev.loupe.model.CachedRun;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.Generation;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.ModelExtension;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** What closing a model ends and what it leaves; want of memory. Every backend's part in it is the kit's to test. */
final class ClosingTest {

    private static AbstractThrowableAssert<?, ? extends Throwable> assertSaysThatItWasClosed(ThrowingCallable run) {
        return assertThatThrownBy(run)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("The model 'tiny' was closed");
    }

    @Test
    void aHookMayCloseTheModelWhoseRunItIsPartOf() {
        HookedTransformer model = TinyModels.gpt2();
        Tensor plain = model.forward(TinyModels.tokens());
        Hook closing = Hook.at("resid_post", 0, (activation, point) -> {
            model.close();
            return null;
        });
        Tensor logits = model.runWithHooks(TinyModels.tokens(), closing);
        assertThat(logits.maxAbsDifference(plain)).isZero();
        assertSaysThatItWasClosed(() -> model.forward(TinyModels.tokens()));
        assertThat(logits.softmax(-1).sum(-1).sub(1).abs().max().item()).isLessThan(1e-12);
    }

    @Test
    void whateverReadsAClosedModelSaysSo() {
        HookedTransformer model = TinyModels.gpt2();
        CachedRun run = model.runWithCache(TinyModels.tokens());
        Generation generation = model.stream(TinyModels.tokens(), GenerateOptions.greedy(3));
        generation.next();
        Tensor queries = model.W_Q();
        model.close();
        model.close();
        assertSaysThatItWasClosed(() -> model.loss(TinyModels.tokens()));
        assertSaysThatItWasClosed(generation::next);
        assertSaysThatItWasClosed(() -> model.newKeyValueCache(1));
        assertSaysThatItWasClosed(model::W_Q).hasMessageContaining("blocks.0.attn.W_Q");
        assertSaysThatItWasClosed(model::W_E).hasMessageContaining("embed.W_E");
        assertThat(run.cache().get("pattern", 1).item(0, 0, 0, 0)).isEqualTo(1);
        assertThat(queries.size(0)).isEqualTo(3);
        assertThat(queries.abs().max().item()).isPositive();
    }

    @Test
    void aModelWithMoreInItsGraphDoesNotRunOnceTheOtherIsClosed() {
        HookedTransformer model = TinyModels.gpt2();
        HookedTransformer extended = model.with(new ModelExtension() {
            @Override
            public Map<String, GraphFunction> functions() {
                return Map.of("blocks.0.hook_resid_post", (activation, scope) -> activation.mul(0.5));
            }

            @Override
            public Map<String, HostTensor> weights() {
                return Map.of();
            }
        });
        extended.forward(TinyModels.tokens()).close();
        HookedTransformer other = extended.with();
        other.close();
        assertSaysThatItWasClosed(() -> other.forward(TinyModels.tokens()));
        extended.forward(TinyModels.tokens()).close();
        model.close();
        assertSaysThatItWasClosed(() -> extended.forward(TinyModels.tokens()));
        extended.close();
    }

    @Test
    void wantOfJavasMemoryInARunIsSaidWithAdviceAndNothingIsLost() {
        List<String> calls = new ArrayList<>();
        try (Backend real = Backends.open("reference", BackendOptions.DEFAULT)) {
            Backend full = OnTopOf.backend(real, (method, arguments) -> {
                if (method.equals("prepare") && calls.isEmpty()) {
                    calls.add(method);
                    throw new OutOfMemoryError("Java heap space");
                }
            });
            try (HookedTransformer model = HookedTransformer.fromConfig(
                    Architectures.byId("gpt2"), TinyModels.gpt2Config(), 1, LoadOptions.defaults(), full)) {
                assertThatThrownBy(() -> model.forward(TinyModels.tokens()))
                        .isInstanceOf(OutOfTensorMemoryException.class)
                        .hasMessageContainingAll("a run of 'tiny'", "'reference' on cpu", "Java heap space", "-Xmx");
                assertThat(model.forward(TinyModels.tokens()).isNaN().any()).isFalse();
                Hook greedy = Hook.at("resid_post", 0, (activation, point) -> {
                    throw new OutOfMemoryError("the hook's own");
                });
                assertThatThrownBy(() -> model.runWithHooks(TinyModels.tokens(), greedy))
                        .isInstanceOf(OutOfMemoryError.class)
                        .hasMessage("the hook's own");
            }
        }
    }

    @Test
    void wantOfJavasMemoryWhileAModelIsLoadedIsSaidWithAdvice() {
        try (Backend real = Backends.open("reference", BackendOptions.DEFAULT)) {
            Backend full = OnTopOf.backend(real, (method, arguments) -> {
                if (method.equals("upload")) {
                    throw new OutOfMemoryError("Direct buffer memory");
                }
            });
            assertThatThrownBy(() -> HookedTransformer.fromConfig(
                            Architectures.byId("gpt2"), TinyModels.gpt2Config(), 1, LoadOptions.defaults(), full))
                    .isInstanceOf(OutOfTensorMemoryException.class)
                    .hasMessageContainingAll(
                            "'tiny' was loaded",
                            "'reference' on cpu",
                            "Direct buffer memory",
                            "-XX:MaxDirectMemorySize");
        }
    }

    @Test
    void aWeightForWhichABackendHasNoRoomIsSaidWithTheModelItBelongsTo() {
        try (Backend real = Backends.open("reference", BackendOptions.DEFAULT)) {
            Backend full = OnTopOf.backend(real, (method, arguments) -> {
                if (method.equals("upload")) {
                    throw new OutOfTensorMemoryException("No room for a tensor float32 [7]");
                }
            });
            assertThatThrownBy(() -> HookedTransformer.fromConfig(
                            Architectures.byId("gpt2"), TinyModels.gpt2Config(), 1, LoadOptions.defaults(), full))
                    .isInstanceOf(OutOfTensorMemoryException.class)
                    .hasMessageContainingAll(
                            "'tiny' was loaded", "'reference' on cpu", "dtype", "No room for a tensor float32 [7]");
        }
    }
}
