package dev.loupe.examples.loops;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.BinaryKind;
import dev.loupe.graph.Op.UnaryKind;

/** Operations that compute each element from the elements at its place. */
final class Elementwise {

    private Elementwise() {}

    static LoopTensor unary(UnaryKind kind, LoopTensor x, DType type) {
        LoopTensor out = LoopTensor.zeros(type, x.shape());
        for (int i = 0; i < out.count(); i++) {
            if (kind == UnaryKind.NOT) {
                out.setLong(i, 1 - x.getLong(i));
            } else if (kind == UnaryKind.IS_NAN) {
                out.setLong(i, Double.isNaN(x.get(i)) ? 1 : 0);
            } else if (x.isFloating()) {
                out.set(i, unary(kind, x.get(i)));
            } else {
                out.setLong(i, unary(kind, x.getLong(i)));
            }
        }
        return out;
    }

    private static double unary(UnaryKind kind, double x) {
        return switch (kind) {
            case NEG -> -x;
            case ABS -> Math.abs(x);
            case SIGN -> Math.signum(x);
            case EXP -> Math.exp(x);
            case LOG -> Math.log(x);
            case SQRT -> Math.sqrt(x);
            case RSQRT -> 1 / Math.sqrt(x);
            case RECIPROCAL -> 1 / x;
            case SIN -> Math.sin(x);
            case COS -> Math.cos(x);
            case TANH -> Math.tanh(x);
            case ERF -> ErrorFunction.erf(x);
            case SIGMOID -> 1 / (1 + Math.exp(-x));
            case FLOOR -> Math.floor(x);
            case CEIL -> Math.ceil(x);
            case ROUND -> Math.rint(x);
            case RELU -> Math.max(x, 0);
            case NOT, IS_NAN -> throw new IllegalStateException(kind + " gives a bool");
        };
    }

    private static long unary(UnaryKind kind, long x) {
        return switch (kind) {
            case NEG -> -x;
            case ABS -> Math.abs(x);
            case SIGN -> Long.signum(x);
            case RELU -> Math.max(x, 0);
            default -> throw new IllegalStateException(kind + " takes floating-point numbers");
        };
    }

    static LoopTensor binary(BinaryKind kind, LoopTensor a, LoopTensor b, DType type, Shape shape) {
        LoopTensor out = LoopTensor.zeros(type, shape);
        Positions.each(shape, (flat, position) -> {
            int left = a.broadcastIndex(position);
            int right = b.broadcastIndex(position);
            if (type == DType.BOOL) {
                boolean holds = a.isFloating()
                        ? compare(kind, a.get(left), b.get(right))
                        : compare(kind, a.getLong(left), b.getLong(right));
                out.setLong(flat, holds ? 1 : 0);
            } else if (a.isFloating()) {
                out.set(flat, compute(kind, a.get(left), b.get(right)));
            } else {
                out.setLong(flat, compute(kind, a.getLong(left), b.getLong(right)));
            }
        });
        return out;
    }

    private static double compute(BinaryKind kind, double a, double b) {
        return switch (kind) {
            case ADD -> a + b;
            case SUB -> a - b;
            case MUL -> a * b;
            case DIV -> a / b;
            case POW -> Math.pow(a, b);
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
            default -> throw new IllegalStateException(kind + " gives a bool");
        };
    }

    private static long compute(BinaryKind kind, long a, long b) {
        return switch (kind) {
            case ADD -> a + b;
            case SUB -> a - b;
            case MUL -> a * b;
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
            default -> throw new IllegalStateException(kind + " takes floating-point numbers");
        };
    }

    private static boolean compare(BinaryKind kind, double a, double b) {
        return switch (kind) {
            case EQ -> a == b;
            case NE -> a != b;
            case LT -> a < b;
            case LE -> a <= b;
            case GT -> a > b;
            case GE -> a >= b;
            default -> throw new IllegalStateException(kind + " gives no bool");
        };
    }

    private static boolean compare(BinaryKind kind, long a, long b) {
        return switch (kind) {
            case EQ -> a == b;
            case NE -> a != b;
            case LT -> a < b;
            case LE -> a <= b;
            case GT -> a > b;
            case GE -> a >= b;
            case AND -> (a & b) != 0;
            case OR -> (a | b) != 0;
            default -> throw new IllegalStateException(kind + " gives no bool");
        };
    }

    static LoopTensor where(LoopTensor condition, LoopTensor a, LoopTensor b, Shape shape) {
        LoopTensor out = LoopTensor.zeros(a.dtype(), shape);
        Positions.each(shape, (flat, position) -> {
            LoopTensor chosen = condition.getLong(condition.broadcastIndex(position)) != 0 ? a : b;
            out.copy(flat, chosen, chosen.broadcastIndex(position));
        });
        return out;
    }

    static LoopTensor cast(LoopTensor x, DType to) {
        LoopTensor out = LoopTensor.zeros(to, x.shape());
        for (int i = 0; i < out.count(); i++) {
            if (to.isFloating()) {
                out.set(i, !x.isFloating() && to == DType.FLOAT32 ? (float) x.getLong(i) : x.get(i));
            } else if (to == DType.BOOL) {
                boolean zero = x.isFloating() ? x.get(i) == 0 : x.getLong(i) == 0;
                out.setLong(i, zero ? 0 : 1);
            } else {
                out.setLong(i, x.isFloating() ? (long) to.nearest(x.get(i)) : x.getLong(i));
            }
        }
        return out;
    }

    static LoopTensor full(Op.Full full) {
        LoopTensor out = LoopTensor.zeros(full.dtype(), full.shape());
        for (int i = 0; i < out.count(); i++) {
            if (out.isFloating()) {
                out.set(i, full.value());
            } else {
                out.setLong(i, (long) full.value());
            }
        }
        return out;
    }
}
