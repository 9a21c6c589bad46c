package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.CachedRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a run gives belongs to its caller: neither the run nor whoever gave a value closes it, nor the other way round. */
class HandedOutTensorsTest {

    private static final Tokens CLEAN = Tokens.of(new long[] {4, 5, 6});
    private static final Tokens OTHER = Tokens.of(new long[] {1, 2, 3});

    private static HookedTransformer model;

    @BeforeAll
    static void load() {
        model = HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.noProcessing().withBackend("reference"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hook_embed",
                "blocks.0.attn.hook_pattern",
                "blocks.1.hook_attn_out",
                "blocks.3.hook_resid_post",
                "unembed.hook_out"
            })
    void aPointThatIsSetAndObservedIsOpenAndLeavesWhatItWasSetToOpen(String point) {
        try (CachedRun clean = model.runWithCache(CLEAN, HookFilter.names(point))) {
            Tensor value = clean.cache().get(point);
            double[] expected = value.toDoubleArray();
            for (Edit edit : List.of(
                    Intervention.set(point, value),
                    Intervention.patch(point, clean.cache()),
                    Hook.at(point, (activation, at) -> value))) {
                try (RunResult run = model.run(
                        RunRequest.of(OTHER).observe(point).hooks(edit).build())) {
                    assertThat(run.cache().get(point).toDoubleArray())
                            .as("observed after %s", edit)
                            .containsExactly(expected);
                    assertThat(run.logits().isClosed()).isFalse();
                }
                try (Tensor logits = model.runWithHooks(OTHER, edit)) {
                    assertThat(logits.toDoubleArray())
                            .hasSize(3 * model.config().dVocab());
                }
                assertThat(value.isClosed()).as("the value of %s", edit).isFalse();
            }
        }
    }

    @Test
    void theResidualStreamThatARunStartsFromIsTheCallers() {
        String point = "blocks.1.hook_resid_pre";
        try (RunResult first = model.run(RunRequest.of(OTHER).stopAtLayer(1).build())) {
            Tensor residual = first.residual();
            try (RunResult second = model.run(RunRequest.of(OTHER)
                    .startAtLayer(1, residual)
                    .observe(point)
                    .build())) {
                assertThat(second.cache().get(point).toDoubleArray()).containsExactly(residual.toDoubleArray());
            }
            assertThat(residual.isClosed()).isFalse();
        }
    }
}
