package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import dev.loupe.array.DType;

/**
 * The data types of Loupe and of DJL.
 *
 * <p>DJL has no name for libtorch's bfloat16: an array of it reads as {@link DataType#UNKNOWN}, and DJL's native
 * library ends the process when it is asked to make one. So no function of DJL that takes a type is ever given that;
 * TorchScript makes such arrays, {@linkplain #carrier carried} in and out as the bits of float16.
 */
final class TorchTypes {

    private TorchTypes() {}

    /** The type as which an array's bytes go in and out: DJL's own, and float16 for the bits of bfloat16. */
    static DataType carrier(DType type) {
        return switch (type) {
            case FLOAT32 -> DataType.FLOAT32;
            case FLOAT64 -> DataType.FLOAT64;
            case FLOAT16, BFLOAT16 -> DataType.FLOAT16;
            case INT64 -> DataType.INT64;
            case INT32 -> DataType.INT32;
            case BOOL -> DataType.BOOLEAN;
        };
    }

    /** libtorch's own number of a type. */
    static int code(DType type) {
        return switch (type) {
            case INT32 -> 3;
            case INT64 -> 4;
            case FLOAT16 -> 5;
            case FLOAT32 -> 6;
            case FLOAT64 -> 7;
            case BOOL -> 11;
            case BFLOAT16 -> 15;
        };
    }

    /** Whether an array of this backend, which has no other type without a name, is bfloat16. */
    static boolean isBfloat16(PtNDArray array) {
        return array.getDataType() == DataType.UNKNOWN;
    }

    /** The type of an array of this backend. */
    static DType of(PtNDArray array) {
        return isBfloat16(array) ? DType.BFLOAT16 : fromTorch(array.getDataType());
    }

    /** An array in a type; the same memory if it has it already. */
    static PtNDArray cast(TorchDevice on, PtNDArray array, DType type) {
        if (type == DType.BFLOAT16) {
            return on.call("to_bfloat16", array);
        } else if (type.isInteger() && of(array).isFloating()) {
            return toInteger(on, array, type);
        }
        return asIs(on, array, type);
    }

    /** An array in a type to which libtorch's own conversion is the right one; the same memory if it has it already. */
    static PtNDArray asIs(TorchDevice on, PtNDArray array, DType type) {
        return on.isCpu() ? Torch.cast(array, carrier(type)) : on.call("cast", array, code(type));
    }

    // What doesn't fit, and NaN, libtorch leaves to the processor, and they differ.
    private static PtNDArray toInteger(TorchDevice on, PtNDArray array, DType type) {
        String function = type == DType.INT64 ? "to_int64" : "to_int32";
        if (!of(array).isSixteenBits()) {
            return on.call(function, array);
        }
        try (PtNDArray wide = asIs(on, array, DType.FLOAT32)) {
            return on.call(function, wide);
        }
    }

    /**
     * Loupe's name of a type.
     *
     * @throws UnsupportedOperationException if Loupe doesn't have it, or DJL has no name for it
     */
    static DType fromTorch(DataType type) {
        return switch (type) {
            case FLOAT32 -> DType.FLOAT32;
            case FLOAT64 -> DType.FLOAT64;
            case FLOAT16 -> DType.FLOAT16;
            case INT64 -> DType.INT64;
            case INT32 -> DType.INT32;
            case BOOLEAN -> DType.BOOL;
            default ->
                throw new UnsupportedOperationException("Loupe's backend 'pytorch' can't take an array of DJL's type "
                        + type.name()
                        + "; it takes float32, float64, float16, int64, int32 and bool. Convert with toType first");
        };
    }
}
