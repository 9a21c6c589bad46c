package dev.loupe.dictionaries.attribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.dictionaries.Dictionary;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Attribution graphs, by their arithmetic. */
class AttributionGraphTest {

    private static final String PROMPT = "When Mary and John went to the store, John gave a drink to";

    private static HookedTransformer model(String backend, DType dtype) {
        return HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.noProcessing().withBackend(backend).withDType(dtype));
    }

    private static List<Dictionary> transcoders() {
        return Dictionaries.loadSet(Dictionaries.BUNDLED_SET);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void incomingEdgesAndBiasSumUpToEveryTarget(boolean skipFirst) {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            AttributionGraph graph = AttributionGraph.of(
                    model,
                    transcoders(),
                    model.toTokens("Mary and John"),
                    AttributionOptions.defaults().withSkipFirst(skipFirst));
            sumsUp(graph, 1e-9);
            assertThat(graph.features()).hasSize(graph.activeFeatures());
            assertThat(graph.skipsFirst()).isEqualTo(skipFirst);
            assertThat(graph.features().stream().anyMatch(feature -> feature.position() == 0))
                    .isEqualTo(!skipFirst);
        }
    }

    static void sumsUp(AttributionGraph graph, double tolerance) {
        int targets = 0;
        for (int target = 0; target < graph.nodes(); target++) {
            AttributionGraph.Kind kind = graph.kind(target);
            if (kind == AttributionGraph.Kind.FEATURE || kind == AttributionGraph.Kind.LOGIT) {
                double sum = graph.bias(target) + graph.leftOut(target);
                double largest = Math.abs(graph.bias(target));
                for (int source = 0; source < graph.sources(); source++) {
                    sum += graph.edge(source, target);
                    largest = Math.max(largest, Math.abs(graph.edge(source, target)));
                }
                double size = Math.max(largest, Math.abs(graph.value(target)));
                assertThat(sum).as("target %d", target).isCloseTo(graph.value(target), within(tolerance * size));
                targets++;
            }
        }
        assertThat(targets).isEqualTo(graph.features().size() + graph.logits().size());
    }

    @Test
    void featuresBeyondTheLimitAreLeftOutAndToldAbout() {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            Tokens tokens = model.toTokens("Mary and John");
            AttributionOptions some =
                    AttributionOptions.defaults().withMaxFeatures(40).withBatch(4);
            AttributionGraph graph = AttributionGraph.of(model, transcoders(), tokens, some);
            assertThat(graph.features()).hasSize(40);
            assertThat(graph.activeFeatures()).isGreaterThan(40);
            assertThat(graph.leftOut(graph.logitNode(0))).isNotZero();
            sumsUp(graph, 1e-9);
        }
    }

    /** The same by hand: what a target loses when a source is taken out, all else as it was. */
    @Test
    void anEdgeIsWhatItsTargetLosesWithoutItsSource() {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            Tokens tokens = model.toTokens("Mary and John");
            AttributionGraph graph = AttributionGraph.of(
                    model, transcoders(), tokens, AttributionOptions.defaults().withSkipFirst(false));
            SplicedDictionary[] spliced = transcoders().stream()
                    .map(transcoder -> transcoder.spliced().withErrorTerm())
                    .toArray(SplicedDictionary[]::new);
            try (HookedTransformer with = model.with(spliced)) {
                ActivationCache plain =
                        with.runWithCache(tokens, HookFilter.everything()).cache();
                int checked = 0;
                for (int source = 0; source < graph.sources(); source += 7) {
                    checked += compare(graph, with, spliced, tokens, plain, source);
                }
                assertThat(checked).isGreaterThan(200);
            }
        }
    }

    private static int compare(
            AttributionGraph graph,
            HookedTransformer with,
            SplicedDictionary[] spliced,
            Tokens tokens,
            ActivationCache plain,
            int source) {
        int layer = graph.layer(source);
        int position = graph.position(source);
        List<Intervention> frozen = new ArrayList<>();
        frozen.add(Intervention.patch("blocks.*.attn.hook_pattern", plain));
        frozen.add(Intervention.patch("*.hook_scale", plain));
        for (int other = 0; other < graph.layers(); other++) {
            if (other != layer) {
                frozen.add(Intervention.patch("mlp_out", other, plain));
            }
        }
        frozen.add(
                switch (graph.kind(source)) {
                    case FEATURE ->
                        Intervention.zero(spliced[layer].features())
                                .positions(position)
                                .indices(graph.features().get(source).feature());
                    case ERROR ->
                        Intervention.zero(spliced[layer].point("hook_sae_error"))
                                .positions(position);
                    case TOKEN -> Intervention.zero("hook_embed").positions(position);
                    case LOGIT -> throw new IllegalStateException("Logits lead nowhere");
                });
        ActivationCache without = with.run(RunRequest.of(tokens)
                        .interventions(frozen.toArray(Intervention[]::new))
                        .observe(HookFilter.glob("*.hook_sae_acts_pre,unembed.hook_out"))
                        .build())
                .cache();
        int compared = 0;
        for (int target = 0; target < graph.nodes(); target++) {
            if (graph.layer(target) <= layer || graph.kind(target) == AttributionGraph.Kind.ERROR) {
                continue;
            }
            double lost;
            if (graph.kind(target) == AttributionGraph.Kind.LOGIT) {
                int token = Math.toIntExact(graph.logits().get(0).token());
                Tensor difference = plain.get("unembed.hook_out")
                        .sub(without.get("unembed.hook_out"))
                        .get(0, -1);
                lost = difference.item(token) - difference.mean().item();
                target = graph.nodes();
                assertThat(lost)
                        .isCloseTo(graph.edge(source, graph.logitNode(0)), within(1e-9 * Math.max(1, Math.abs(lost))));
            } else if (graph.kind(target) == AttributionGraph.Kind.FEATURE) {
                AttributionGraph.Feature feature = graph.features().get(target);
                String point = spliced[feature.layer()].point("hook_sae_acts_pre");
                lost = plain.get(point).item(0, feature.position(), feature.feature())
                        - without.get(point).item(0, feature.position(), feature.feature());
                assertThat(graph.edge(source, target))
                        .as("%d to %d", source, target)
                        .isCloseTo(lost, within(1e-9 * Math.max(1, Math.abs(lost))));
                target += 10;
            }
            compared++;
        }
        return compared;
    }

    @ParameterizedTest
    @ValueSource(strings = {"onnx", "pytorch"})
    void theToyModelsGraphExplainsMary(String backend) {
        try (HookedTransformer model = model(backend, DType.FLOAT32)) {
            Tokens tokens = model.toTokens(PROMPT);
            AttributionGraph graph = AttributionGraph.of(model, transcoders(), tokens);
            assertThat(graph.logits().get(0).token()).isEqualTo(model.toSingleToken(" Mary"));
            sumsUp(graph, 1e-4);
            // As the reference backend gives in float64: 0.8837 and 0.9681.
            assertThat(graph.replacementScore()).isCloseTo(0.8837, within(0.001));
            assertThat(graph.completenessScore()).isCloseTo(0.9681, within(0.001));
            GraphPruning pruning = graph.prune(0.8, 0.98);
            assertThat(pruning.nodes()).hasSizeBetween(60, 75);
            int mary = graph.tokenNode(model.getTokenPosition(" Mary", PROMPT));
            assertThat(reaches(pruning, mary, graph.logitNode(0))).isTrue();
        }
    }

    private static boolean reaches(GraphPruning pruning, int source, int target) {
        return pruning.has(source, target)
                || pruning.edges().stream()
                        .filter(edge -> edge.source() == source)
                        .anyMatch(edge -> reaches(pruning, edge.target(), target));
    }

    @Test
    void pruningKeepsTheSharesThatItIsAskedFor() {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            AttributionGraph graph = AttributionGraph.of(model, transcoders(), model.toTokens("Mary and John"));
            double[] influence = graph.influence();
            double all = 0;
            double features = 0;
            for (int node = 0; node < graph.nodes(); node++) {
                all += influence[node];
                features += influence[node];
            }
            // Every share of a logit leads back to a token, to an error or to a feature's bias alone.
            assertThat(all).isPositive().isEqualTo(features);
            GraphPruning whole = graph.prune(1, 1);
            GraphPruning some = graph.prune(0.8, 0.98);
            GraphPruning few = graph.prune(0.3, 0.5);
            assertThat(whole.edges()).hasSizeGreaterThan(some.edges().size());
            assertThat(some.edges()).hasSizeGreaterThan(few.edges().size());
            for (GraphPruning.Edge edge : some.edges()) {
                assertThat(some.has(edge.source()) && some.has(edge.target())).isTrue();
                assertThat(edge.weight()).isEqualTo(graph.edge(edge.source(), edge.target()));
            }
            for (int node : few.nodes()) {
                if (graph.kind(node) == AttributionGraph.Kind.FEATURE) {
                    assertThat(few.edges()).anyMatch(edge -> edge.source() == node);
                    assertThat(few.edges()).anyMatch(edge -> edge.target() == node);
                }
            }
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> graph.prune(1.5, 0.9))
                    .withMessageContaining("from 0 to 1, found 1.5");
        }
    }

    /** Influence as circuit-tracer defines it: weights · (A + A² + …), A being edges as shares of their targets. */
    @Test
    void influenceIsTheSumOverAllPaths() {
        try (HookedTransformer model = model("reference", DType.FLOAT64)) {
            AttributionGraph graph = AttributionGraph.of(
                    model,
                    transcoders(),
                    model.toTokens("Mary and"),
                    AttributionOptions.defaults().withMostProbable(0.99, 3));
            int n = graph.nodes();
            double[] step = new double[n];
            for (int i = 0; i < graph.logits().size(); i++) {
                step[graph.logitNode(i)] = graph.logits().get(i).probability();
            }
            double[] weights = step.clone();
            double[] sum = new double[n];
            for (int length = 0; length < 12; length++) {
                double[] next = new double[n];
                for (int target = 0; target < n; target++) {
                    double whole = 0;
                    for (int source = 0; source < n; source++) {
                        whole += Math.abs(graph.edge(source, target));
                    }
                    for (int source = 0; source < n && whole > 0; source++) {
                        next[source] += step[target] * Math.abs(graph.edge(source, target)) / whole;
                    }
                }
                step = next;
                for (int node = 0; node < n; node++) {
                    sum[node] += step[node];
                }
            }
            assertThat(graph.influence()).containsExactly(sum, within(1e-12));
            double tokens = 0;
            double errors = 0;
            double explained = 0;
            double total = 0;
            for (int node = 0; node < n; node++) {
                tokens += graph.kind(node) == AttributionGraph.Kind.TOKEN ? sum[node] : 0;
                errors += graph.kind(node) == AttributionGraph.Kind.ERROR ? sum[node] : 0;
                double whole = 0;
                double fromErrors = 0;
                for (int source = 0; source < n; source++) {
                    double size = Math.abs(graph.edge(source, node));
                    whole += size;
                    fromErrors += graph.kind(source) == AttributionGraph.Kind.ERROR ? size : 0;
                }
                total += sum[node] + weights[node];
                explained += (sum[node] + weights[node]) * (1 - (whole == 0 ? 0 : fromErrors / whole));
            }
            assertThat(graph.replacementScore()).isCloseTo(tokens / (tokens + errors), within(1e-12));
            assertThat(graph.completenessScore()).isCloseTo(explained / total, within(1e-12));
        }
    }

    @Test
    void whatIsNoSetOfTranscodersIsRefused() {
        try (HookedTransformer model = model("reference", DType.FLOAT32)) {
            Tokens tokens = model.toTokens("Mary and John");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionGraph.of(model, List.of(Dictionary.load("resid_post_2.topk")), tokens))
                    .withMessageContaining("resid_post_2.topk")
                    .withMessageContaining("replace blocks.L.hook_mlp_out");
            Dictionary one = Dictionary.load("mlp_1.transcoder");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionGraph.of(model, List.of(one, one), tokens))
                    .withMessageContaining("Two transcoders for layer 1");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionGraph.of(model, List.of(), tokens))
                    .withMessageContaining("found none");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionGraph.of(
                            model,
                            List.of(one),
                            tokens,
                            AttributionOptions.defaults().withLogits(List.of(99_999L))))
                    .withMessageContaining("There is no token 99999");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AttributionGraph.of(model, List.of(one), Tokens.of(new long[2][3])))
                    .withMessageContaining("found 2 sequences");
            // An MLP without a transcoder is all error.
            AttributionGraph partial = AttributionGraph.of(model, List.of(one), tokens);
            sumsUp(partial, 1e-4);
            assertThat(partial.features()).allMatch(feature -> feature.layer() == 1);
        }
    }
}
