package dev.loupe.graph.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.GraphFunction;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Op;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PassesTest {

    private static final Graph GRAPH = SmallGraph.build();
    private static final Set<String> BOTH = Set.of("x", "y");

    @Test
    void aCopyOfAGraphIsTheSameGraph() {
        Graph copy = Rewriter.rewrite(GRAPH, (old, to) -> to.copy(old));

        assertThat(copy).isNotSameAs(GRAPH).hasToString(GRAPH.toString());
        assertThat(copy.regions()).isEqualTo(GRAPH.regions());
        assertThat(copy.hookPoints()).containsExactlyElementsOf(GRAPH.hookPoints());
        assertThat(copy.shortcuts()).hasSameSizeAs(GRAPH.shortcuts());
    }

    @Test
    void aPassWithNothingToDoGivesTheGraphItself() {
        assertThat(new Feed(Set.of()).apply(GRAPH)).isSameAs(GRAPH);
        assertThat(new Splice(Map.of()).apply(GRAPH)).isSameAs(GRAPH);
    }

    @Test
    void whatIsFedNeedsNothingUpstream() {
        Graph fed = new Feed(Set.of("blocks.0.out")).apply(GRAPH);

        Graph kept = new Keep(Set.of(), Set.of("sum"), Set.of("y", "blocks.0.out"))
                .apply(new TakeShortcuts(Set.of(), false).apply(fed));

        assertThat(kept.inputs().keySet()).containsExactlyInAnyOrder("blocks.0.out", "y");
        assertThat(ops(kept)).containsExactly("abs", "sqrt", "add");
    }

    @Test
    void theShortWayIsTakenUnlessItsPointIsWantedOrChanged() {
        assertThat(ops(kept(GRAPH, Set.of(), Set.of("first")))).containsExactly("exp", "neg");
        Graph observed = kept(GRAPH, Set.of("blocks.0.inner"), Set.of("first"));
        assertThat(observed.hooks()).containsOnlyKeys("blocks.0.inner");
        Value first = observed.outputs().get("first").behindHooks();
        assertThat(Uses.above(List.of(first))
                        .get(observed.hooks().get("blocks.0.inner").id()))
                .as("the output is made from the observed point")
                .isTrue();
        Graph changed =
                kept(splice("blocks.0.inner", new Change.Function((x, scope) -> x.mul(2))), Set.of(), Set.of("first"));
        assertThat(ops(changed)).containsExactly("exp", "full", "mul", "neg");
    }

    @Test
    void changesAtAPointRunInOrderAndMixWithCode() {
        Graph spliced = splice(
                "blocks.1.mid",
                new Change.Function((x, scope) -> x.add(1)),
                new Change.Code(0),
                new Change.Function((x, scope) -> x.exp()));

        assertThat(ops(kept(spliced, Set.of("blocks.1.mid"), Set.of())))
                .containsExactly("exp", "neg", "abs", "full", "add", "callback", "exp");
    }

    @Test
    void aFunctionReachesEarlierPointsInputsAndPointsOfItsOwn() {
        HookPoint own = HookPoint.of("blocks.1.mid.own");
        GraphFunction function = (x, scope) -> scope.hook(
                own,
                x.add(scope.value("blocks.0.out")).add(scope.input("y", DType.FLOAT32, SmallGraph.BATCH, x.size(1))));
        Graph spliced = new Splice(Map.of(
                        "blocks.1.mid", List.of(new Change.Function(function)),
                        "blocks.1.mid.own", List.of(new Change.Function((x, scope) -> x.neg()))))
                .apply(GRAPH);

        Graph kept = kept(spliced, Set.of("blocks.1.mid.own"), Set.of("sum"));

        assertThat(ops(kept)).containsExactly("exp", "neg", "abs", "add", "add", "neg", "sqrt", "add");
        assertThat(kept.inputs()).containsOnlyKeys("x", "y");
        assertThat(spliced.regions()).isEqualTo(GRAPH.regions());
    }

    @Test
    void aFunctionThatDoesNotFitIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> splice("blocks.1.mid", new Change.Function((x, scope) -> x.sum(1))))
                .withMessageContaining("blocks.1.mid")
                .withMessageContaining("float32 [batch, 3]");
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> splice("hook_in", new Change.Function((x, scope) -> x.add(scope.value("blocks.1.out")))))
                .withMessageContaining("later");
        assertThatThrownBy(() -> splice("blocks.1.mod", new Change.Code(0)))
                .isInstanceOf(UnknownHookException.class)
                .hasMessageContaining("blocks.1.mid");
    }

    @Test
    void aMissingInputIsNamedWithWhatNeedsIt() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Keep(Set.of(), Set.of("sum"), Set.of("y")).apply(GRAPH))
                .withMessageContaining("sum")
                .withMessageContaining("'x'");
    }

    @Test
    void allOutputsOfOneOperationStayTogether() {
        Graph spliced = splice("blocks.1.mid", new Change.Function((x, scope) -> {
            Expr.TopK best = x.topk(3, 1);
            return best.indices().to(DType.FLOAT32);
        }));

        Graph kept = kept(spliced, Set.of(), Set.of("sum"));

        assertThat(kept.values().stream()
                        .filter(value ->
                                value.source() instanceof Value.Result result && result.op() instanceof Op.TopK))
                .hasSize(2);
    }

    @Test
    void usesGoBothWays() {
        Value mid = GRAPH.hooks().get("blocks.1.mid");
        Uses uses = Uses.of(GRAPH);

        assertThat(uses.of(mid)).hasSize(1);
        assertThat(uses.below(List.of(mid)).get(GRAPH.outputs().get("sum").id()))
                .isTrue();
        assertThat(uses.below(List.of(mid)).get(GRAPH.outputs().get("first").id()))
                .isFalse();
        assertThat(Uses.above(List.of(mid)).get(GRAPH.inputs().get("y").id())).isFalse();
    }

    // pre → (q, k → wide) → z, and pre + z → post, as attention is wired.
    @Test
    void theFrontierIsWhatHasToBeFedToGoOnFromAPoint() {
        GraphBuilder b = new GraphBuilder().region("blocks.0");
        Value pre = b.hook("pre", b.input("x", DType.FLOAT32, SmallGraph.BATCH, Dim.of(3)));
        Value q = b.hook("q", b.unary(Op.UnaryKind.EXP, pre));
        Value k = b.hook("k", b.unary(Op.UnaryKind.NEG, pre));
        Value wide = b.optionalHook("wide", b.unary(Op.UnaryKind.ABS, k));
        Value z = b.hook("z", b.mul(q, wide));
        Graph graph = b.output("out", b.hook("post", b.add(pre, z))).build();
        Uses uses = Uses.of(graph);

        assertThat(frontier(uses, q)).containsExactly("pre", "k");
        assertThat(frontier(uses, k)).containsExactly("pre", "q");
        assertThat(frontier(uses, wide)).containsExactly("pre", "q");
        assertThat(frontier(uses, z)).containsExactly("pre");
        assertThat(frontier(uses, graph.hooks().get("post"))).isEmpty();
        assertThat(uses.frontier(q, point -> true)).extracting(HookPoint::name).containsExactly("pre", "wide");
    }

    private static List<String> frontier(Uses uses, Value from) {
        return uses.frontier(from, point -> !point.optional()).stream()
                .map(HookPoint::name)
                .toList();
    }

    @Test
    void whatNoLaterStepTouchesIsFreedButForWhatIsKept() {
        List<BitSet> touched = List.of(bits(0, 1), bits(1, 2), bits(0, 3));

        assertThat(Uses.freedAfter(touched, bits(3))).containsExactly(new int[0], new int[] {1, 2}, new int[] {0});
        assertThat(touched.get(1)).isEqualTo(bits(1, 2));
    }

    private static BitSet bits(int... numbers) {
        BitSet bits = new BitSet();
        Arrays.stream(numbers).forEach(bits::set);
        return bits;
    }

    private static Graph splice(String point, Change... changes) {
        return new Splice(Map.of(point, List.of(changes))).apply(GRAPH);
    }

    private static Graph kept(Graph graph, Set<String> observed, Set<String> outputs) {
        return new TakeShortcuts(observed, true)
                .then(new Keep(observed, outputs, BOTH))
                .apply(graph);
    }

    private static List<String> ops(Graph graph) {
        List<String> names = new ArrayList<>();
        for (Value value : graph.values()) {
            if (value.source() instanceof Value.Result result) {
                names.add(result.op().name());
            } else if (value.source() instanceof Value.Callback) {
                names.add("callback");
            }
        }
        return names;
    }
}
