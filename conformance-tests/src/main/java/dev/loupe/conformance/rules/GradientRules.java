package dev.loupe.conformance.rules;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.backend.Backend;
import dev.loupe.conformance.cases.GradientCases;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.KinkCases;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.cases.OpFamily;
import dev.loupe.conformance.cases.Precision;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.GradientCheck;
import dev.loupe.conformance.measures.OnBackend;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 9: derivatives, which a backend computes without knowing. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class GradientRules {

    /** How far from central differences in float64: they are themselves good to the square of the step. */
    private static final double NEAR_DIFFERENCES = 1e-6;

    private static final double STEP = 1e-5;

    private final Bench bench;

    public GradientRules(Bench bench) {
        this.bench = bench;
    }

    @Rule("9.1")
    Stream<Trial> operationsThatDerivativesAreMadeOf() {
        return OpFamily.of("9.1").stream()
                .flatMap(family -> bench.floats().stream()
                        .map(type -> new Trial(family.operation() + "/" + type.label(), attempt -> {
                            List<OpCase> cases = family.maker().cases(type, attempt.random(0));
                            attempt.each(cases, OpCase::describe, one -> {
                                List<HostTensor> found = OnBackend.execute(bench.backend(), one.op(), one.inputs());
                                OnBackend.checkTypes(one, found);
                                OperationRules.compare(one, found, bench.oracle(), attempt.report());
                            });
                        })));
    }

    @Rule("9.2")
    Stream<Trial> derivativesWithSymbolicSizesAreThoseOfTheReference() {
        return SymbolicCase.all().stream()
                .filter(SymbolicCase::isDifferentiable)
                .map(one -> new Trial("symbolic/" + one.name(), attempt -> one.runBackward(bench, attempt)));
    }

    @Rule("9.2")
    Stream<Trial> derivativesAreThoseOfCentralDifferences() {
        return GradientCases.of(DType.FLOAT64, new SplittableRandom(0)).keySet().stream()
                .map(name -> new Trial(name, attempt -> {
                    List<OpCase> cases = Objects.requireNonNull(
                            GradientCases.of(DType.FLOAT64, attempt.random(0)).get(name));
                    attempt.each(cases, OpCase::describe, one -> {
                        GradientCheck check = GradientCheck.of(one, new Inputs(attempt.random(1), DType.FLOAT64));
                        for (DType type : bench.floats()) {
                            check(one, check, type);
                        }
                    });
                }));
    }

    @Rule("9.3")
    Stream<Trial> whereThereAreSeveralAnswersTheOneThatIsChosen() {
        return bench.floats().stream()
                .map(type -> new Trial(
                        type.label(),
                        attempt -> attempt.each(KinkCases.all(), KinkCases::name, kink -> {
                            List<HostTensor> found =
                                    GradientCheck.unweighted(kink.one()).gradients(bench.backend(), type, type);
                            for (int i = 0; i < found.size(); i++) {
                                double[] right = kink.expected().get(i);
                                HostTensor expected = HostTensor.of(found.get(i).shape(), right);
                                double[] allowed = new double[right.length];
                                Arrays.fill(allowed, 8 * Precision.eps(type));
                                Comparison.of(found.get(i), expected, allowed)
                                        .check("the derivative with respect to operand " + i + ", " + kink.name());
                            }
                        })));
    }

    private void check(OpCase one, GradientCheck check, DType type) {
        List<HostTensor> exact = againstTheReference(bench, one, check, type);
        for (int i = 0; i < exact.size() && type == DType.FLOAT64; i++) {
            int input = check.inputs().get(i);
            againstDifferences(bench.reference(), one, check, input, exact.get(i), what(one, input, type));
        }
    }

    private static String what(OpCase one, int input, DType type) {
        return "the derivative of " + one.op().name() + " with respect to input " + input + " in " + type.label();
    }

    /** Holds derivatives against the reference in float64, and gives the latter. */
    static List<HostTensor> againstTheReference(Bench bench, OpCase one, GradientCheck check, DType type) {
        List<HostTensor> found = check.gradients(bench.backend(), type, type);
        List<HostTensor> exact = check.gradients(bench.reference(), DType.FLOAT64, type);
        for (int i = 0; i < found.size(); i++) {
            Comparison.of(found.get(i), exact.get(i), allowed(exact.get(i), type))
                    .check(what(one, check.inputs().get(i), type));
        }
        return exact;
    }

    // Sums of a few dozen numbers of magnitude 1, some of which cancel.
    private static double[] allowed(HostTensor exact, DType type) {
        double largest = 1;
        for (int i = 0; i < exact.shape().elements(); i++) {
            largest = Math.max(largest, Math.abs(exact.getDouble(i)));
        }
        double[] allowed = new double[(int) exact.shape().elements()];
        Arrays.fill(allowed, 64 * Precision.eps(type) * largest);
        return allowed;
    }

    public static void againstDifferences(
            Backend reference, OpCase one, GradientCheck check, int input, HostTensor found, String what) {
        HostTensor x = one.inputs().get(input);
        HostTensor expected = HostTensor.allocate(DType.FLOAT64, x.shape());
        double[] allowed = new double[(int) x.shape().elements()];
        for (int at = 0; at < allowed.length; at++) {
            double above = check.scalar(reference, input, moved(x, at, STEP));
            double below = check.scalar(reference, input, moved(x, at, -STEP));
            expected.setDouble(at, (above - below) / (2 * STEP));
            allowed[at] = NEAR_DIFFERENCES * (1 + Math.abs(expected.getDouble(at)));
        }
        Comparison.of(found, expected, allowed).check(what + " against central differences");
    }

    private static HostTensor moved(HostTensor x, int at, double step) {
        HostTensor moved = HostTensor.allocate(x.dtype(), x.shape());
        for (int i = 0; i < x.shape().elements(); i++) {
            moved.setDouble(i, x.getDouble(i) + (i == at ? step : 0));
        }
        return moved;
    }
}
