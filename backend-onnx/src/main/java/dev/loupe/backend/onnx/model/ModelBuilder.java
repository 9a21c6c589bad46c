package dev.loupe.backend.onnx.model;

import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import dev.loupe.tensor.DType;
import dev.loupe.tensor.HostTensor;
import dev.loupe.tensor.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Builds an ONNX model node by node. Values are named by strings; a node's outputs get names of their own.
 * Not safe for several threads.
 *
 * <p>Field numbers are those of {@code onnx.proto}.
 */
public final class ModelBuilder {

    /** Every runtime from ONNX Runtime 1.14 on runs this version of the operators. */
    public static final int OPSET = 18;

    private static final int IR_VERSION = 8;
    private static final String CONTRIB = "com.microsoft";

    private final String name;
    private final boolean allowsContrib;
    private final ProtoWriter graph = new ProtoWriter();
    private final List<ProtoWriter> initializers = new ArrayList<>();
    private final List<ProtoWriter> inputs = new ArrayList<>();
    private final List<ProtoWriter> outputs = new ArrayList<>();
    private final Map<Object, String> constants = new HashMap<>();
    private final Set<String> results = new HashSet<>();
    private final Set<String> outputNames = new HashSet<>();
    private String scope = "";
    private boolean contrib;
    private int nodes;

    /** An empty model for this runtime, which may use its own operators. */
    public ModelBuilder(String name) {
        this(name, true);
    }

    /**
     * An empty model.
     *
     * @param allowsContrib whether it may use operators that only ONNX Runtime knows
     */
    public ModelBuilder(String name, boolean allowsContrib) {
        this.name = name;
        this.allowsContrib = allowsContrib;
    }

    /** Whether operators that only ONNX Runtime knows may be used. */
    public boolean allowsContrib() {
        return allowsContrib;
    }

    /** Says what the nodes from here on belong to: the runtime's messages name nodes. */
    public ModelBuilder scope(String name) {
        scope = name;
        return this;
    }

    /** Declares a value that is fed. */
    public ModelBuilder input(String value, TensorType type) {
        inputs.add(valueInfo(value, type));
        return this;
    }

    /**
     * Declares a value that can be asked for, and returns the name to ask by: another than the value's if that is
     * no node's result or was declared before.
     */
    public String output(String value, TensorType type) {
        boolean free = results.contains(value) && outputNames.add(value);
        String output = free ? value : node("Identity", List.of(value));
        outputNames.add(output);
        outputs.add(valueInfo(output, type));
        return output;
    }

    /** Declares a value that can be asked for by a name of one's choice. */
    public void output(String value, TensorType type, String output) {
        add("", "Identity", List.of(value), List.of(output));
        outputs.add(valueInfo(output, type));
    }

    /** Adds a node with one output and returns the output's name. */
    public String node(String opType, List<String> operands, Attribute... attributes) {
        return nodes(opType, 1, operands, attributes).get(0);
    }

    /** Adds a node and returns its outputs' names. */
    public List<String> nodes(String opType, int outputCount, List<String> operands, Attribute... attributes) {
        List<String> results = new ArrayList<>(outputCount);
        for (int i = 0; i < outputCount; i++) {
            results.add("t" + nodes + (outputCount == 1 ? "" : "_" + i));
        }
        add("", opType, operands, results, attributes);
        return results;
    }

    /** Adds a node of ONNX Runtime's own operator set. */
    public String contribNode(String opType, List<String> operands, Attribute... attributes) {
        contrib = true;
        String result = "t" + nodes;
        add(CONTRIB, opType, operands, List.of(result), attributes);
        return result;
    }

    private void add(String domain, String opType, List<String> in, List<String> out, Attribute... attributes) {
        ProtoWriter node = new ProtoWriter();
        in.forEach(operand -> node.text(1, operand));
        out.forEach(result -> node.text(2, result));
        node.text(3, (scope.isEmpty() ? "" : scope + "/") + opType + "_" + nodes)
                .text(4, opType);
        for (Attribute attribute : attributes) {
            node.message(5, attribute(attribute));
        }
        if (!domain.isEmpty()) {
            node.text(7, domain);
        }
        graph.message(1, node);
        results.addAll(out);
        nodes++;
    }

