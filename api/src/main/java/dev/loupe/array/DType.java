package dev.loupe.array;

import org.apiguardian.api.API;

/**
 * The element types a tensor can have.
 *
 * <p>Which of them a backend supports, and on which device, is declared by its {@link
 * dev.loupe.backend.Capabilities}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public enum DType {
    /** IEEE 754 binary32. */
    FLOAT32("float32", "F32", 4, true),
    /** IEEE 754 binary64. */
    FLOAT64("float64", "F64", 8, true),
    /** IEEE 754 binary16. */
    FLOAT16("float16", "F16", 2, true),
    /** The upper half of a binary32: 8 bits of exponent, 7 of mantissa. */
    BFLOAT16("bfloat16", "BF16", 2, true),
    /** Signed 64-bit integer; the type of token ids, positions and indices. */
    INT64("int64", "I64", 8, false),
    /** Signed 32-bit integer. */
    INT32("int32", "I32", 4, false),
    /** True or false; one byte an element, 0 or 1. */
    BOOL("bool", "BOOL", 1, false);

    private final String label;
    private final String safetensorsName;
    private final int bytes;
    private final boolean floating;

    DType(String label, String safetensorsName, int bytes, boolean floating) {
        this.label = label;
        this.safetensorsName = safetensorsName;
        this.bytes = bytes;
        this.floating = floating;
    }

    /** The name in lower case, as PyTorch and Hugging Face configs spell it: {@code float32}. */
    public String label() {
        return label;
    }

    /** The name in a safetensors header: {@code F32}. */
    public String safetensorsName() {
        return safetensorsName;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether this is one of the four floating-point types. */
    public boolean isFloating() {
        return floating;
    }

    /** Whether this is {@link #FLOAT16} or {@link #BFLOAT16}. */
    public boolean isSixteenBits() {
        return this == FLOAT16 || this == BFLOAT16;
    }

    /** Whether this is {@link #INT64} or {@link #INT32}. */
    public boolean isInteger() {
        return this == INT64 || this == INT32;
    }

    /**
     * A number as a tensor of this type holds it: rounded to nearest even in a floating type, infinite beyond its range;
     * in an integer type cut towards 0, the nearest there is beyond its range, and 0 for a NaN; 0 or 1 as bool, whether it
     * is not 0. So are numbers converted that are given to operations on tensors.
     */
    public double nearest(double number) {
        return switch (this) {
            case FLOAT32 -> (float) number;
            case FLOAT64 -> number;
            case FLOAT16 -> HalfFloats.fromFloat16(HalfFloats.toFloat16(number));
            case BFLOAT16 -> HalfFloats.fromBfloat16(HalfFloats.toBfloat16(number));
            case INT64 -> (long) number;
            case INT32 -> (int) number;
            case BOOL -> number != 0 ? 1 : 0;
        };
    }

    /**
     * Parses {@code float32}, {@code F32}, {@code FLOAT32} or {@code torch.float32}.
     *
     * @throws IllegalArgumentException if {@code name} is none of the known types; the message lists them
     */
    public static DType parse(String name) {
        String bare = name.startsWith("torch.") ? name.substring("torch.".length()) : name;
        for (DType type : values()) {
            if (type.label.equalsIgnoreCase(bare)
                    || type.safetensorsName.equalsIgnoreCase(bare)
                    || type.name().equalsIgnoreCase(bare)) {
                return type;
            }
        }
        StringBuilder known = new StringBuilder();
        for (DType type : values()) {
            known.append(known.isEmpty() ? "" : ", ").append(type.label);
        }
        throw new IllegalArgumentException("Unknown data type '" + name + "'; known types: " + known);
    }

    @Override
    public String toString() {
        return label;
    }
}
