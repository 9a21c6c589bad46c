package dev.loupe.array;

import org.apiguardian.api.API;

/** Conversions between the 16-bit floating-point types and the wider ones, rounding to nearest, ties to even. */
@API(status = API.Status.STABLE, since = "0.1")
public final class HalfFloats {

    private HalfFloats() {}

    /** Widens an IEEE 754 binary16. Exact. */
    public static float fromFloat16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int exponent = (bits >> 10) & 0x1f;
        int mantissa = bits & 0x3ff;
        if (exponent == 0) {
            float magnitude = mantissa * 0x1p-24f;
            return sign == 0 ? magnitude : -magnitude;
        }
        int wide = exponent == 0x1f ? 0xff : exponent + (127 - 15);
        return Float.intBitsToFloat(sign | (wide << 23) | (mantissa << 13));
    }

    /** Narrows to an IEEE 754 binary16; what is too large becomes infinite, NaN stays NaN. */
    public static short toFloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        int magnitude = bits & 0x7fffffff;
        if (magnitude > 0x7f800000) {
            return (short) (sign | 0x7e00);
        }
        if (magnitude >= 0x47800000) {
            return (short) (sign | 0x7c00);
        }
        if (magnitude < 0x38800000) {
            // Subnormal: the float addition rounds at the last bit of a binary16, to even.
            float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
            return (short) (sign | (Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(0.5f)));
        }
        int odd = (magnitude >>> 13) & 1;
        return (short) (sign | ((magnitude + 0xc8000fff + odd) >>> 13));
    }

    /** Narrows to an IEEE 754 binary16 at once, which a detour by float with its own rounding would not always give. */
    public static short toFloat16(double value) {
        return toFloat16(roundedToOdd(value));
    }

    /** Widens a bfloat16. Exact. */
    public static float fromBfloat16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Narrows to a bfloat16; NaN stays NaN. */
    public static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** Narrows to a bfloat16 at once, which a detour by float with its own rounding would not always give. */
    public static short toBfloat16(double value) {
        return toBfloat16(roundedToOdd(value));
    }

    /**
     * The double as a float, inexact ones as that neighbour whose last bit is 1. Rounding that once more, to
     * fewer bits, gives what rounding the double at once gives (Boldo and Melquiond 2008).
     */
    private static float roundedToOdd(double value) {
        float nearest = (float) value;
        boolean lastBitIsOne = (Float.floatToRawIntBits(nearest) & 1) == 1;
        if (nearest == value || lastBitIsOne || Double.isNaN(value)) {
            return nearest;
        }
        return nearest < value ? Math.nextUp(nearest) : Math.nextDown(nearest);
    }
}
