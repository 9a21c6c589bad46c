package dev.loupe.backend.reference;

import dev.loupe.graph.Op;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongBinaryOperator;
import java.util.function.LongUnaryOperator;
import org.apache.commons.numbers.gamma.Erf;
import org.apache.commons.numbers.gamma.Erfc;

/**
 * What the elementwise ops do to one element: for floating types as functions of doubles, for integers and
 * bools (0 and 1) as functions of longs. Truth values come out as 1 and 0.
 */
final class Functions {

    private Functions() {}

    static DoubleUnaryOperator ofDoubles(Op.UnaryKind kind) {
        return switch (kind) {
            case NEG -> x -> -x;
            case ABS -> Math::abs;
            case SIGN -> Math::signum;
            case EXP -> Math::exp;
            case LOG -> Math::log;
            case SQRT -> Math::sqrt;
            case RSQRT -> x -> 1 / Math.sqrt(x);
            case RECIPROCAL -> x -> 1 / x;
            case SIN -> Math::sin;
            case COS -> Math::cos;
            case TANH -> Math::tanh;
            case ERF -> Erf::value;
            case SIGMOID -> Functions::sigmoid;
            case FLOOR -> Math::floor;
            case CEIL -> Math::ceil;
            case ROUND -> Math::rint;
            case RELU -> x -> Math.max(x, 0);
            case IS_NAN -> x -> truth(Double.isNaN(x));
            case NOT -> throw notFor(kind, "floating-point numbers");
        };
    }

    static LongUnaryOperator ofLongs(Op.UnaryKind kind) {
        return switch (kind) {
            case NEG -> x -> -x;
            case ABS -> Math::abs;
            case SIGN -> Long::signum;
            case RELU -> x -> Math.max(x, 0);
            case NOT -> x -> 1 - x;
            default -> throw notFor(kind, "integers");
        };
    }

    /** All but the four basic operations, which {@link Loops} spells out. */
    static DoubleBinaryOperator ofDoubles(Op.BinaryKind kind) {
        return switch (kind) {
            case POW -> Functions::power;
            case MAX -> Math::max;
            case MIN -> Math::min;
            case EQ -> (a, b) -> truth(a == b);
            case NE -> (a, b) -> truth(a != b);
            case LT -> (a, b) -> truth(a < b);
            case LE -> (a, b) -> truth(a <= b);
            case GT -> (a, b) -> truth(a > b);
            case GE -> (a, b) -> truth(a >= b);
            case ADD, SUB, MUL, DIV -> throw new IllegalArgumentException(kind + " has a loop of its own");
            case AND, OR -> throw notFor(kind, "floating-point numbers");
        };
    }

    static LongBinaryOperator ofLongs(Op.BinaryKind kind) {
        return switch (kind) {
            case ADD -> (a, b) -> a + b;
            case SUB -> (a, b) -> a - b;
            case MUL -> (a, b) -> a * b;
            case MAX -> Math::max;
            case MIN -> Math::min;
            case EQ -> (a, b) -> truth(a == b);
            case NE -> (a, b) -> truth(a != b);
            case LT -> (a, b) -> truth(a < b);
            case LE -> (a, b) -> truth(a <= b);
            case GT -> (a, b) -> truth(a > b);
            case GE -> (a, b) -> truth(a >= b);
            case AND -> (a, b) -> a & b;
            case OR -> (a, b) -> a | b;
            case DIV, POW -> throw notFor(kind, "integers");
        };
    }

    static DoubleUnaryOperator ofDoubles(Op.ActivationKind kind) {
        return switch (kind) {
            // Φ(x) = erfc(-x/√2)/2, which keeps its digits where 1 + erf would cancel.
            case GELU -> x -> 0.5 * x * Erfc.value(-x * Math.sqrt(0.5));
            // (1 + tanh u)/2 = sigmoid(2u).
            case GELU_TANH -> x -> x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x));
            case QUICK_GELU -> x -> x * sigmoid(1.702 * x);
            case SILU -> x -> x * sigmoid(x);
        };
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /** IEEE 754's pow, which is 1 in two cases in which Java's is NaN: 1 to any power, and −1 to an infinite one. */
    private static double power(double base, double exponent) {
        boolean one = base == 1 || base == -1 && Double.isInfinite(exponent);
        return one ? 1 : Math.pow(base, exponent);
    }

    private static int truth(boolean holds) {
        return holds ? 1 : 0;
    }

    private static IllegalStateException notFor(Enum<?> kind, String what) {
        return new IllegalStateException(kind + " is not defined for " + what + "; its type rule lets none through");
    }
}
