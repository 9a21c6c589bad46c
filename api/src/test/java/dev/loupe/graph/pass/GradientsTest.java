package dev.loupe.graph.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op;
import dev.loupe.graph.Shortcut;
import dev.loupe.graph.Value;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class GradientsTest {

    private static final Dim BATCH = Dim.symbol("batch");

    /** Three blocks of one operation each, between an embedding and a sum over everything. */
    private static Graph chain() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("hook_embed", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        for (int layer = 0; layer < 3; layer++) {
            b.region("blocks." + layer);
            Value pre = b.hook("blocks." + layer + ".hook_pre", x);
            Value mid = b.hook("blocks." + layer + ".hook_mid", b.unary(Op.UnaryKind.TANH, pre));
            x = b.add(pre, mid);
        }
        b.region("unembed");
        b.output("scalar", b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0, 1), false), x));
        b.output("table", x);
        b.output("count", b.cast(b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0, 1), false), x), DType.INT64));
        b.output("seven", b.apply(new Op.Full(DType.FLOAT32, dev.loupe.array.Shape.SCALAR, 7)));
        return b.build();
    }

    private static Graph differentiated(Graph graph, String... points) {
        return new Gradients("scalar", Set.of(points), false).apply(graph);
    }

    private static Graph kept(Graph graph, String... points) {
        TreeSet<String> wanted = new TreeSet<>();
        for (String point : points) {
            wanted.add(HookPoint.gradientOf(point));
        }
        return new Keep(wanted, Set.of(), graph.inputs().keySet()).apply(graph);
    }

    private static Set<String> regions(Graph graph) {
        TreeSet<String> regions = new TreeSet<>();
        graph.values().forEach(value -> regions.add(value.region()));
        return regions;
    }

    @Test
    void aDerivativeIsAHookPointOfTheTypeOfItsPoint() {
        Graph graph = differentiated(chain(), "blocks.1.hook_mid");
        Value derivative = graph.hooks().get("blocks.1.hook_mid_grad");
        assertThat(derivative.type())
                .isEqualTo(graph.hooks().get("blocks.1.hook_mid").type());
        assertThat(((Value.Hooked) derivative.source()).point().axes())
                .isEqualTo(
                        ((Value.Hooked) graph.hooks().get("blocks.1.hook_mid").source())
                                .point()
                                .axes());
    }

    @Test
    void nothingBelowTheLastPointAskedForIsDifferentiated() {
        assertThat(regions(differentiated(chain(), "blocks.1.hook_mid")))
                .contains("blocks.1.backward", "blocks.2.backward")
                .doesNotContain("blocks.0.backward", "embed.backward");
    }

    @Test
    void aBackwardPartRunsAtThePlaceOfItsForwardPart() {
        Graph graph = differentiated(chain(), "hook_embed");
        assertThat(graph.homeOf("blocks.1.backward")).isEqualTo("blocks.1");
        assertThat(graph.homeOf("blocks.1")).isEqualTo("blocks.1");
        assertThat(graph.regions()).containsExactly("embed", "blocks.0", "blocks.1", "blocks.2", "unembed");
    }

    @Test
    void theBackwardPartOfARegionIsTheSameForAllSetsOfPointsThatReachIt() {
        Graph one = new Gradients("scalar", Set.of("blocks.1.hook_pre"), true).apply(chain());
        Graph all = new Gradients("scalar", chain().hooks().keySet(), true).apply(chain());
        assertThat(text(one, "blocks.2.backward"))
                .isEqualTo(text(all, "blocks.2.backward"))
                .isNotEmpty();
        assertThat(text(one, "blocks.1.backward"))
                .isEqualTo(text(all, "blocks.1.backward"))
                .isNotEmpty();
        assertThat(text(one, "blocks.0.backward")).isEmpty();
    }

    private static String text(Graph graph, String region) {
        StringBuilder text = new StringBuilder();
        graph.values().stream().filter(value -> value.region().equals(region)).forEach(text::append);
        return text.toString();
    }

    @Test
    void whatNobodyWantsOfABackwardPartIsDropped() {
        Graph graph =
                kept(new Gradients("scalar", Set.of("blocks.2.hook_mid"), true).apply(chain()), "blocks.2.hook_mid");
        assertThat(graph.hooks()).containsOnlyKeys("blocks.2.hook_mid_grad");
        assertThat(graph.values())
                .noneMatch(value ->
                        value.region().startsWith("blocks.0") || value.region().startsWith("blocks.1"));
    }

    @Test
    void aPointThatTheScalarDoesNotDependOnHasZeros() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("a", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        b.hook("b", b.unary(Op.UnaryKind.EXP, x));
        b.output("scalar", b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0, 1), false), x));
        Graph graph = kept(differentiated(b.build(), "b"), "b");
        Value derivative = graph.hooks().get("b_grad").behindHooks();
        assertThat(derivative.source()).isInstanceOfSatisfying(Value.Result.class, result -> {
            assertThat(result.op()).isEqualTo(new Op.BroadcastLike());
            assertThat(result.inputs().get(0).toString()).contains("value=0.0");
        });
    }

    @Test
    void stoppedValuesPassNoDerivativeOn() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("a", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        Value stopped = b.hook("b", b.stop(b.unary(Op.UnaryKind.EXP, x)));
        b.output("scalar", b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0, 1), false), b.mul(stopped, x)));
        Graph graph = kept(differentiated(b.build(), "a"), "a");
        Value derivative = graph.hooks().get("a_grad").behindHooks();
        // d/dx of stop(e^x)·x is e^x: one product of the seed and e^x.
        assertThat(derivative.operands()).hasSize(2);
        assertThat(derivative.operands()).anyMatch(value -> value.toString().contains("EXP"));
    }

    @Test
    void oneNumberForEachRowOfTheBatchIsDifferentiatedAsTheirSum() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("a", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        b.output("scalar", b.reduceAndDrop(Op.ReduceKind.SUM, x, 1));
        Graph graph = kept(differentiated(b.build(), "a"), "a");
        assertThat(graph.hooks().get("a_grad").type()).isEqualTo(x.type());
    }

    @Test
    void derivativesGoRoundOptionalPointsAndToThemOnTheSide() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value x = b.hook("a", b.input("x", DType.FLOAT32, BATCH, Dim.of(3)));
        b.region("blocks.0");
        Value copies = b.optionalHook("copies", b.expand(b.unsqueeze(x, 1), 1, 2));
        Value slow = b.reduceAndDrop(Op.ReduceKind.SUM, b.unary(Op.UnaryKind.EXP, copies), 1);
        Value quick = b.mul(b.unary(Op.UnaryKind.EXP, x), b.scalar(2, x));
        Value out = b.hook("out", b.shortcut(slow, quick, Shortcut.Kind.DETOUR_UNLESS_EDITED));
        b.output("scalar", b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0, 1), false), out));
        Graph full = b.build();
        Graph both = new Gradients("scalar", Set.of("a", "copies"), false)
                .apply(new TakeShortcuts(Set.of(), Set.of("a", "copies"), Set.of(), true).apply(full));
        Graph one = new Gradients("scalar", Set.of("a"), false)
                .apply(new TakeShortcuts(Set.of(), Set.of("a"), Set.of(), true).apply(full));
        assertThat(both.hooks().get("copies_grad").type())
                .isEqualTo(both.hooks().get("copies").type());
        assertThat(formula(both.hooks().get("a_grad")))
                .isEqualTo(formula(one.hooks().get("a_grad")));
    }

    private static String formula(Value value) {
        Value behind = value.behindHooks();
        if (behind.source() instanceof Value.Result result) {
            return result.op()
                    + behind.operands().stream()
                            .map(GradientsTest::formula)
                            .toList()
                            .toString();
        }
        return behind.source().toString();
    }

    @Test
    void whatIsNoScalarIsRefused() {
        assertThatThrownBy(() -> new Gradients("table", Set.of("hook_embed"), false).apply(chain()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("one floating-point number")
                .hasMessageContaining("'table' is float32 [batch, 3]");
        assertThatThrownBy(() -> new Gradients("count", Set.of("hook_embed"), false).apply(chain()))
                .hasMessageContaining("'count' is int64 []");
        assertThatThrownBy(() -> new Gradients("seven", Set.of("hook_embed"), false).apply(chain()))
                .hasMessageContaining("'seven' depends on no activation");
        assertThatThrownBy(() -> new Gradients("eight", Set.of("hook_embed"), false).apply(chain()))
                .hasMessageContaining("no output 'eight'")
                .hasMessageContaining("scalar");
    }

    @Test
    void pointsOfWholeNumbersAndUnknownOnesAreRefused() {
        GraphBuilder b = new GraphBuilder().region("embed");
        Value tokens = b.hook("tokens", b.input("x", DType.INT64, BATCH));
        Value x = b.hook("a", b.cast(tokens, DType.FLOAT32));
        b.output("scalar", b.apply(new Op.Reduce(Op.ReduceKind.SUM, List.of(0), false), x));
        Graph graph = b.build();
        assertThatThrownBy(() -> differentiated(graph, "tokens")).hasMessageContaining("'tokens' is int64 [batch]");
        assertThatThrownBy(() -> differentiated(graph, "c")).hasMessageContaining("no hook point [c]");
    }

    @Test
    void javaCodeInTheWayIsNamed() {
        Change code = new Change.Code(0);
        Graph graph = new Splice(Map.of("blocks.1.hook_mid", List.of(code))).apply(chain());
        assertThatThrownBy(() -> differentiated(graph, "blocks.0.hook_mid"))
                .hasMessageContaining("Java code at 'blocks.1.hook_mid'")
                .hasMessageContaining("[blocks.0.hook_mid]")
                .hasMessageContaining("intervention");
        assertThat(differentiated(graph, "blocks.1.hook_mid").hooks()).containsKey("blocks.1.hook_mid_grad");
    }
}
