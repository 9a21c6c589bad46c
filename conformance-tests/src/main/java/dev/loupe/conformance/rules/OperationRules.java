package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.conformance.cases.ElementwiseCases;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.OpFamily;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.OnBackend;
import dev.loupe.conformance.measures.Oracle;
import dev.loupe.conformance.measures.Tolerances;
import dev.loupe.conformance.report.Report;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 3, first part: every operation in every declared type, against the reference in float64. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OperationRules {

    private final Bench bench;

    public OperationRules(Bench bench) {
        this.bench = bench;
    }

    /** The first cases of every operation that takes a type. */
    static List<OpCase> allCases(DType type, SplittableRandom random) {
        List<OpCase> cases = new ArrayList<>();
        for (OpFamily family : OpFamily.every()) {
            if (family.takes().includes(type)) {
                List<OpCase> all = family.maker().cases(type, random);
                cases.addAll(all.subList(0, Math.min(2, all.size())));
            }
        }
        return cases;
    }

    @Rule("3.1")
    Stream<Trial> outputsAreOfTheTypesPromised() {
        return bench.movable().stream()
                .map(type -> new Trial(type.label(), attempt -> {
                    List<OpCase> cases = allCases(type, attempt.random(0));
                    attempt.each(cases, OpCase::describe, one -> OnBackend.checkTypes(one, run(one)));
                }));
    }

    @Rule("3.2")
    Stream<Trial> elementwiseOfOneInput() {
        return againstTheReference("3.2");
    }

    @Rule("3.3")
    Stream<Trial> elementwiseOfTwoInputs() {
        return againstTheReference("3.3");
    }

    @Rule("3.4")
    Stream<Trial> choosingByCondition() {
        return againstTheReference("3.4");
    }

    @Rule("3.5")
    Stream<Trial> converting() {
        return bench.types().stream()
                .flatMap(from -> bench.types().stream()
                        .map(to -> new Trial("cast/" + from.label() + "-to-" + to.label(), attempt -> {
                            List<OpCase> cases = ElementwiseCases.cast(from, to, attempt.random(0));
                            attempt.each(cases, OpCase::describe, one -> judge(one, attempt));
                        })));
    }

    @Rule("3.5")
    Stream<Trial> filling() {
        return againstTheReference("3.5");
    }

    @Rule("3.6")
    Stream<Trial> matrixProducts() {
        return againstTheReference("3.6");
    }

    @Rule("3.7")
    public Stream<Trial> reductions() {
        return againstTheReference("3.7");
    }

    @Rule("3.8")
    Stream<Trial> choosingTheBest() {
        return againstTheReference("3.8");
    }

    @Rule("3.9")
    Stream<Trial> runningSums() {
        return againstTheReference("3.9");
    }

    @Rule("3.10")
    Stream<Trial> gatheringAndScattering() {
        return againstTheReference("3.10");
    }

    @Rule("3.12")
    Stream<Trial> movingElements() {
        return againstTheReference("3.12");
    }

    @Rule("3.13")
    public Stream<Trial> softmax() {
        return againstTheReference("3.13");
    }

    @Rule("3.14")
    Stream<Trial> activationFunctions() {
        return againstTheReference("3.14");
    }

    @Rule("3.15")
    Stream<Trial> linearLayersAndNorms() {
        return againstTheReference("3.15");
    }

    @Rule("3.16")
    Stream<Trial> rotationAndAttention() {
        return againstTheReference("3.16");
    }

    @Rule("3.17")
    Stream<Trial> replacingARange() {
        return againstTheReference("3.17");
    }

    private Stream<Trial> againstTheReference(String rule) {
        return OpFamily.of(rule).stream()
                .flatMap(family -> bench.movable().stream()
                        .filter(family.takes()::includes)
                        .map(type -> new Trial(family.operation() + "/" + type.label(), attempt -> {
                            List<OpCase> cases = family.maker().cases(type, attempt.random(0));
                            attempt.each(cases, OpCase::describe, one -> judge(one, attempt));
                        })));
    }

    private List<HostTensor> run(OpCase one) {
        return OnBackend.execute(bench.backend(), one.op(), one.inputs());
    }

    private void judge(OpCase one, Attempt attempt) {
        List<HostTensor> found = run(one);
        OnBackend.checkTypes(one, found);
        compare(one, found, bench.oracle(), attempt.report());
    }

    /** Holds the outputs of an op against the reference, within tolerance. */
    public static void compare(OpCase one, List<HostTensor> found, Oracle oracle, Report report) {
        List<HostTensor> expected = oracle.outputs(one);
        for (int i = 0; i < found.size(); i++) {
            DType type = found.get(i).dtype();
            double[] allowed = Tolerances.allowed(one, expected.get(i), type, oracle);
            Comparison comparison = Comparison.of(found.get(i), expected.get(i), allowed);
            DType shown = one.op() instanceof Op.Cast || one.inputs().isEmpty()
                    ? type
                    : one.inputs().get(one.inputs().size() - 1).dtype();
            report.measured(one.op().name(), named(one, shown), comparison, one.describe());
            comparison.check(one.op().name() + " in " + named(one, shown));
        }
    }

    private static DType named(OpCase one, DType last) {
        boolean indexed = one.op() instanceof Op.Gather || one.op() instanceof Op.GatherElements;
        return indexed || one.op() instanceof Op.Attention ? one.inputs().get(0).dtype() : last;
    }
}
