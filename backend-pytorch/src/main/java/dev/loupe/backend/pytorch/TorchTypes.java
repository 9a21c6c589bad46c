package dev.loupe.backend.pytorch;

import ai.djl.ndarray.types.DataType;
import dev.loupe.array.DType;
import java.util.Set;

/** The data types of Loupe and of DJL. */
final class TorchTypes {

    /** All but bfloat16: DJL's native library ends the process when it is asked for that. */
    static final Set<DType> SUPPORTED =
            Set.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.INT64, DType.INT32, DType.BOOL);

    private TorchTypes() {}

    /**
     * DJL's name of a type.
     *
     * @throws UnsupportedOperationException if this backend doesn't have it
     */
    static DataType toTorch(DType type) {
        return switch (type) {
            case FLOAT32 -> DataType.FLOAT32;
            case FLOAT64 -> DataType.FLOAT64;
            case FLOAT16 -> DataType.FLOAT16;
            case INT64 -> DataType.INT64;
            case INT32 -> DataType.INT32;
            case BOOL -> DataType.BOOLEAN;
            case BFLOAT16 ->
                throw new UnsupportedOperationException("The backend 'pytorch' doesn't have " + type
                        + " (DJL's native library can't make such tensors); it has float32, float64, float16, int64,"
                        + " int32 and bool. Convert to float32, in which every bfloat16 is exact");
        };
    }

    /**
     * Loupe's name of a type.
     *
     * @throws UnsupportedOperationException if Loupe doesn't have it
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
                throw new UnsupportedOperationException(
                        "Loupe's backend 'pytorch' doesn't have DJL's type " + type.name()
                                + "; it has float32, float64, float16, int64, int32 and bool. Convert with toType first");
        };
    }
}
