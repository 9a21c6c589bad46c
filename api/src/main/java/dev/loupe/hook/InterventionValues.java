package dev.loupe.hook;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The words that interventions have in common as text and as JSON. What throws says why alone, not where. */
final class InterventionValues {

    private InterventionValues() {}

    /** What is no number in digits: an infinity or NaN; null if it is neither. */
    static @Nullable Double unusual(String word) {
        return switch (word) {
            case "inf", "+inf" -> Double.POSITIVE_INFINITY;
            case "-inf" -> Double.NEGATIVE_INFINITY;
            case "nan" -> Double.NaN;
            default -> null;
        };
    }

    /** A number, exactly; infinities and NaN as {@link #unusual} reads them. */
    static String text(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        } else if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        return Double.toString(number);
    }

    /**
     * A tensor.
     *
     * @param dtype its name, in small letters or large ones
     * @throws IllegalArgumentException if there is no such type, or there are more or fewer numbers
     */
    static HostTensor tensor(String dtype, long[] sizes, double[] numbers) {
        Shape shape = Shape.of(sizes);
        if (shape.elements() != numbers.length) {
            throw new IllegalArgumentException(
                    "a tensor " + shape + " has " + shape.elements() + " numbers, found " + numbers.length);
        }
        DType type = DType.parse(dtype);
        return HostTensor.of(shape, numbers).to(type);
    }

    static String word(Axis axis) {
        return axis.name().toLowerCase(Locale.ROOT);
    }

    /**
     * An axis by its name.
     *
     * @throws IllegalArgumentException if there is none
     */
    static Axis axis(String name) {
        for (Axis axis : Axis.values()) {
            if (word(axis).equalsIgnoreCase(name)) {
                return axis;
            }
        }
        throw new IllegalArgumentException("'" + name + "' is no axis; there are "
                + Arrays.stream(Axis.values()).map(InterventionValues::word).collect(Collectors.joining(", ")));
    }
}
