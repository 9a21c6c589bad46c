package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.Hook;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.HookHandle;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.GradientCache;
import dev.loupe.model.GradientRun;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user asks of derivatives, and what is said where they can't be had. */
class GradientsOfModelsTest {

    private static final Tokens TOKENS = Tokens.of(new long[][] {{3, 1, 4, 1, 5}, {9, 2, 6, 5, 3}});
    private static final Metric DIFFERENCE = Metric.logitDifference(5, 9);

    private static HookedTransformer model;

    @BeforeAll
    static void load() {
        model = HookedTransformer.fromPretrained(
                Fixtures.directory(Fixtures.GPT2).toString(),
                LoadOptions.noProcessing().withBackend("reference").withDType(DType.FLOAT64));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static double[] numbers(Tensor tensor) {
        return tensor.toDoubleArray();
    }

    private static RunResult run(RunRequest.Builder request) {
        return model.run(request.returns(Returns.NONE).build());
    }

    @Test
    void derivativesAreFoundByAnyNameOfTheirPoint() {
        try (GradientCache gradients = model.gradients(TOKENS, DIFFERENCE)) {
            assertThat(gradients.size())
                    .isEqualTo(model.hookNames().points().stream()
                            .filter(point -> !point.optional())
                            .count());
            assertThat(gradients.get("resid_post", -1)).isSameAs(gradients.get("blocks.2.hook_resid_post"));
            assertThat(gradients.get("scale", 1, "ln2")).isSameAs(gradients.get("blocks.1.ln2.hook_scale"));
            assertThat(gradients.keys()).first().isEqualTo("hook_embed");
            assertThat(gradients.has("hook_result")).isFalse();
            assertThatThrownBy(() -> gradients.get("result", 1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> gradients.get("resid_pots1")).isInstanceOf(UnknownHookException.class);
            assertThat(gradients
                            .slicePositions(Index.pick(-1))
                            .get("pattern0")
                            .shape()
                            .toArray())
                    .containsExactly(2, 3, 1, 5);
        }
    }

    @Test
    void derivativesAreWrittenToAFileAndReadBack(@TempDir Path folder) {
        Path file = folder.resolve("gradients.safetensors");
        try (GradientCache gradients = model.gradients(TOKENS, DIFFERENCE, HookFilter.names("resid_pre1", "z2"))) {
            gradients.save(file);
            try (GradientCache read = GradientCache.load(file, model)) {
                assertThat(read.keys()).isEqualTo(gradients.keys());
                assertThat(numbers(read.get("z2"))).isEqualTo(numbers(gradients.get("z2")));
            }
        }
    }

    @Test
    void aRunGivesLogitsActivationsAndDerivativesTogether() {
        try (GradientRun run = model.runWithCacheAndGradients(TOKENS, DIFFERENCE);
                Tensor logits = model.forward(TOKENS)) {
            assertThat(run.logits().maxAbsDifference(logits)).isZero();
            double expected = 0;
            HostTensor host = logits.toHost();
            for (int row = 0; row < 2; row++) {
                int at = (row * 5 + 4) * 113;
                expected += (host.getDouble(at + 5) - host.getDouble(at + 9)) / 2;
            }
            assertThat(run.metric().item()).isCloseTo(expected, within(1e-12));
            assertThat(run.cache().keys()).isEqualTo(run.gradients().keys());
        }
    }

    @Test
    void metricsAreWhatTheirNamesSay() {
        try (Tensor logits = model.forward(TOKENS)) {
            Tensor last = logits.select(1, -1);
            Tensor logProbs = last.logSoftmax(-1);
            assertThat(metric(Metric.logit(7)))
                    .isCloseTo(last.select(1, 7).mean().item(), within(1e-12));
            assertThat(metric(Metric.logProbability(new long[] {7, 8})))
                    .isCloseTo((logProbs.get(0, 7).item() + logProbs.get(1, 8).item()) / 2, within(1e-12));
            assertThat(metric(Metric.loss())).isCloseTo(model.loss(TOKENS), within(1e-12));
            assertThat(metric(Metric.logit(7).at(0)))
                    .isCloseTo(logits.select(1, 0).select(1, 7).mean().item(), within(1e-12));
            assertThat(metric(Metric.logit(7).everywhere()))
                    .isCloseTo(logits.select(2, 7).mean().item(), within(1e-12));
            assertThat(metric(Metric.klDivergence(logits))).isCloseTo(0, within(1e-12));
            Tensor other = logits.mul(0.5);
            Tensor p = other.select(1, -1).logSoftmax(-1);
            assertThat(metric(Metric.klDivergence(other)))
                    .isCloseTo(p.exp().mul(p.sub(logProbs)).sum(-1).mean().item(), within(1e-12));
            assertThat(metric(Metric.of("largest", x -> x.max())))
                    .isCloseTo(logits.max().item(), within(1e-12));
        }
    }

    private static double metric(Metric metric) {
        try (RunResult result = run(RunRequest.of(TOKENS).gradients(metric, "unembed.hook_out"))) {
            return result.metric().item();
        }
    }

    @Test
    void eachRowOfABatchHasANumberAndItsOwnDerivative() {
        Tokens padded = Tokens.pad(List.of(new long[] {3, 1, 4, 1, 5}, new long[] {9, 2}), 0, false);
        try (RunResult both = run(RunRequest.of(padded).gradients(DIFFERENCE.perRow(), "resid_pre1"));
                RunResult alone =
                        run(RunRequest.of(Tokens.of(new long[][] {{9, 2}})).gradients(DIFFERENCE, "resid_pre1"))) {
            assertThat(numbers(both.metric())[1]).isCloseTo(alone.metric().item(), within(1e-12));
            double[] expected = numbers(alone.gradients().get("resid_pre1"));
            double[] found = numbers(both.gradients().batchRow(1).get("resid_pre1"));
            for (int i = 0; i < found.length; i++) {
                assertThat(found[i]).isCloseTo(i < expected.length ? expected[i] : 0, within(1e-12));
            }
        }
    }

    @Test
    void aCacheMayHoldDerivativesToo(@TempDir Path folder) {
        RunRequest.Builder request =
                RunRequest.of(TOKENS).observe("resid_pre1", "pattern0").inclBackward(true);
        try (RunResult result = run(request);
                GradientCache loss = model.gradients(TOKENS, Metric.loss(), HookFilter.names("pattern0"))) {
            ActivationCache cache = result.cache();
            assertThat(cache.keys())
                    .containsExactlyInAnyOrder(
                            "blocks.1.hook_resid_pre",
                            "blocks.0.attn.hook_pattern",
                            "blocks.1.hook_resid_pre_grad",
                            "blocks.0.attn.hook_pattern_grad");
            assertThat(numbers(cache.get("blocks.0.attn.hook_pattern_grad"))).isEqualTo(numbers(loss.get("pattern0")));
            cache.save(folder.resolve("cache.safetensors"));
            assertThat(ActivationCache.load(folder.resolve("cache.safetensors"), model)
                            .keys())
                    .containsExactlyInAnyOrderElementsOf(cache.keys());
        }
    }

    @Test
    void backwardHooksRunInOrderPermanentOnesFirst() {
        List<String> fired = new ArrayList<>();
        Hook own = Hook.backward("resid_pre", 1, (derivative, point) -> {
            fired.add("own at " + point);
            return derivative.mul(2);
        });
        Hook standing = Hook.backward(HookFilter.names("resid_pre1", "resid_pre2"), (derivative, point) -> {
            fired.add("permanent at " + point);
            return null;
        });
        try (GradientCache plain = model.gradients(TOKENS, DIFFERENCE, HookFilter.names("resid_pre0", "resid_pre1"));
                HookHandle handle = model.addPermanentHook(standing);
                RunResult result =
                        run(RunRequest.of(TOKENS).hooks(own).gradients(DIFFERENCE, "resid_pre0", "resid_pre1"))) {
            assertThat(fired)
                    .containsExactly(
                            "permanent at blocks.2.hook_resid_pre",
                            "permanent at blocks.1.hook_resid_pre",
                            "own at blocks.1.hook_resid_pre");
            for (String name : List.of("resid_pre0", "resid_pre1")) {
                double[] once = numbers(plain.get(name));
                double[] twice = numbers(result.gradients().get(name));
                for (int i = 0; i < once.length; i++) {
                    assertThat(twice[i]).isCloseTo(2 * once[i], within(1e-12));
                }
            }
            fired.clear();
            model.forward(TOKENS).close();
            assertThat(fired).isEmpty();
        }
    }

    @Test
    void aBackwardHookAtAnOptionalPointChangesWhatFlowsOn() {
        try (GradientCache plain = model.gradients(TOKENS, DIFFERENCE, HookFilter.names("resid_pre0"));
                RunResult silenced = run(RunRequest.of(TOKENS)
                        .hooks(Hook.backward("blocks.0.hook_q_input", (derivative, point) -> derivative.mul(0)))
                        .gradients(DIFFERENCE, "resid_pre0"))) {
            assertThat(silenced.gradients().get("resid_pre0").maxAbsDifference(plain.get("resid_pre0")))
                    .isGreaterThan(1e-6);
        }
    }

    @Test
    void aMetricOfPointsNeedsNoLogits() {
        Metric square = Metric.ofPoints(
                "square",
                scope -> scope.value("blocks.1.hook_resid_pre").square().sum());
        try (RunResult result = run(RunRequest.of(TOKENS)
                .stopAtLayer(2)
                .observe("resid_pre1")
                .gradients(square, "resid_pre1", "resid_post1"))) {
            // The metric doesn't depend on what comes after.
            assertThat(result.gradients().get("resid_post1").abs().max().item()).isZero();
            double[] value = numbers(result.cache().get("resid_pre1"));
            double[] derivative = numbers(result.gradients().get("resid_pre1"));
            for (int i = 0; i < value.length; i++) {
                assertThat(derivative[i]).isCloseTo(2 * value[i], within(1e-12));
            }
        }
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).stopAtLayer(1).gradients(square, "resid_pre2")))
                .hasMessageContaining("no derivative at blocks.2.hook_resid_pre")
                .hasMessageContaining("the entrance of layer 1");
    }

    @Test
    void whatIsNoScalarIsRefused() {
        assertThatThrownBy(() -> model.gradients(TOKENS, Metric.of("all", x -> x)))
                .hasMessageContaining("'metric' is float64 [batch, pos, 113]")
                .hasMessageContaining("Take its mean");
        assertThatThrownBy(() -> model.gradients(
                        TOKENS, Metric.of("best", x -> x.argmax(-1).max(1))))
                .hasMessageContaining("int64");
        assertThatThrownBy(() -> model.gradients(TOKENS, Metric.of("seven", x -> x.constant(7))))
                .hasMessageContaining("depends on no activation");
    }

    @Test
    void javaCodeInTheWayIsNamedWithWhatToDo() {
        Hook code = Hook.at("resid_mid", 1, (activation, point) -> activation.mul(0.5));
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).hooks(code).gradients(DIFFERENCE, "z1", "z2")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Java code at 'blocks.1.hook_resid_mid'")
                .hasMessageContaining("[blocks.1.attn.hook_z]")
                .hasMessageContaining("intervention");
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).hooks(code).gradients(DIFFERENCE, "blocks.1.hook_q_input")))
                .hasMessageContaining("Java code at 'blocks.1.hook_resid_mid'");
        try (RunResult below = run(RunRequest.of(TOKENS).hooks(code).gradients(DIFFERENCE, "resid_mid1", "z2"))) {
            assertThat(below.gradients().size()).isEqualTo(2);
        }
    }

    @Test
    void pointsThatTheRunDoesNotPassAreNamed() {
        try (RunResult before = model.run(RunRequest.of(TOKENS).stopAtLayer(1).build())) {
            RunRequest.Builder later = RunRequest.of(TOKENS).startAtLayer(1, before.residual());
            assertThatThrownBy(() -> run(later.gradients(DIFFERENCE, "resid_pre0")))
                    .hasMessageContaining("no derivative at blocks.0.hook_resid_pre")
                    .hasMessageContaining("from layer 1");
        }
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).stopAtLayer(1).gradients(DIFFERENCE, "resid_pre0")))
                .hasMessageContaining("made of logits")
                .hasMessageContaining("stops at layer 1");
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).gradients(DIFFERENCE, "resid_prr0")))
                .isInstanceOf(UnknownHookException.class);
    }

    @Test
    void metricsThatDoNotFitTheRunAreRefused() {
        assertThatThrownBy(() -> model.gradients(TOKENS, Metric.logit(113)))
                .hasMessageContaining("token 113")
                .hasMessageContaining("0 to 112");
        assertThatThrownBy(() -> model.gradients(TOKENS, Metric.logit(new long[] {1, 2, 3})))
                .hasMessageContaining("3 tokens")
                .hasMessageContaining("2 sequences");
        assertThatThrownBy(() -> model.gradients(TOKENS, Metric.logit(1).at(5)))
                .hasMessageContaining("position 5; the run has 5");
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).logitsAt(0).gradients(DIFFERENCE, "z1")))
                .hasMessageContaining("logits at [0] alone");
        assertThatThrownBy(() -> run(RunRequest.of(TOKENS).logitsAt(0).gradients(Metric.loss(), "z1")))
                .hasMessageContaining("The loss needs the logits of all positions");
        assertThatThrownBy(() -> model.gradients(
                        TOKENS, Metric.klDivergence(model.tensors().zeros(DType.FLOAT64, 2, 4, 113))))
                .hasMessageContaining("[2, 4, 113]")
                .hasMessageContaining("[2, 5, 113]");
        assertThatThrownBy(() -> Metric.of("own", x -> x.sum()).perRow()).hasMessageContaining("[batch]");
    }

    @Test
    void aBackwardHookWithoutDerivativesIsRefused() {
        Hook backward = Hook.backward("z", 1, (derivative, point) -> null);
        assertThatThrownBy(() -> model.runWithHooks(TOKENS, backward))
                .hasMessageContaining("backward hook")
                .hasMessageContaining("gradients(metric)");
        assertThatThrownBy(() -> model.run(RunRequest.of(TOKENS).build()).gradients())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("gradients(…)");
    }

    @Test
    void aClosedCacheSaysSo() {
        GradientCache gradients = model.gradients(TOKENS, DIFFERENCE, HookFilter.names("z1"));
        gradients.close();
        assertThatThrownBy(() -> gradients.get("z1").toHost())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("blocks.1.attn.hook_z");
    }

    @Test
    void stoppedDerivativesFreezeAPoint() {
        try (RunResult frozen = run(RunRequest.of(TOKENS)
                .interventions(Intervention.stopGradient("pattern0"))
                .gradients(DIFFERENCE, "attn_scores0", "pattern0", "v0"))) {
            assertThat(frozen.gradients().get("attn_scores0").abs().max().item())
                    .isZero();
            assertThat(frozen.gradients().get("pattern0").abs().max().item()).isPositive();
            assertThat(frozen.gradients().get("v0").abs().max().item()).isPositive();
        }
    }

    /** The original keeps, of its three norms for each head, the derivatives of the one that values are made from. */
    @Test
    void whatEntersTheNormsOfHeadsAddsUpToWhatEntersTheNormOfAll() {
        HookFilter points = HookFilter.names("blocks.1.ln1.hook_normalized", "q1", "k1", "v1");
        try (GradientCache gradients = model.gradients(TOKENS, DIFFERENCE, points)) {
            Tensor sum = null;
            for (String matrix : List.of("Q", "K", "V")) {
                Tensor weight = switch (matrix) {
                    case "Q" -> model.W_Q();
                    case "K" -> model.W_K();
                    default -> model.W_V();
                };
                Tensor derivative = gradients.get(matrix.toLowerCase(java.util.Locale.ROOT), 1);
                Tensor part = derivative
                        .permute(0, 2, 1, 3)
                        .matmul(weight.select(0, 1).transpose(1, 2))
                        .sum(1);
                sum = sum == null ? part : sum.add(part);
            }
            Tensor expected = sum.mul(model.weight("blocks.1.ln1.w"));
            assertThat(gradients.get("blocks.1.ln1.hook_normalized").maxAbsDifference(expected))
                    .isLessThan(1e-12);
        }
    }
}
