package dev.loupe.behaviour;

import static dev.loupe.array.Index.all;
import static dev.loupe.array.Index.at;
import static dev.loupe.array.Index.pick;
import static dev.loupe.array.Index.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.graph.Axis;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.Edit;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each intervention does what the hook that says the same does. */
final class InterventionsTest {

    private static final HookedTransformer MODEL = TinyModels.gpt2();
    private static final Tokens TOKENS = TinyModels.tokens();
    private static final Tokens PADDED =
            Tokens.pad(List.of(TOKENS.realTokens(0), java.util.Arrays.copyOf(TOKENS.realTokens(1), 4)), 0, false);

    private static final Tokens OTHER = Tokens.of(new long[] {9, 9, 1, 0, 30, 2}, new long[] {5, 6, 7, 8, 9, 10});

    @AfterAll
    static void close() {
        MODEL.close();
    }

    @AfterEach
    void reset() {
        MODEL.resetHooks(true);
    }

    private static void same(Tokens tokens, Intervention intervention, String point, UnaryOperator<Tensor> change) {
        RunResult found = run(tokens, intervention);
        RunResult expected = run(tokens, Hook.at(point, (act, where) -> change.apply(act)));
        assertThat(found.logits().maxAbsDifference(expected.logits())).isLessThan(1e-5);
        Tensor plain = run(tokens).logits();
        assertThat(found.logits().maxAbsDifference(plain)).as("effect").isGreaterThan(1e-4);
        found.cache()
                .items()
                .forEach((name, value) -> assertThat(
                                value.maxAbsDifference(expected.cache().get(name)))
                        .as(name)
                        .isLessThan(1e-5));
    }

    private static RunResult run(Tokens tokens, Edit... edits) {
        return MODEL.run(RunRequest.of(tokens)
                .hooks(edits)
                .observe(HookFilter.standard())
                .build());
    }

    private static Tensor random(long... shape) {
        return MODEL.tensors().randn(5, shape).to(MODEL.dtype());
    }

    @Test
    void zeroSetAddAndScale() {
        same(TOKENS, Intervention.zero("z", 1).heads(0), "z1", z -> z.with(at(all(), all(), 0), 0));
        same(
                TOKENS,
                Intervention.set("resid_post0", 0.5),
                "resid_post0",
                x -> x.mul(0).add(0.5));
        Tensor vector = random(MODEL.config().dModel());
        same(TOKENS, Intervention.add("resid_post", 1, vector), "resid_post1", x -> x.add(vector));
        same(
                TOKENS,
                Intervention.add("resid_post", 1, vector).positions(-1),
                "resid_post1",
                x -> x.with(at(all(), -1), x.get(all(), -1).add(vector)));
        same(TOKENS, Intervention.scale("mlp_out", 0, -2), "mlp_out0", x -> x.mul(-2));
        same(
                TOKENS,
                Intervention.scale("pattern", 1, 0.3).heads(0, 2),
                "pattern1",
                x -> x.with(at(all(), pick(0, 2)), x.get(all(), pick(0, 2)).mul(0.3)));
    }

    @Test
    void aValueOfManyNumbersIsShownInPartWhereItDoesNotFit() {
        Intervention wrong = Intervention.add("resid_pre1", random(100)).positions(99);
        assertThat(wrong.toString().length()).isGreaterThan(300);
        assertThatThrownBy(() -> MODEL.runWith(TOKENS, wrong))
                .hasMessageContainingAll("resid_pre1[pos=99] += float64", "…'", "there is no place 99")
                .message()
                .hasSizeLessThan(500);
    }

    @Test
    void theLastRealPositionIsEachRowsOwn() {
        Tensor vector = random(MODEL.config().dModel());
        same(
                PADDED,
                Intervention.add("resid_pre1", vector).lastReal(),
                "resid_pre1",
                x -> x.with(
                                at(0, PADDED.lastReal(0)),
                                x.get(0, PADDED.lastReal(0)).add(vector))
                        .with(at(1, 3), x.get(1, 3).add(vector)));
        same(
                PADDED,
                Intervention.add("resid_pre1", vector).positionOfEachRow(1, 2),
                "resid_pre1",
                x -> x.with(at(0, 1), x.get(0, 1).add(vector))
                        .with(at(1, 2), x.get(1, 2).add(vector)));
    }

