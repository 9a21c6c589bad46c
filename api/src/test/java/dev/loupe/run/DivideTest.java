package dev.loupe.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Expr;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Change;
import dev.loupe.graph.pass.Keep;
import dev.loupe.graph.pass.SmallGraph;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DivideTest {

    private static final Graph GRAPH = SmallGraph.build();

    @Test
    void aRunIsDividedByRegion() {
        Plan plan = plan(Map.of(), Set.of("sum"), false);

        assertThat(segments(plan)).extracting(Segment::region).containsExactly("blocks.0", "blocks.1", "unembed");
        assertThat(plan.inputs()).containsOnlyKeys("x", "y");
    }

    @Test
    void codeCutsTheRegionWhereItsOutcomeIsRead() {
        Plan plan = plan(Map.of("blocks.1.mid", List.of(new Change.Code(0))), Set.of("sum"), true);

        assertThat(segments(plan))
                .extracting(Segment::region)
                .containsExactly("blocks.0", "blocks.1", "blocks.1", "unembed");
        assertThat(segments(plan)).extracting(Segment::whole).containsExactly(true, false, false, false);
        assertThat(plan.actions()).filteredOn(Plan.Callback.class::isInstance).hasSize(1);
    }

    @Test
    void aFunctionCutsNothing() {
        Plan plan =
                plan(Map.of("blocks.1.mid", List.of(new Change.Function((x, scope) -> x.mul(2)))), Set.of("sum"), true);

        assertThat(segments(plan)).extracting(Segment::region).containsExactly("blocks.0", "blocks.1", "unembed");
        assertThat(segments(plan).get(1).whole()).isTrue();
        assertThat(plan.actions()).noneMatch(Plan.Callback.class::isInstance);
    }

    @Test
    void everyPlaceIsFreedOnceItsLastReaderIsDoneAndResultsNever() {
        Plan plan = plan(Map.of("blocks.1.mid", List.of(new Change.Code(0))), Set.of("sum"), false);

        List<Integer> freed = plan.actions().stream()
                .flatMap(action -> java.util.Arrays.stream(action.freed()).boxed())
                .toList();
        assertThat(freed)
                .doesNotHaveDuplicates()
                .doesNotContain(Objects.requireNonNull(plan.outputs().get("sum")));
        assertThat(freed).containsAll(plan.inputs().values());
    }

    @Test
    void aRegionHasOneStandardFormWhateverIsAskedFor() {
        Segment plain = segments(plan(Map.of(), Set.of("sum"), true)).get(0);
        Segment first = segments(plan(Map.of(), Set.of("first"), true)).get(0);

        assertThat(plain.whole()).isTrue();
        assertThat(first).isEqualTo(plain);
    }

    @Test
    void aStandardFormReadsNothingThatNeverLeavesItsSegment() {
        GraphBuilder b = new GraphBuilder().region("blocks.0");
        Value x = b.input("x", DType.FLOAT32, Dim.of(2));
        Expr inner = new Expr(b, x).mul(2);
        Value first = b.hook("blocks.0.first", inner.add(1).value());
        b.region("blocks.1");
        b.hook("blocks.1.aside", inner.mul(3).value());
        Value last = b.hook("blocks.1.last", new Expr(b, first).add(1).value());
        b.output("out", last);

        Keep keep = new Keep(Set.of(), Set.of("out"), Set.of("x"));
        Plan plan = Divide.divide(b.build(), keep, true, Map.of());

        // Nothing that is needed at blocks.1 reads what is inside blocks.0, so it isn't kept for the point aside.
        Set<Integer> written = new HashSet<>(plan.inputs().values());
        for (Plan.Action action : plan.actions()) {
            Plan.RunSegment run = (Plan.RunSegment) action;
            assertThat(Arrays.stream(run.inputs()).boxed()).allMatch(written::contains);
            Arrays.stream(run.results()).forEach(written::add);
        }
        assertThat(segments(plan)).extracting(Segment::whole).containsExactly(true, false);
    }

    private static Plan plan(Map<String, List<Change>> changes, Set<String> outputs, boolean compiles) {
        PlanRequest request = new PlanRequest(Set.of("x", "y"), Set.of(), Set.of(), changes, outputs);
        Graph prepared = request.steps(GRAPH, !compiles).get("shortcuts");
        return Divide.divide(Objects.requireNonNull(prepared), request.keep(), compiles, Map.of());
    }

    private static List<Segment> segments(Plan plan) {
        return plan.actions().stream()
                .filter(Plan.RunSegment.class::isInstance)
                .map(action -> ((Plan.RunSegment) action).key().segment())
                .toList();
    }
}
