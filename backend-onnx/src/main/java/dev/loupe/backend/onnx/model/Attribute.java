package dev.loupe.backend.onnx.model;

import java.util.List;
import org.apiguardian.api.API;

/** A named setting of a node. */
@API(status = API.Status.INTERNAL, since = "0.1")
public sealed interface Attribute {

    /** The name. */
    String name();

    /** A whole number. */
    record OfInt(String name, long value) implements Attribute {}

    /** A single-precision number. */
    record OfFloat(String name, float value) implements Attribute {}

    /** Whole numbers. */
    record OfInts(String name, List<Long> values) implements Attribute {
        /** Copies the numbers. */
        public OfInts {
            values = List.copyOf(values);
        }
    }

    /** A text. */
    record OfText(String name, String value) implements Attribute {}

    /** {@code name = value}. */
    static Attribute of(String name, long value) {
        return new OfInt(name, value);
    }

    /** {@code name = value}, rounded to single precision. */
    static Attribute of(String name, float value) {
        return new OfFloat(name, value);
    }

    /** {@code name = value}. */
    static Attribute of(String name, String value) {
        return new OfText(name, value);
    }

    /** {@code name = values}. */
    static Attribute of(String name, List<? extends Number> values) {
        return new OfInts(name, values.stream().map(Number::longValue).toList());
    }
}
