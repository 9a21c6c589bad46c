package dev.loupe.conformance.cases;

import dev.loupe.array.DType;
import dev.loupe.array.HalfFloats;
import org.apiguardian.api.API;

/** What a floating-point type can hold. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Precision {

    private Precision() {}

    /** Distance from 1 to the next number. */
    public static double eps(DType type) {
        return switch (type) {
            case FLOAT64 -> 0x1p-52;
            case FLOAT32 -> 0x1p-23;
            case FLOAT16 -> 0x1p-10;
            case BFLOAT16 -> 0x1p-7;
            default -> throw new IllegalArgumentException(type + " is not a floating-point type");
        };
    }

    /** The eps of the type in which sums are expected to be kept: at least float32. */
    public static double accumulatorEps(DType type) {
        return type == DType.FLOAT64 ? eps(DType.FLOAT64) : eps(DType.FLOAT32);
    }

    /** Smallest positive number of full precision. */
    public static double smallestNormal(DType type) {
        return switch (type) {
            case FLOAT64 -> Double.MIN_NORMAL;
            case FLOAT32, BFLOAT16 -> Float.MIN_NORMAL;
            case FLOAT16 -> 0x1p-14;
            default -> throw new IllegalArgumentException(type + " is not a floating-point type");
        };
    }

    /** Largest finite number. */
    public static double largest(DType type) {
        return switch (type) {
            case FLOAT64 -> Double.MAX_VALUE;
            case FLOAT32 -> Float.MAX_VALUE;
            case FLOAT16 -> 65504;
            case BFLOAT16 -> 0x1.FEp127;
            default -> throw new IllegalArgumentException(type + " is not a floating-point type");
        };
    }

    /** A number as the type holds it; what is too large becomes infinite. */
    public static double round(double value, DType type) {
        return switch (type) {
            case FLOAT64 -> value;
            case FLOAT32 -> (float) value;
            case FLOAT16 -> HalfFloats.fromFloat16(HalfFloats.toFloat16((float) value));
            case BFLOAT16 -> HalfFloats.fromBfloat16(HalfFloats.toBfloat16((float) value));
            case INT64 -> (double) (long) value;
            case INT32 -> (int) value;
            case BOOL -> value != 0 ? 1 : 0;
        };
    }

    /** The number that a bit pattern of a 16-bit type stands for. */
    public static double value(DType type, short pattern) {
        return switch (type) {
            case FLOAT16 -> HalfFloats.fromFloat16(pattern);
            case BFLOAT16 -> HalfFloats.fromBfloat16(pattern);
            default -> throw new IllegalArgumentException(type + " is not a 16-bit type");
        };
    }

    /** The bit pattern of a 16-bit type that stands for what a number rounds to: to nearest, ties to even. */
    public static short pattern(DType type, float number) {
        return switch (type) {
            case FLOAT16 -> HalfFloats.toFloat16(number);
            case BFLOAT16 -> HalfFloats.toBfloat16(number);
            default -> throw new IllegalArgumentException(type + " is not a 16-bit type");
        };
    }

    /** The unit in the last place of a finite number in a type. */
    public static double ulp(double value, DType type) {
        double magnitude = Math.max(Math.abs(value), smallestNormal(type));
        return eps(type) * Math.scalb(1.0, Math.getExponent(magnitude));
    }
}
