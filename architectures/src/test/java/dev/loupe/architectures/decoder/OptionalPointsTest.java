package dev.loupe.architectures.decoder;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.architectures.support.Models;
import dev.loupe.array.DType;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.Hook;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Points off the plain run's way: what is edited there flows on as if they had always been on it. */
class OptionalPointsTest {

    private static final List<String> POINTS =
            List.of("hook_attn_in", "hook_q_input", "hook_k_input", "hook_v_input", "attn.hook_result", "hook_mlp_in");
    private static final Tokens TOKENS = Tokens.of(Models.ids(9, 113, 20265));
    private static final LoadOptions EXACT = LoadOptions.noProcessing().withDType(DType.FLOAT64);

    private static HookedTransformer load(String fixture) {
        return Models.load(Fixtures.directory(fixture), EXACT);
    }

    private static void assertEqual(Tensor found, Tensor expected) {
        assertThat(found.toHost().toDoubleArray())
                .containsExactly(expected.toHost().toDoubleArray(), within(1e-9));
    }

    private static Stream<Arguments> fixturesAndPoints() {
        return Fixtures.names().stream().flatMap(fixture -> POINTS.stream().map(point -> Arguments.of(fixture, point)));
    }

    @ParameterizedTest
    @MethodSource("fixturesAndPoints")
    void anEditThatChangesNothingChangesNothing(String fixture, String point) {
        try (HookedTransformer model = load(fixture)) {
            Tensor edited = model.runWithHooks(TOKENS, Hook.at("blocks.1." + point, (act, p) -> act.mul(1)));
            assertEqual(edited, model.forward(TOKENS));
        }
    }

    @ParameterizedTest
    @MethodSource("fixturesAndPoints")
    void anEditReachesTheLogits(String fixture, String point) {
        try (HookedTransformer model = load(fixture)) {
            // A norm forgets the scale of what it reads, so that something is added.
            Hook hook = Hook.at("blocks.1." + point, (act, p) -> act.with(at(all(), 4, act.size(2) - 1), 0.7));
            Hook mlp = Hook.at("blocks.1." + point, (act, p) -> act.with(at(all(), 4), 0.7));
            Tensor edited = model.runWithHooks(TOKENS, point.equals("hook_mlp_in") ? mlp : hook);
            double[] before = model.forward(TOKENS).toHost().toDoubleArray();
            double[] after = edited.toHost().toDoubleArray();
            int vocabulary = model.config().dVocab();
            double earlier = 0;
            double later = 0;
            for (int i = 0; i < before.length; i++) {
                double change = Math.abs(before[i] - after[i]);
                earlier = Math.max(earlier, i / vocabulary < 4 ? change : 0);
                later = Math.max(later, i / vocabulary >= 4 ? change : 0);
            }
            assertThat(earlier).isLessThan(1e-12);
            assertThat(later).isGreaterThan(1e-3);
        }
    }

    @Test
    void anEditedInputOfOneHeadChangesThatHeadsQueriesAlone() {
        try (HookedTransformer model = load(Fixtures.GPT2)) {
            RunRequest observed = RunRequest.of(TOKENS)
                    .observe("blocks.1.attn.hook_q", "blocks.1.attn.hook_k")
                    .build();
            RunRequest edited = RunRequest.of(TOKENS)
                    .observe("blocks.1.attn.hook_q", "blocks.1.attn.hook_k")
                    .hooks(Hook.at("blocks.1.hook_q_input", (act, p) -> act.with(at(all(), all(), 2), 0.0)))
                    .build();
            RunResult before = model.run(observed);
            RunResult after = model.run(edited);
            assertEqual(after.cache().get("k", 1), before.cache().get("k", 1));
            for (int head = 0; head < 2; head++) {
                assertEqual(
                        after.cache().get("q", 1).get(at(all(), all(), head)),
                        before.cache().get("q", 1).get(at(all(), all(), head)));
            }
            // A norm of zeros leaves its bias: what head 2 makes of that, plus its own bias.
            Tensor normBias = model.weight("blocks.1.ln1.b");
            Tensor expected = normBias.unsqueeze(0)
                    .matmul(model.W_Q().get(at(1, 2)))
                    .add(model.b_Q().get(at(1, 2)));
            for (int position = 0; position < TOKENS.positions(); position++) {
                assertEqual(after.cache().get("q", 1).get(at(0, position, 2)).unsqueeze(0), expected);
            }
        }
    }

