package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Float16. The runtime's kernels for it on a CPU are few, no faster than those for float32, and sum in float16. So
 * numbers are kept in float16, and an operation takes them as float32 and rounds what it gives.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Float16 {

    private Float16() {}

    static boolean needsWidening(Op op, List<Operand> in) {
        return !op.worksInStoredTypes() && in.stream().anyMatch(operand -> isNarrow(operand.type()));
    }

    private static boolean isNarrow(TensorType type) {
        return type.dtype() == DType.FLOAT16;
    }

    static List<Operand> widened(ModelBuilder model, List<Operand> in) {
        List<Operand> wide = new ArrayList<>();
        for (Operand operand : in) {
            wide.add(
                    isNarrow(operand.type())
                            ? new Operand(cast(model, operand.name(), DType.FLOAT32), widened(operand.type()))
                            : operand);
        }
        return wide;
    }

    static List<TensorType> widened(List<TensorType> types) {
        return types.stream().map(Float16::widened).toList();
    }

    private static TensorType widened(TensorType type) {
        return isNarrow(type) ? type.withDType(DType.FLOAT32) : type;
    }

    static List<String> narrowed(ModelBuilder model, List<String> results, List<TensorType> types) {
        List<String> narrow = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            narrow.add(isNarrow(types.get(i)) ? cast(model, results.get(i), DType.FLOAT16) : results.get(i));
        }
        return narrow;
    }

    /** A node that converts a value. */
    public static String cast(ModelBuilder model, String value, DType to) {
        return model.node("Cast", List.of(value), Attribute.of("to", ModelBuilder.typeCode(to)));
    }
}
