package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.conformance.cases.GradientCases;
import dev.loupe.conformance.cases.Inputs;
import dev.loupe.conformance.cases.KinkCases;
import dev.loupe.conformance.cases.OpCase;
import dev.loupe.conformance.measures.Comparison;
import dev.loupe.conformance.measures.GradientCheck;
import dev.loupe.conformance.rules.GradientRules;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import dev.loupe.graph.Value;
import dev.loupe.graph.pass.Rewriter;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Derivatives with one fault each, written into the backward part of the graph: rules 9.2 and 9.3 find them. */
class GradientMutantsTest {

    private static final String FORWARD = "op";

    private static Backend reference;

    @BeforeAll
    static void open() {
        reference = Backends.open("reference", BackendOptions.DEFAULT);
    }

    @AfterAll
    static void close() {
        reference.close();
    }

    /** Gives what takes the place of an operation's result in the backward part; null leaves it as it is. */
    @FunctionalInterface
    private interface Fault {
        @Nullable
        Value instead(Op op, List<Value> operands, GraphBuilder b);
    }

    /** A fault and the operation whose derivative it spoils, or the choice at a kink that it does. */
    private record Mutant(String name, String spoils, Fault fault) {
        Graph apply(Graph graph) {
            return Rewriter.rewrite(graph, (old, to) -> {
                if (!old.region().equals(FORWARD) && old.source() instanceof Value.Result result) {
                    List<Value> operands = result.inputs().stream().map(to::get).toList();
                    Value instead = fault.instead(result.op(), operands, to.builder());
                    if (instead != null) {
                        return instead;
                    }
                }
                return to.copy(old);
            });
        }

        @Override
        public String toString() {
            return name + " (" + spoils + ")";
        }
    }

    private static boolean is(Op op, UnaryKind kind) {
        return op instanceof Op.Unary unary && unary.kind() == kind;
    }

    private static boolean is(Op op, BinaryKind kind) {
        return op instanceof Op.Binary binary && binary.kind() == kind;
    }

    private static @Nullable Value withoutSign(Op op, List<Value> in, GraphBuilder b) {
        return is(op, UnaryKind.NEG) ? in.get(0) : null;
    }

    private static Fault constant(double right, double wrong) {
        return (op, in, b) -> op instanceof Op.Full full && full.value() == right
                ? b.apply(new Op.Full(full.dtype(), full.shape(), wrong))
                : null;
    }

    private static Fault oneForTheOther(ActivationKind right, ActivationKind wrong) {
        return (op, in, b) -> op.equals(new Op.ActivationGradient(right))
                ? b.apply(new Op.ActivationGradient(wrong), in.get(0), in.get(1))
                : null;
    }

    private static Value transposedUnlessSquare(Op.Transpose op, List<Value> in, GraphBuilder b) {
        Value turned = b.apply(op, in.get(0));
        return turned.type().equals(in.get(0).type()) ? in.get(0) : turned;
    }

    private static Value largestInsteadOfSum(Op.Reduce op, List<Value> in, GraphBuilder b) {
        return b.apply(new Op.Reduce(ReduceKind.MAX, op.axes(), op.keepDims()), in.get(0));
    }

