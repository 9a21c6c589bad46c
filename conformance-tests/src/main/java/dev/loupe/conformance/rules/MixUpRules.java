package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.conformance.cases.LookAlikes;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.SampleBlock;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.ModelTolerance;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.PreparedBlock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 4, third part: kernels, graphs and weights that are taken for their like. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class MixUpRules {

    private final Bench bench;

    public MixUpRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("4.18")
    Stream<Trial> attributesTellOperationsApart() {
        return LookAlikes.groups(new SplittableRandom(0)).stream()
                .map(group -> new Trial(group.get(0).op().name(), attempt -> {
                    List<OpCase> cases = LookAlikes.groups(attempt.random(0)).stream()
                            .filter(other -> other.get(0)
                                    .op()
                                    .name()
                                    .equals(group.get(0).op().name()))
                            .findFirst()
                            .orElseThrow();
                    List<PreparedGraph> graphs = new ArrayList<>();
                    try {
                        for (OpCase one : cases) {
                            Segment segment = Segments.ofOneOp(one.op(), one.inputTypes());
                            graphs.add(bench.backend().prepare(segment, Segments.NO_WEIGHTS));
                        }
                        attempt.each(cases, OpCase::describe, one -> {
                            OperationRules.compare(
                                    one,
                                    OnBackend.execute(bench.backend(), one.op(), one.inputs()),
                                    bench.oracle(),
                                    attempt.report());
                            PreparedGraph graph = graphs.get(cases.indexOf(one));
                            List<Integer> outputs =
                                    Segments.ofOneOp(one.op(), one.inputTypes()).outputs();
                            OperationRules.compare(
                                    one,
                                    OnBackend.run(bench.backend(), graph, one.inputs(), outputs),
                                    bench.oracle(),
                                    attempt.report());
                        });
                    } finally {
                        graphs.forEach(PreparedGraph::close);
                    }
                }));
    }

    @Rule("4.5")
    Stream<Trial> weightsOfOneNameAreTwoWeights() {
        return Stream.of(new Trial("one-name/float32", attempt -> {
            SampleBlock block = new SampleBlock(DType.FLOAT32);
            List<HostTensor> inputs = block.inputs(attempt.random(2), 2, 7);
            List<Integer> wanted = List.of(block.result());
            Map<String, HostTensor> first = block.weights(attempt.random(0));
            Map<String, HostTensor> second = block.weights(attempt.random(1));
            List<HostTensor> expected = new ArrayList<>();
            for (Map<String, HostTensor> weights : List.of(first, second)) {
                try (PreparedBlock truth = new PreparedBlock(bench.reference(), block.segment(), weights)) {
                    expected.add(truth.run(inputs, wanted).get(0));
                }
            }
            try (PreparedBlock one = new PreparedBlock(bench.backend(), block.segment(), first);
                    PreparedBlock other = new PreparedBlock(bench.backend(), block.segment(), second)) {
                attempt.each(List.of(0, 1, 0), which -> "model " + which + " of two", which -> {
                    HostTensor found =
                            (which == 0 ? one : other).run(inputs, wanted).get(0);
                    ModelTolerance.check(
                            "the block's result with the weights of model " + which
                                    + " of two whose names are the same",
                            found,
                            expected.get(which),
                            2,
                            attempt.report(),
                            attempt.path());
                });
            }
        }));
    }
}