    /** A constant of rank 1. */
    public String ints(List<? extends Number> values) {
        List<Long> longs = values.stream().map(Number::longValue).toList();
        return constants.computeIfAbsent(longs, key -> {
            HostTensor tensor = HostTensor.allocateHeap(DType.INT64, Shape.of(longs.size()));
            for (int i = 0; i < longs.size(); i++) {
                tensor.data().putLong(i * 8, longs.get(i));
            }
            return constant(tensor);
        });
    }

    /** A constant of rank 0. */
    public String scalar(DType dtype, double value) {
        return constants.computeIfAbsent(List.of(dtype, value), key -> {
            HostTensor tensor = HostTensor.allocateHeap(dtype, Shape.SCALAR);
            tensor.setDouble(0, value);
            return constant(tensor);
        });
    }

    /** A constant whose numbers stand in the model. */
    public String constant(HostTensor tensor) {
        String constant = "c" + initializers.size();
        byte[] bytes = new byte[HostTensor.byteSize(tensor.dtype(), tensor.shape())];
        tensor.data().get(0, bytes);
        initializers.add(tensor(constant, tensor.dtype(), tensor.shape()).bytes(9, bytes));
        return constant;
    }

    /** A weight whose numbers are handed to the session under this name. */
    public ModelBuilder externalWeight(String value, DType dtype, Shape shape) {
        // The runtime wants a file that exists, and never reads it.
        return externalWeight(value, dtype, shape, ".", 0);
    }

    /** A weight whose numbers stand in a file, in little-endian order. */
    public ModelBuilder externalWeight(String value, DType dtype, Shape shape, String file, long offset) {
        long length = Math.multiplyExact(shape.elements(), dtype.bytes());
        initializers.add(tensor(value, dtype, shape)
                .message(13, entry("location", file))
                .message(13, entry("offset", Long.toString(offset)))
                .message(13, entry("length", Long.toString(length)))
                .integer(14, 1));
        return this;
    }

    /** The number of nodes so far. */
    public int size() {
        return nodes;
    }

    /** The model, encoded. */
    public byte[] build() {
        graph.text(2, name);
        initializers.forEach(initializer -> graph.message(5, initializer));
        inputs.forEach(input -> graph.message(11, input));
        outputs.forEach(output -> graph.message(12, output));
        ProtoWriter model =
                new ProtoWriter().integer(1, IR_VERSION).text(2, "loupe").message(7, graph);
        model.message(8, new ProtoWriter().text(1, "").integer(2, OPSET));
        if (contrib) {
            model.message(8, new ProtoWriter().text(1, CONTRIB).integer(2, 1));
        }
        return model.toByteArray();
    }

    private static ProtoWriter tensor(String name, DType dtype, Shape shape) {
        ProtoWriter tensor = new ProtoWriter();
        for (long size : shape.toArray()) {
            tensor.integer(1, size);
        }
        return tensor.integer(2, OnnxTypes.code(dtype)).text(8, name);
    }

    private static ProtoWriter entry(String key, String value) {
        return new ProtoWriter().text(1, key).text(2, value);
    }

    private static ProtoWriter valueInfo(String name, TensorType type) {
        ProtoWriter shape = new ProtoWriter();
        for (Dim dim : type.dims()) {
            ProtoWriter dimension = new ProtoWriter();
            if (dim.isFixed()) {
                dimension.integer(1, dim.value());
            } else {
                dimension.text(2, dim.toString());
            }
            shape.message(1, dimension);
        }
        ProtoWriter tensorType =
                new ProtoWriter().integer(1, OnnxTypes.code(type.dtype())).message(2, shape);
        return new ProtoWriter().text(1, name).message(2, new ProtoWriter().message(1, tensorType));
    }

    private static ProtoWriter attribute(Attribute attribute) {
        ProtoWriter out = new ProtoWriter().text(1, attribute.name());
        if (attribute instanceof Attribute.OfFloat number) {
            return out.float32(2, number.value()).integer(20, 1);
        } else if (attribute instanceof Attribute.OfInt number) {
            return out.integer(3, number.value()).integer(20, 2);
        } else if (attribute instanceof Attribute.OfText text) {
            return out.text(4, text.value()).integer(20, 3);
        } else if (attribute instanceof Attribute.OfInts numbers) {
            numbers.values().forEach(number -> out.integer(8, number));
            return out.integer(20, 7);
        }
        throw new IllegalArgumentException("Unknown kind of attribute: " + attribute);
    }

    /** The number by which the format names an element type. */
    public static long typeCode(DType dtype) {
        return OnnxTypes.code(dtype);
    }
}
