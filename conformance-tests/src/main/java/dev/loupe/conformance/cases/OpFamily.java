package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.ReduceKind;
import dev.loupe.graph.Op.UnaryKind;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.apiguardian.api.API;

/**
 * An operation with the data types it takes and the cases it is tried on.
 *
 * @param rule the rule by which its numbers are judged
 * @param operation its name
 * @param takes which types
 * @param maker makes the cases
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record OpFamily(String rule, String operation, Takes takes, Maker maker) {

    /** Which data types an operation takes. */
    public enum Takes {
        /** Floating-point. */
        FLOATS,
        /** Floating-point and whole numbers. */
        NUMBERS,
        /** Bool alone. */
        BOOLS,
        /** All. */
        ANYTHING;

        /** Whether a type, known to be one to compute in if it is floating, is taken. */
        public boolean includes(DType type) {
            return switch (this) {
                case FLOATS -> type.isFloating();
                case NUMBERS -> type != DType.BOOL;
                case BOOLS -> type == DType.BOOL;
                case ANYTHING -> true;
            };
        }
    }

    /** Makes cases. */
    @FunctionalInterface
    public interface Maker {
        /** Cases in a data type. */
        List<OpCase> cases(DType type, SplittableRandom random);
    }

    private static final List<OpFamily> ALL = all();

    /** Every operation but {@code cast}, which has two types. */
    public static List<OpFamily> every() {
        return ALL;
    }

    /** The operations that a rule judges. */
    public static List<OpFamily> of(String rule) {
        return ALL.stream().filter(family -> family.rule().equals(rule)).toList();
    }

    private static List<OpFamily> all() {
        List<OpFamily> all = new ArrayList<>();
        for (UnaryKind kind : UnaryKind.values()) {
            String name = new Op.Unary(kind).name();
            all.add(new OpFamily("3.2", name, takes(kind), (t, r) -> ElementwiseCases.unary(kind, t, r)));
        }
        for (BinaryKind kind : BinaryKind.values()) {
            String name = new Op.Binary(kind).name();
            all.add(new OpFamily("3.3", name, takes(kind), (t, r) -> ElementwiseCases.binary(kind, t, r)));
        }
        all.add(new OpFamily("3.4", "where", Takes.ANYTHING, ElementwiseCases::where));
        all.add(new OpFamily("3.5", "full", Takes.ANYTHING, (t, r) -> ElementwiseCases.full(t)));
        all.add(new OpFamily("3.6", "matmul", Takes.FLOATS, ReductionCases::matmul));
        for (ReduceKind kind : ReduceKind.values()) {
            String name = new Op.Reduce(kind, List.of(0), true).name();
            Takes takes = kind == ReduceKind.MEAN ? Takes.FLOATS : Takes.NUMBERS;
            all.add(new OpFamily("3.7", name, takes, (t, r) -> ReductionCases.reduce(kind, t, r)));
        }
        all.add(new OpFamily("3.8", "argmax", Takes.NUMBERS, (t, r) -> ReductionCases.argReduce(true, t, r)));
        all.add(new OpFamily("3.8", "argmin", Takes.NUMBERS, (t, r) -> ReductionCases.argReduce(false, t, r)));
        all.add(new OpFamily("3.8", "topk", Takes.NUMBERS, ReductionCases::topK));
        all.add(new OpFamily("3.9", "cumsum", Takes.NUMBERS, ReductionCases::cumSum));
        for (String name : MovementCases.OPERATIONS) {
            String rule = name.startsWith("gather") || name.startsWith("scatter")
                    ? "3.10"
                    : name.equals("slice_scatter") ? "3.17" : "3.12";
            all.add(new OpFamily(rule, name, Takes.ANYTHING, (t, r) -> MovementCases.of(name, t, r)));
        }
        all.add(new OpFamily("3.10", "scatter_add", Takes.NUMBERS, MovementCases::scatterAdd));
        for (String name : FusedCases.gradients()) {
            all.add(new OpFamily("9.1", name, Takes.FLOATS, (t, r) -> FusedCases.ofGradient(name, t, r)));
        }
        for (String name : FusedCases.operations()) {
            all.add(new OpFamily(fusedRule(name), name, Takes.FLOATS, (t, r) -> FusedCases.of(name, t, r)));
        }
        return List.copyOf(all);
    }

    private static Takes takes(UnaryKind kind) {
        return switch (kind) {
            case NOT -> Takes.BOOLS;
            case NEG, ABS, SIGN, RELU -> Takes.NUMBERS;
            default -> Takes.FLOATS;
        };
    }

    private static Takes takes(BinaryKind kind) {
        return switch (kind) {
            case AND, OR -> Takes.BOOLS;
            case EQ, NE -> Takes.ANYTHING;
            case DIV, POW -> Takes.FLOATS;
            default -> Takes.NUMBERS;
        };
    }

    private static String fusedRule(String name) {
        return switch (name) {
            case "softmax", "log_softmax" -> "3.13";
            case "linear", "layer_norm", "rms_norm" -> "3.15";
            case "rotate", "attention" -> "3.16";
            default -> "3.14";
        };
    }
}