    @Test
    void editingTheCommonInputIsEditingAllThree() {
        try (HookedTransformer model = load(Fixtures.GPT2)) {
            Tensor common = model.runWithHooks(
                    TOKENS, Hook.at("blocks.0.hook_attn_in", (act, p) -> act.with(at(all(), 3, 0), 0.5)));
            Tensor each = model.runWithHooks(
                    TOKENS,
                    Stream.of("hook_q_input", "hook_k_input", "hook_v_input")
                            .map(name -> Hook.at("blocks.0." + name, (act, p) -> act.with(at(all(), 3, 0), 0.5)))
                            .toArray(Hook[]::new));
            assertEqual(common, each);
        }
    }

    @Test
    void aSharedKeyReadsTheMeanOfWhatItsGroupReads() {
        try (HookedTransformer model = load(Fixtures.LLAMA)) {
            // Heads 0 and 1 share key/value head 0.
            RunResult result = model.run(RunRequest.of(TOKENS)
                    .observe("blocks.0.hook_resid_pre", "blocks.0.hook_k_input")
                    .hooks(Hook.at("blocks.0.hook_attn_in", (act, p) -> act.with(at(all(), all(), 1), 0.0)))
                    .build());
            Tensor residual = result.cache().get("resid_pre", 0);
            Tensor inputs = result.cache().get("blocks.0.hook_k_input");
            assertEqual(inputs.get(at(all(), all(), 0)), residual.mul(0.5));
            assertEqual(inputs.get(at(all(), all(), 1)), residual);
        }
    }

    @ParameterizedTest
    @MethodSource("dev.loupe.fixtures.Fixtures#names")
    void attentionsOutputIsTheSumOfTheEditedResultsAndTheBias(String fixture) {
        try (HookedTransformer model = load(fixture)) {
            RunResult result = model.run(RunRequest.of(TOKENS)
                    .observe("blocks.2.attn.hook_result", "blocks.2.hook_attn_out")
                    .hooks(Hook.at("blocks.2.attn.hook_result", (act, p) -> act.with(at(all(), all(), 0), 0.25)))
                    .build());
            Tensor results = result.cache().get("result", 2);
            assertThat(results.get(at(0, 3, 0, 5)).item()).isEqualTo(0.25);
            Tensor sum = results.sum(2).add(model.b_O().get(at(2)));
            if (model.config().block(2).norms().after()) {
                Tensor scale =
                        sum.square().mean(-1).add(model.config().eps()).sqrt().unsqueeze(-1);
                sum = sum.div(scale).mul(model.weight("blocks.2.ln1_post.w"));
            }
            assertEqual(result.cache().get("attn_out", 2), sum);
        }
    }

    @ParameterizedTest
    @MethodSource("dev.loupe.fixtures.Fixtures#names")
    void aZeroedResultIsAZeroedHead(String fixture) {
        try (HookedTransformer model = load(fixture)) {
            Tensor byResult = model.runWithHooks(
                    TOKENS, Hook.at("blocks.1.attn.hook_result", (act, p) -> act.with(at(all(), all(), 1), 0.0)));
            Tensor byValue = model.runWithHooks(
                    TOKENS, Hook.at("blocks.1.attn.hook_z", (act, p) -> act.with(at(all(), all(), 1), 0.0)));
            assertEqual(byResult, byValue);
        }
    }
}
