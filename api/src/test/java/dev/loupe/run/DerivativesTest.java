package dev.loupe.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Change;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** How runs with derivatives are divided. */
class DerivativesTest {

    private static final GraphFunction SUM = (x, scope) -> x.sum();

    private static final Graph GRAPH = chain();

    /** An embedding, three blocks x + tanh(x), and the sum as metric. */
    private static Graph chain() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.input("x", DType.FLOAT32, Dim.symbol("batch"), Dim.of(3));
        x = b.hook("hook_embed", b.unary(Op.UnaryKind.SIN, x));
        for (int layer = 0; layer < 3; layer++) {
            b.region("blocks." + layer);
            Value pre = b.hook("blocks." + layer + ".hook_pre", x);
            Value mid = b.hook("blocks." + layer + ".hook_mid", b.unary(Op.UnaryKind.TANH, pre));
            x = b.hook("blocks." + layer + ".hook_post", b.add(pre, mid));
        }
        return b.region("unembed")
                .output("logits", b.unary(Op.UnaryKind.SIN, x))
                .build();
    }

    private static Plan plan(boolean compiles, Map<String, List<Change>> backward, String... points) {
        Derivatives derivatives = new Derivatives("logits", SUM, Set.of(points), backward);
        PlanRequest request = new PlanRequest(Set.of("x"), Set.of(), Set.of(), Map.of(), Set.of(), derivatives);
        return Divide.divide(request.prepared(GRAPH, !compiles), request.keep(), compiles, Map.of());
    }

    private static Map<String, Segment> segments(Plan plan) {
        Map<String, Segment> segments = new LinkedHashMap<>();
        plan.actions().stream()
                .filter(Plan.RunSegment.class::isInstance)
                .map(action -> ((Plan.RunSegment) action).key().segment())
                .forEach(segment -> segments.put(segment.region(), segment));
        return segments;
    }

    @Test
    void theBackwardPartIsDividedByRegionInTheOppositeOrder() {
        assertThat(segments(plan(true, Map.of(), "hook_embed")).keySet())
                .containsExactly(
                        "embed",
                        "blocks.0",
                        "blocks.1",
                        "blocks.2",
                        "unembed",
                        "metric",
                        "metric.backward",
                        "unembed.backward",
                        "blocks.2.backward",
                        "blocks.1.backward",
                        "blocks.0.backward");
    }

    @Test
    void aBlocksBackwardPartIsPreparedOnceForAllSetsOfPoints() {
        Map<String, Segment> all =
                segments(plan(true, Map.of(), GRAPH.hooks().keySet().toArray(new String[0])));
        for (String point : List.of("hook_embed", "blocks.0.hook_pre", "blocks.1.hook_pre", "blocks.1.hook_mid")) {
            Map<String, Segment> one = segments(plan(true, Map.of(), point));
            for (String region : List.of("blocks.2", "blocks.2.backward", "unembed.backward")) {
                assertThat(one.get(region)).as(region + " for " + point).isEqualTo(all.get(region));
            }
        }
        assertThat(segments(plan(true, Map.of(), "blocks.1.hook_pre")).get("blocks.1.backward"))
                .isEqualTo(all.get("blocks.1.backward"));
    }

    @Test
    void askingForTheLastLayerRunsNoBackwardPartBelow() {
        for (boolean compiles : new boolean[] {false, true}) {
            assertThat(segments(plan(compiles, Map.of(), "blocks.2.hook_mid")).keySet())
                    .doesNotContain("blocks.0.backward", "blocks.1.backward");
        }
    }

    @Test
    void aBackwardPartRunsOnTheDeviceOfItsForwardPart() {
        Map<String, Segment> segments = segments(plan(true, Map.of(), "hook_embed"));
        for (int layer = 0; layer < 3; layer++) {
            Placement forward = segments.get("blocks." + layer).placement();
            assertThat(segments.get("blocks." + layer + ".backward").placement())
                    .isEqualTo(forward);
            assertThat(forward).isEqualTo(new Placement(layer + 1, 5));
        }
        assertThat(segments.get("metric").placement())
                .isEqualTo(segments.get("unembed").placement());
    }

    @Test
    void aPlainRunsSegmentsAreWhatTheyAreWithoutDerivativesBelowTheLastPoint() {
        PlanRequest plain = new PlanRequest(Set.of("x"), Set.of(), Set.of(), Map.of(), Set.of("logits"));
        Map<String, Segment> without =
                segments(Divide.divide(plain.prepared(GRAPH, false), plain.keep(), true, Map.of()));
        Map<String, Segment> with = segments(plan(true, Map.of(), "blocks.2.hook_pre"));
        assertThat(with.get("blocks.0")).isEqualTo(without.get("blocks.0"));
        assertThat(with.get("embed")).isEqualTo(without.get("embed"));
    }

    @Test
    void codeInTheBackwardPartCutsItThere() {
        Plan plan = plan(true, Map.of("blocks.1.hook_mid", List.of(new Change.Code(0))), "hook_embed");
        assertThat(plan.actions()).filteredOn(Plan.Callback.class::isInstance).hasSize(1);
        List<String> regions = plan.actions().stream()
                .filter(Plan.RunSegment.class::isInstance)
                .map(action -> ((Plan.RunSegment) action).key().segment().region())
                .toList();
        assertThat(regions).filteredOn("blocks.1.backward"::equals).hasSize(2);
        assertThat(new TreeSet<>(regions)).contains("blocks.0.backward", "blocks.2.backward");
    }

    @Test
    void forwardValuesThatNobodyReadsAgainAreFreedGoingForward() {
        Plan plan = plan(false, Map.of(), "blocks.2.hook_mid");
        List<Plan.Action> actions = plan.actions();
        int first = -1;
        for (int i = 0; i < actions.size() && first < 0; i++) {
            first = actions.get(i).freed().length > 0 ? i : -1;
        }
        assertThat(first).isLessThan(3);
    }
}