    @Test
    void valuesBroadcastToTheSelection() {
        int heads = MODEL.config().nHeads();
        int width = MODEL.config().dHead();
        Tensor two = random(2, 1, width);
        same(
                TOKENS,
                Intervention.set("z0", two).positions(1, 3),
                "z0",
                x -> x.with(at(all(), pick(1, 3)), two.unsqueeze(0).expand(TOKENS.batch(), 2, heads, width)));
        // Parts of a value come in the order in which their places are named.
        same(
                TOKENS,
                Intervention.set("z0", two).positions(3, -5),
                "z0",
                x -> x.with(at(all(), pick(3, 1)), two.unsqueeze(0).expand(TOKENS.batch(), 2, heads, width)));
        Tensor perPosition = random(TOKENS.positions(), width);
        same(TOKENS, Intervention.set("z0", perPosition).heads(1), "z0", x -> x.with(at(all(), all(), 1), perPosition));
        same(
                TOKENS,
                Intervention.set("post0", 3).indices(2, -1).rows(1),
                "post0",
                x -> x.with(at(1, all(), pick(2, x.size(2) - 1)), 3));
    }

    @Test
    void meansLeaveOutPadding() {
        same(
                TOKENS,
                Intervention.mean("mlp_out1", Axis.POS),
                "mlp_out1",
                x -> x.mean(1).unsqueeze(1).expand(x.shape().toArray()));
        same(
                TOKENS,
                Intervention.mean("z1", Axis.BATCH, Axis.HEAD).positions(2),
                "z1",
                x -> x.with(
                        at(all(), range(2, 3)),
                        x.mean(0, 2)
                                .unsqueeze(0)
                                .unsqueeze(2)
                                .expand(x.shape().toArray())
                                .get(all(), range(2, 3))));
        same(
                PADDED,
                Intervention.mean("mlp_out1", Axis.POS).rows(1),
                "mlp_out1",
                x -> x.with(at(1), x.get(1, range(0, 4)).mean(0).unsqueeze(0).expand(x.size(1), x.size(2))));
    }

    @Test
    void patchesComeFromACacheOrItsFile(@TempDir Path folder) {
        ActivationCache other = MODEL.runWithCache(OTHER).cache();
        same(
                TOKENS,
                Intervention.patch("resid_mid", 1, other).positions(2),
                "resid_mid1",
                x -> x.with(at(all(), 2), other.get("resid_mid", 1).get(all(), 2)));
        Path file = folder.resolve("other run.safetensors");
        other.save(file);
        same(
                TOKENS,
                Intervention.parse("z 1[head=2] = patch(" + dev.loupe.array.Json.quote(file.toString()) + ")"),
                "z1",
                x -> x.with(at(all(), all(), 2), other.get("z", 1).get(all(), all(), 2)));
        // Another run may be shorter or longer, if both have the places.
        Tokens shorter = Tokens.of(
                new long[][] {java.util.Arrays.copyOf(TOKENS.row(0), 4), java.util.Arrays.copyOf(TOKENS.row(1), 4)});
        same(
                shorter,
                Intervention.patch("resid_mid", 1, other).positions(-1, 0),
                "resid_mid1",
                x -> x.with(at(all(), pick(3, 0)), other.get("resid_mid", 1).get(all(), pick(5, 0))));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MODEL.runWith(
                        TOKENS,
                        Intervention.patch(
                                        "resid_mid",
                                        1,
                                        MODEL.runWithCache(shorter).cache())
                                .positions(5)))
                .withMessageContaining("no place 5")
                .withMessageContaining("has 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MODEL.runWith(Tokens.of(new long[][] {{1, 2}}), Intervention.patch("z", 1, other)))
                .withMessageContaining("blocks.1.attn.hook_z");
    }

    @Test
    void aDirectionIsProjectedOut() {
        Tensor direction = random(MODEL.config().dModel());
        Tensor unit = direction.div(direction.norm());
        same(
                TOKENS,
                Intervention.projectOut("resid_post0", direction),
                "resid_post0",
                x -> x.sub(x.mul(unit).sum(-1).unsqueeze(-1).mul(unit)));
        Tensor twice = Tensor.stack(0, List.of(direction, direction.mul(-3)));
        assertThat(run(TOKENS, Intervention.projectOut("resid_post0", twice))
                        .logits()
                        .maxAbsDifference(run(TOKENS, Intervention.projectOut("resid_post0", direction))
                                .logits()))
                .isLessThan(1e-5);
    }

