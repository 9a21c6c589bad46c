package dev.loupe.backend.reference;

import dev.loupe.graph.Op;
import java.util.function.DoubleBinaryOperator;

/**
 * Loops that apply a binary function to two chunks. Models add, subtract, multiply and divide so much that
 * these four are written out: a loop of its own can be turned into vector instructions, one that calls a
 * function for each element can't.
 */
final class Loops {

    private Loops() {}

    /** {@code left[i] = f(left[i], right[i])} for the first {@code count} elements. */
    @FunctionalInterface
    interface OfFloats {
        void apply(float[] left, float[] right, int count);
    }

    /** {@code left[i] = f(left[i], right[i])} for the first {@code count} elements. */
    @FunctionalInterface
    interface OfDoubles {
        void apply(double[] left, double[] right, int count);
    }

    /** Whether the function is one of the four that {@link #ofFloats} knows. */
    static boolean isArithmetic(Op.BinaryKind kind) {
        return switch (kind) {
            case ADD, SUB, MUL, DIV -> true;
            default -> false;
        };
    }

    static OfFloats ofFloats(Op.BinaryKind kind) {
        return switch (kind) {
            case ADD ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] += right[i];
                    }
                };
            case SUB ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] -= right[i];
                    }
                };
            case MUL ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] *= right[i];
                    }
                };
            case DIV ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] /= right[i];
                    }
                };
            default -> throw new IllegalArgumentException(kind + " is not arithmetic");
        };
    }

    static OfDoubles ofDoubles(Op.BinaryKind kind) {
        return switch (kind) {
            case ADD ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] += right[i];
                    }
                };
            case SUB ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] -= right[i];
                    }
                };
            case MUL ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] *= right[i];
                    }
                };
            case DIV ->
                (left, right, count) -> {
                    for (int i = 0; i < count; i++) {
                        left[i] /= right[i];
                    }
                };
            default -> calling(Functions.ofDoubles(kind));
        };
    }

    private static OfDoubles calling(DoubleBinaryOperator function) {
        return (left, right, count) -> {
            for (int i = 0; i < count; i++) {
                left[i] = function.applyAsDouble(left[i], right[i]);
            }
        };
    }
}
