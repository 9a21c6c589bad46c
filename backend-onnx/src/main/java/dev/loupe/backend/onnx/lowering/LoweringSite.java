package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.List;

/** The place in a model at which an operation is written down: what it reads, and a pen. */
record LoweringSite(ModelBuilder model, List<Operand> in, List<TensorType> out) {

    /** Name of an input. */
    String input(int index) {
        return in.get(index).name();
    }

    TensorType type(int index) {
        return in.get(index).type();
    }

    /** Data type of the first input. */
    DType dtype() {
        return type(0).dtype();
    }

    /** A node that reads all inputs in order. */
    String all(String opType, Attribute... attributes) {
        return model.node(opType, in.stream().map(Operand::name).toList(), attributes);
    }

    /** A node of the runtime's own operator set that reads all inputs in order. */
    String contrib(String opType, Attribute... attributes) {
        return model.contribNode(opType, in.stream().map(Operand::name).toList(), attributes);
    }

    /** A node that reads the named values. */
    String node(String opType, List<String> operands, Attribute... attributes) {
        return model.node(opType, operands, attributes);
    }

    String node(String opType, String operand, Attribute... attributes) {
        return model.node(opType, List.of(operand), attributes);
    }

    String node(String opType, String left, String right, Attribute... attributes) {
        return model.node(opType, List.of(left, right), attributes);
    }

    String where(String condition, String yes, String no) {
        return model.node("Where", List.of(condition, yes, no));
    }

    String cast(String value, DType to) {
        return model.node("Cast", List.of(value), Attribute.of("to", ModelBuilder.typeCode(to)));
    }

    String ints(List<? extends Number> values) {
        return model.ints(values);
    }

    String ints(long... values) {
        List<Long> list = new ArrayList<>();
        for (long value : values) {
            list.add(value);
        }
        return model.ints(list);
    }

    String scalar(double value) {
        return model.scalar(dtype(), value);
    }
}