    @Test
    void aFunctionOfTheGraphDoesWhatItDoesToATensor() {
        same(
                TOKENS,
                Intervention.function(
                        "post0", x -> x.tanh().mul(x.gt(0).to(x.dtype())).softmax(-1)),
                "post0",
                x -> x.tanh().mul(x.gt(0).to(x.dtype())).softmax(-1));
    }

    @Test
    void theyMixWithHooksInTheOrderGiven() {
        Tensor logits = run(
                        TOKENS,
                        Intervention.scale("resid_post0", 2),
                        Hook.at("resid_post0", (x, point) -> x.add(1)),
                        Intervention.scale("resid_post0", 3),
                        Hook.at("resid_post0", (x, point) -> x.sub(0.5)),
                        Hook.at("resid_post0", (x, point) -> null))
                .logits();
        Tensor expected = MODEL.runWithHooks(
                TOKENS,
                Hook.at("resid_post0", (x, point) -> x.mul(2).add(1).mul(3).sub(0.5)));
        assertThat(logits.maxAbsDifference(expected)).isLessThan(1e-5);
    }

    @Test
    void theyStayOnTheModelLikeHooks() {
        Tensor once = MODEL.runWith(TOKENS, Intervention.zero("mlp_out", 1));
        try (HookHandle scope = MODEL.hooks(Intervention.zero("mlp_out", 1))) {
            assertThat(MODEL.forward(TOKENS).maxAbsDifference(once)).isZero();
        }
        assertThat(MODEL.forward(TOKENS).maxAbsDifference(once)).isGreaterThan(1e-4);
        MODEL.addPermanentHook(Intervention.zero("mlp_out", 1));
        MODEL.resetHooks();
        assertThat(MODEL.forward(TOKENS).maxAbsDifference(once)).isZero();
    }

    @Test
    void aGenerationIsSteeredAlikeWithAndWithoutAKeyValueCache() {
        Tokens prompt = Tokens.of(new long[][] {TOKENS.realTokens(0)});
        Tensor vector = random(MODEL.config().dModel()).mul(2);
        for (Intervention steering : List.of(
                Intervention.add("resid_post", 0, vector),
                Intervention.add("resid_post", 0, vector).positions(3),
                Intervention.add("resid_post", 0, vector).positions(8),
                Intervention.set("resid_pre1", random(3, MODEL.config().dModel()))
                        .positions(8, 2, 0),
                Intervention.patch(
                                "resid_mid",
                                1,
                                MODEL.runWithCache(Tokens.of(new long[][] {OTHER.row(0)}))
                                        .cache())
                        .positions(2),
                Intervention.parse("resid_post0[pos=5:9] *= -3"),
                Intervention.scale("pattern", 0, 0).keys(2, 7))) {
            GenerateOptions options =
                    GenerateOptions.greedy(5).withStopAtEos(false).withHooks(steering);
            assertThat(MODEL.generate(prompt, options).get(0))
                    .as(steering.toString())
                    .isEqualTo(MODEL.generate(prompt, options.withKeyValueCache(false))
                            .get(0));
        }
        for (String never : List.of("resid_post0[pos=11] *= 2", "resid_post0[pos=11:20] *= 2")) {
            assertThatIllegalArgumentException()
                    .as(never)
                    .isThrownBy(() ->
                            MODEL.generate(prompt, GenerateOptions.greedy(6).withHooks(Intervention.parse(never))));
        }
    }

    @Test
    void whatDoesNotFitSaysWhatThePointHas() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MODEL.runWith(TOKENS, Intervention.zero("z0").heads(99)))
                .withMessageContaining("99")
                .withMessageContaining("HEAD");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MODEL.runWith(TOKENS, Intervention.set("z0", random(5))))
                .withMessageContaining("[5]")
                .withMessageContaining("D_HEAD");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MODEL.runWith(TOKENS, Intervention.parse("z0[5:5] = 0")))
                .withMessageContaining("empty");
        assertThatThrownBy(() -> MODEL.runWith(TOKENS, Intervention.zero("blocks.*.hook_mlp_ouT")))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("The pattern 'blocks.*.hook_mlp_ouT' matches none of the")
                .hasMessageContaining("blocks.0.hook_mlp_out");
        assertThatThrownBy(() -> MODEL.runWith(TOKENS, Intervention.zero("z99999999999")))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("z99999999999");
    }
}