    static Stream<Mutant> mutants() {
        return Stream.of(
                new Mutant("a wrong sign", "sub", GradientMutantsTest::withoutSign),
                new Mutant("a wrong sign", "cos", GradientMutantsTest::withoutSign),
                new Mutant("turned the wrong way", "rotate", GradientMutantsTest::withoutSign),
                new Mutant(
                        "a forgotten broadcast sum",
                        "add",
                        (op, in, b) -> op instanceof Op.Reduce reduce ? largestInsteadOfSum(reduce, in, b) : null),
                new Mutant(
                        "a forgotten sum over the batch",
                        "linear",
                        (op, in, b) -> op instanceof Op.Reduce reduce ? largestInsteadOfSum(reduce, in, b) : null),
                new Mutant(
                        "a product that isn't transposed",
                        "matmul",
                        (op, in, b) -> op instanceof Op.Transpose turn ? transposedUnlessSquare(turn, in, b) : null),
                new Mutant(
                        "a norm's scale taken for a constant",
                        "layer_norm",
                        (op, in, b) -> op instanceof Op.NormGradient norm
                                ? b.sub(b.apply(norm, in.get(0), in.get(1)), b.mul(b.scalar(0.1, in.get(1)), in.get(1)))
                                : null),
                new Mutant(
                        "a norm that forgets that it centres",
                        "layer_norm",
                        (op, in, b) -> op instanceof Op.NormGradient norm
                                ? b.apply(new Op.NormGradient(false, norm.eps()), in.get(0), in.get(1))
                                : null),
                new Mutant(
                        "a norm that centres though it doesn't",
                        "rms_norm",
                        (op, in, b) -> op instanceof Op.NormGradient norm
                                ? b.apply(new Op.NormGradient(true, norm.eps()), in.get(0), in.get(1))
                                : null),
                new Mutant(
                        "another eps",
                        "rms_norm",
                        (op, in, b) -> op instanceof Op.NormGradient norm
                                ? b.apply(new Op.NormGradient(false, norm.eps() / 2), in.get(0), in.get(1))
                                : null),
                new Mutant(
                        "a derivative through a mask",
                        "where",
                        (op, in, b) -> op instanceof Op.Where
                                ? b.where(
                                        b.binary(BinaryKind.OR, in.get(0), b.unary(UnaryKind.NOT, in.get(0))),
                                        in.get(1),
                                        in.get(2))
                                : null),
                new Mutant(
                        "a softmax without its sum",
                        "softmax",
                        (op, in, b) -> op instanceof Op.SoftmaxGradient ? b.mul(in.get(0), in.get(1)) : null),
                new Mutant(
                        "a softmax for its logarithm",
                        "log_softmax",
                        (op, in, b) -> op instanceof Op.LogSoftmaxGradient softmax
                                ? b.apply(new Op.SoftmaxGradient(softmax.axis()), in.get(0), in.get(1))
                                : null),
                new Mutant(
                        "one GELU for the other",
                        "gelu_tanh",
                        oneForTheOther(ActivationKind.GELU_TANH, ActivationKind.GELU)),
                new Mutant(
                        "one sigmoid for the other",
                        "quick_gelu",
                        oneForTheOther(ActivationKind.QUICK_GELU, ActivationKind.SILU)),
                new Mutant(
                        "updates that overwrite one another",
                        "gather",
                        (op, in, b) -> op instanceof Op.ScatterAdd scatter
                                ? b.apply(new Op.ScatterElements(scatter.axis()), in.get(0), in.get(1), in.get(2))
                                : null),
                new Mutant(
                        "a slice put back one place too early",
                        "slice",
                        (op, in, b) -> op instanceof Op.Unslice slice && slice.start() == 1 && slice.end() == -1
                                ? b.apply(new Op.Unslice(slice.axis(), 0, -2, 1), in.get(0), in.get(1))
                                : null),
                new Mutant(
                        "a running sum in the same direction",
                        "cumsum",
                        (op, in, b) -> op instanceof Op.CumSum sum
                                ? b.apply(new Op.CumSum(sum.axis(), !sum.reverse()), in.get(0))
                                : null),
                new Mutant(
                        "a mean that isn't divided",
                        "reduce_mean",
                        (op, in, b) -> is(op, BinaryKind.DIV) ? in.get(0) : null),
                new Mutant("a missing half", "sqrt", constant(0.5, 1)),
                new Mutant("a missing scale of scores", "attention", constant(0.4, 1)),
                new Mutant("a wrong constant", "tanh", constant(1, 1.01)),
                new Mutant(
                        "relu lets through at 0",
                        "relu at 0",
                        (op, in, b) -> is(op, BinaryKind.GT) ? b.binary(BinaryKind.GE, in.get(0), in.get(1)) : null),
                new Mutant("both equals get all", "the larger of equals", constant(0.5, 1)),
                new Mutant(
                        "all equals get all",
                        "the largest of equals",
                        (op, in, b) -> is(op, BinaryKind.DIV) ? in.get(0) : null),
                new Mutant(
                        "overwritten numbers count",
                        "what was overwritten",
                        (op, in, b) -> op instanceof Op.ScatterElements ? in.get(0) : null));
    }

    @ParameterizedTest
    @MethodSource("mutants")
    void aFaultInADerivativeIsFound(Mutant mutant) {
        List<KinkCases> kinks = KinkCases.all().stream()
                .filter(kink -> kink.name().equals(mutant.spoils()))
                .toList();
        if (kinks.isEmpty()) {
            assertThat(fails(mutant)).isTrue();
        } else {
            KinkCases kink = kinks.get(0);
            assertThatThrownBy(() -> check(kink, mutant)).isInstanceOf(AssertionError.class);
        }
    }

    private static void check(KinkCases kink, Mutant mutant) {
        List<HostTensor> found =
                GradientCheck.unweighted(kink.one()).gradients(reference, DType.FLOAT64, DType.FLOAT64, mutant::apply);
        for (int i = 0; i < found.size(); i++) {
            double[] right = kink.expected().get(i);
            double[] allowed = new double[right.length];
            Arrays.fill(allowed, 1e-12);
            Comparison.of(found.get(i), HostTensor.of(Shape.of(right.length), right), allowed)
                    .check(kink.name());
        }
    }

    /** Whether one of the operation's cases is off; that none is without the fault is rule 9.2 itself. */
    private static boolean fails(Mutant mutant) {
        for (OpCase one :
                GradientCases.of(DType.FLOAT64, new SplittableRandom(1)).get(mutant.spoils())) {
            GradientCheck check = GradientCheck.of(one, new Inputs(new SplittableRandom(2), DType.FLOAT64));
            List<HostTensor> spoilt = check.gradients(reference, DType.FLOAT64, DType.FLOAT64, mutant::apply);
            for (int i = 0; i < spoilt.size(); i++) {
                if (isOff(one, check, check.inputs().get(i), spoilt.get(i))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean isOff(OpCase one, GradientCheck check, int input, HostTensor spoilt) {
        try {
            GradientRules.againstDifferences(reference, one, check, input, spoilt, "with the fault");
            return false;
        } catch (AssertionError e) {
            return true;
        }
    }
}
