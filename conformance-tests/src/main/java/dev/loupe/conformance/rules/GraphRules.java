package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.TensorHandle;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.SampleBlock;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Oracle;
import dev.loupe.conformance.measures.PreparedBlock;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 4, first part: prepared segments, as the planner uses them. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class GraphRules {

    private static final int[][] SIZES = {{1, 1}, {2, 7}, {3, 4}, {1, 31}, {2, 7}};

    private final Bench bench;

    public GraphRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("4.1")
    Stream<Trial> oneGraphServesEverySize() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            try (Pair pair = new Pair(block, attempt.random(0))) {
                SplittableRandom random = attempt.random(1);
                attempt.each(List.of(SIZES), sizes -> "batch " + sizes[0] + ", pos " + sizes[1], sizes -> {
                    List<HostTensor> inputs = block.inputs(random.split(), sizes[0], sizes[1]);
                    pair.check(inputs, List.of(block.result()), attempt);
                });
            }
        });
    }

    @Rule("4.2")
    Stream<Trial> outputsComeInTheOrderWanted() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            List<Integer> outputs = block.segment().outputs();
            List<Integer> reversed = new ArrayList<>(outputs);
            Collections.reverse(reversed);
            List<Integer> shuffled = new ArrayList<>(outputs);
            Collections.rotate(shuffled, 5);
            Collections.swap(shuffled, 0, 3);
            List<List<Integer>> orders =
                    List.of(reversed, shuffled, shuffled.subList(2, 9), List.of(block.result(), outputs.get(0)));
            try (Pair pair = new Pair(block, attempt.random(0))) {
                List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 7);
                attempt.each(orders, order -> "wanted slots " + order, order -> pair.check(inputs, order, attempt));
            }
        });
    }

    @Rule("4.2")
    Stream<Trial> outputsComeInEveryOrder() {
        return eachType((type, attempt) -> {
            TensorType x = TensorType.of(type, Dim.symbol("batch"), Dim.of(6));
            List<Op.UnaryKind> kinds =
                    List.of(Op.UnaryKind.NEG, Op.UnaryKind.ABS, Op.UnaryKind.RELU, Op.UnaryKind.SIGN);
            List<Segment.Step> steps = new ArrayList<>();
            for (int i = 0; i < kinds.size(); i++) {
                steps.add(new Segment.Step(new Op.Unary(kinds.get(i)), List.of(0), List.of(i + 1)));
            }
            List<Integer> outputs = List.of(1, 2, 3, 4);
            Segment segment = new Segment(
                    "order", Placement.ANYWHERE, false, List.of(x, x, x, x, x), List.of(0), List.of(), steps, outputs);
            HostTensor data = new Inputs(attempt.random(0), type).normal(3, 6);
            List<HostTensor> alone = kinds.stream()
                    .map(kind -> OnBackend.execute(bench.backend(), new Op.Unary(kind), List.of(data))
                            .get(0))
                    .toList();
            try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
                attempt.each(orders(outputs), order -> "wanted slots " + order, order -> {
                    List<HostTensor> found = OnBackend.run(bench.backend(), graph, List.of(data), order);
                    assertThat(found)
                            .as("results of a run for the slots %s", order)
                            .hasSameSizeAs(order);
                    for (int i = 0; i < order.size(); i++) {
                        Comparison.of(found.get(i), alone.get(order.get(i) - 1), null)
                                .check("slot " + order.get(i) + ", wanted " + order);
                    }
                });
            }
        });
    }

    /** Every choice of some slots, in every order. */
    private static List<List<Integer>> orders(List<Integer> slots) {
        List<List<Integer>> all = new ArrayList<>();
        for (Integer slot : slots) {
            all.add(List.of(slot));
            List<Integer> others =
                    slots.stream().filter(other -> !other.equals(slot)).toList();
            for (List<Integer> rest : orders(others)) {
                List<Integer> one = new ArrayList<>(List.of(slot));
                one.addAll(rest);
                all.add(one);
            }
        }
        return all;
    }

    @Rule("4.3")
    Stream<Trial> aRunComputesFromItsOwnInputs() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            try (Pair pair = new Pair(block, attempt.random(0))) {
                List<HostTensor> first = block.inputs(attempt.random(1), 2, 7);
                List<HostTensor> second = block.inputs(attempt.random(2), 2, 7);
                HostTensor everything = HostTensor.allocate(DType.BOOL, Shape.of(2, 1, 7, 7));
                for (int i = 0; i < everything.shape().elements(); i++) {
                    everything.setDouble(i, 1);
                }
                List<List<HostTensor>> runs = List.of(first, second, List.of(second.get(0), everything), first);
                attempt.each(
                        runs,
                        run -> "runs one after the other",
                        run -> pair.check(run, List.of(block.result()), attempt));
            }
        });
    }

    @Rule("4.4")
    Stream<Trial> inputsStayAndResultsAreNew() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 7);
            try (Pair pair = new Pair(block, attempt.random(0))) {
                leavesInputs(pair.mine.graph(), inputs, block.segment().outputs());
            }
            Segment views = views(type);
            try (PreparedGraph graph = bench.backend().prepare(views, Segments.NO_WEIGHTS)) {
                leavesInputs(graph, List.of(inputs.get(0)), views.outputs());
            }
        });
    }

    /** A segment all of whose outputs are its input under another name: the easy way would be to give that back. */
    private static Segment views(DType type) {
        Dim pos = Dim.symbol("pos");
        TensorType x = TensorType.of(type, Dim.symbol("batch"), pos, Dim.of(SampleBlock.WIDTH));
        Op same = new Op.Transpose(List.of(0, 1, 2));
        List<Segment.Step> steps = List.of(
                new Segment.Step(same, List.of(0), List.of(1)),
                new Segment.Step(new Op.Slice(1, 0, Op.Slice.TO_END, 1), List.of(1), List.of(2)),
                new Segment.Step(new Op.Cast(type), List.of(0), List.of(3)));
        return new Segment(
                "", Placement.ANYWHERE, false, List.of(x, x, x, x), List.of(0), List.of(), steps, List.of(1, 2, 3));
    }

    private void leavesInputs(PreparedGraph graph, List<HostTensor> inputs, List<Integer> wanted) {
        try (OnBackend.Handles handles = new OnBackend.Handles(bench.backend())) {
            List<TensorHandle> in = handles.upload(inputs);
            List<TensorHandle> results = new ArrayList<>(handles.adopt(graph.run(in, wanted)));
            List<HostTensor> values = handles.download(results);
            // Closing one result must not touch the others, nor the inputs.
            while (!results.isEmpty()) {
                handles.close(results.remove(0));
                for (int i = 0; i < results.size(); i++) {
                    HostTensor before = values.get(values.size() - results.size() + i);
                    Comparison.of(handles.download(results.get(i)), before, null)
                            .check("a result, after another was closed");
                }
            }
            for (int i = 0; i < in.size(); i++) {
                Comparison.of(handles.download(in.get(i)), inputs.get(i), null).check("input " + i + " after the run");
            }
        }
    }

    @Rule("4.5")
    Stream<Trial> weightsAreSharedAndStayOpen() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            Map<String, HostTensor> weights = block.weights(attempt.random(0));
            List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 7);
            try (PreparedBlock mine = new PreparedBlock(bench.backend(), block.segment(), weights)) {
                List<HostTensor> before = mine.run(inputs, List.of(block.result()));
                try (PreparedGraph another = mine.prepare()) {
                    List<HostTensor> after = OnBackend.run(bench.backend(), another, inputs, List.of(block.result()));
                    same("a second graph with the same weights", after.get(0), before.get(0), attempt);
                }
                weights.forEach((name, weight) -> Comparison.of(mine.download(name), weight, null)
                        .check("the weight " + name + ", after a graph that used it was closed"));
                assertThat(mine.run(inputs, List.of(block.result())))
                        .as("outputs of the first graph")
                        .hasSize(1);
            }
        });
    }

    @Rule("4.6")
    Stream<Trial> whatIsWantedChangesNothing() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 7);
            int result = block.result();
            try (Pair pair = new Pair(block, attempt.random(0))) {
                HostTensor alone = pair.mine.run(inputs, List.of(result)).get(0);
                attempt.each(block.segment().outputs(), slot -> "slot " + slot + " wanted, too", slot -> {
                    List<HostTensor> both =
                            pair.mine.run(inputs, slot == result ? List.of(slot) : List.of(slot, result));
                    same("the block's result", both.get(both.size() - 1), alone, attempt);
                });
            }
        });
    }

    @Rule("4.7")
    Stream<Trial> aBlockGivesTheReferencesValues() {
        return eachType((type, attempt) -> {
            SampleBlock block = new SampleBlock(type);
            try (Pair pair = new Pair(block, attempt.random(0))) {
                pair.check(
                        block.inputs(attempt.random(1), 2, 7), block.segment().outputs(), attempt);
                pair.check(
                        block.inputs(attempt.random(2), 1, 64), block.segment().outputs(), attempt);
            }
        });
    }

    @Rule("4.7")
    Stream<Trial> aBlockOfALargeModelGivesTheReferencesValues() {
        return bench.floats().stream()
                .map(type -> new Trial("groups-of-four/" + type.label(), attempt -> {
                    SampleBlock block = new SampleBlock(type, 32, 8);
                    try (Pair pair = new Pair(block, attempt.random(0))) {
                        pair.check(
                                block.inputs(attempt.random(1), 5, 7),
                                block.segment().outputs(),
                                attempt);
                    }
                }));
    }

    @Rule("4.8")
    void graphsOfOneSegmentAreIndependent(Attempt attempt) {
        SampleBlock block = new SampleBlock(DType.FLOAT32);
        List<HostTensor> inputs = block.inputs(attempt.random(1), 2, 7);
        Map<String, HostTensor> weights = block.weights(attempt.random(0));
        try (PreparedBlock first = new PreparedBlock(bench.backend(), block.segment(), weights)) {
            PreparedBlock second = new PreparedBlock(bench.backend(), block.segment(), weights);
            HostTensor before = first.run(inputs, List.of(block.result())).get(0);
            second.close();
            HostTensor after = first.run(inputs, List.of(block.result())).get(0);
            same("the result of one graph, after its twin was closed", after, before, attempt);
        }
    }

    @Rule("4.9")
    void aRunThatFailsLeavesTheGraphWorking(Attempt attempt) {
        TensorType table = TensorType.of(DType.FLOAT32, Dim.of(6), Dim.of(4));
        TensorType ids = TensorType.of(DType.INT64, Dim.symbol("pos"));
        TensorType rows = TensorType.of(DType.FLOAT32, Dim.symbol("pos"), Dim.of(4));
        Segment segment = new Segment(
                "embed",
                Placement.ANYWHERE,
                true,
                List.of(table, ids, rows, rows),
                List.of(0, 1),
                List.of(),
                List.of(
                        new Segment.Step(new Op.Gather(0), List.of(0, 1), List.of(2)),
                        new Segment.Step(new Op.Unary(Op.UnaryKind.NEG), List.of(2), List.of(3))),
                List.of(2, 3));
        HostTensor data = new Inputs(attempt.random(0), DType.FLOAT32).normal(6, 4);
        try (PreparedGraph graph = bench.backend().prepare(segment, Segments.NO_WEIGHTS)) {
            for (int i = 0; i < 3; i++) {
                List<HostTensor> bad = List.of(data, HostTensor.of(Shape.of(2), 1L, 6L));
                Refusal.of(
                        "gathering row 6 of 6 inside a segment",
                        IndexOutOfBoundsException.class,
                        () -> OnBackend.run(bench.backend(), graph, bad, List.of(3)));
                List<HostTensor> good = List.of(data, HostTensor.of(Shape.of(1), 5L));
                HostTensor out =
                        OnBackend.run(bench.backend(), graph, good, List.of(3)).get(0);
                assertThat(out.getDouble(0)).as("the graph's result afterwards").isEqualTo(-data.getDouble(20));
            }
        }
    }

    private void same(String what, HostTensor found, HostTensor before, Attempt attempt) {
        ModelTolerance.check(what, found, before, 2, attempt.report(), attempt.path());
    }

    private interface TypedBody {
        void run(DType type, Attempt attempt) throws Exception;
    }

    private Stream<Trial> eachType(TypedBody body) {
        return bench.floats().stream().map(type -> new Trial(type.label(), attempt -> body.run(type, attempt)));
    }

    /** A block on the backend on trial, and the same in float64 on the reference. */
    private final class Pair implements AutoCloseable {
        private final SampleBlock block;
        private final PreparedBlock mine;
        private final PreparedBlock truth;

        Pair(SampleBlock block, SplittableRandom random) {
            this.block = block;
            Map<String, HostTensor> weights = block.weights(random);
            Map<String, HostTensor> wide = new java.util.LinkedHashMap<>();
            weights.forEach((name, weight) -> wide.put(name, weight.to(DType.FLOAT64)));
            mine = new PreparedBlock(bench.backend(), block.segment(), weights);
            truth = new PreparedBlock(bench.reference(), block.wide().segment(), wide);
        }

        void check(List<HostTensor> inputs, List<Integer> wanted, Attempt attempt) {
            List<HostTensor> found = mine.run(inputs, wanted);
            List<HostTensor> expected =
                    truth.run(inputs.stream().map(Oracle::wide).toList(), wanted);
            List<TensorType> promised = new ArrayList<>();
            Map<String, Long> symbols = OnBackend.symbols(
                    block.segment().inputs().stream()
                            .map(block.segment().types()::get)
                            .toList(),
                    inputs);
            for (int slot : wanted) {
                TensorType type = block.segment().types().get(slot);
                promised.add(TensorType.of(type.dtype(), type.resolve(symbols)));
            }
            OnBackend.checkTypes("the segment", promised, found);
            for (int i = 0; i < wanted.size(); i++) {
                String what = "slot " + wanted.get(i) + " (" + maker(wanted.get(i)) + ")";
                ModelTolerance.check(what, found.get(i), expected.get(i), 1, attempt.report(), attempt.path());
            }
        }

        private String maker(int slot) {
            return block.segment().steps().stream()
                    .filter(step -> step.outputs().contains(slot))
                    .map(step -> step.op().name())
                    .findFirst()
                    .orElse("?");
        }

        @Override
        public void close() {
            mine.close();
            truth.close();
        }
    }
}
