package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.DType;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Prompts so long that attention goes another way than for short ones, unless somebody looks at its inside. */
class LongSequencesTest {

    private static final int LONG = 301; // no multiple of the number of blocks

    private static double[] logits(HookedTransformer model, RunRequest.Builder request) {
        try (RunResult result = model.run(request.build())) {
            return result.logits().toHost().toDoubleArray();
        }
    }

    private static void assertAgree(double[] found, double[] expected, double tolerance) {
        assertThat(found).hasSameSizeAs(expected);
        double worst = 0;
        for (int i = 0; i < found.length; i++) {
            worst = Math.max(worst, Double.isFinite(found[i]) ? Math.abs(found[i] - expected[i]) : Double.NaN);
        }
        assertThat(worst).isCloseTo(0, within(tolerance));
    }

    @ParameterizedTest
    @EnumSource
    void longPromptsOfDifferentLengthsGiveWhatTheReferenceGives(Family family) {
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                HookedTransformer truth = family.model("reference", DType.FLOAT64)) {
            for (boolean left : new boolean[] {true, false}) {
                Tokens tokens = Tokens.pad(List.of(Family.ids(LONG), Family.ids(LONG - 40), Family.ids(3)), 0, left);
                assertAgree(
                        logits(model, RunRequest.of(tokens)), logits(truth, RunRequest.of(tokens)), Sweeps.TOLERANCE);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void lookingAtPatternsOrScoresChangesNothing(Family family) {
        Tokens tokens = Tokens.pad(List.of(Family.ids(LONG), Family.ids(LONG - 40)), 0, true);
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32)) {
            double[] plain = logits(model, RunRequest.of(tokens));
            assertAgree(logits(model, RunRequest.of(tokens).observe(HookFilter.glob("*hook_pattern"))), plain, 1e-5);
            assertAgree(
                    logits(model, RunRequest.of(tokens).observe(HookFilter.glob("*hook_attn_scores"))), plain, 1e-5);
            Hook same = Hook.at("blocks.1.attn.hook_pattern", (pattern, point) -> pattern.mul(1));
            assertAgree(logits(model, RunRequest.of(tokens).hooks(same)), plain, 1e-5);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aLongContinuationGivesWhatTheWholePromptGives(Family family) {
        Tokens tokens = Tokens.of(Family.ids(LONG));
        int past = 60;
        try (HookedTransformer model = family.model("onnx", DType.FLOAT32);
                KeyValueCache cache = model.newKeyValueCache(1)) {
            double[] whole = logits(model, RunRequest.of(tokens));
            model.run(RunRequest.of(Tokens.of(Family.ids(past)))
                            .keyValueCache(cache)
                            .build())
                    .close();
            long[] rest = Arrays.copyOfRange(tokens.row(0), past, LONG);
            double[] continued = logits(model, RunRequest.of(Tokens.of(rest)).keyValueCache(cache));
            double[] end = Arrays.copyOfRange(whole, whole.length - continued.length, whole.length);
            assertAgree(continued, end, 1e-5);
        }
    }
}
