package dev.loupe.backend.onnx.model;

import dev.loupe.array.DType;

/** The numbers by which the format names element types. */
final class OnnxTypes {

    private OnnxTypes() {}

    static int code(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> 1;
            case INT32 -> 6;
            case INT64 -> 7;
            case BOOL -> 9;
            case FLOAT16 -> 10;
            case FLOAT64 -> 11;
            case BFLOAT16 -> 16;
        };
    }
}
