package dev.loupe.backend.onnx.model;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.apiguardian.api.API;

/**
 * Builds an ONNX model node by node. Values are named by strings; a node's outputs get names of their own.
 * Not safe for several threads.
 *
 * <p>Field numbers are those of {@code onnx.proto}.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ModelBuilder {

    /** Every runtime from ONNX Runtime 1.14 on runs this version of the operators. */
    public static final int OPSET = 18;

    private static final int IR_VERSION = 8;
    private static final String CONTRIB = "com.microsoft";
    private static final int RAW_DATA = 9;
    private static final long MOST_BYTES = Integer.MAX_VALUE - (1 << 16); // less what stands around the graph

    private final String name;
    private final boolean allowsContrib;
    private final ProtoWriter graph = new ProtoWriter();
    private final List<Initializer> initializers = new ArrayList<>();
    private final List<ProtoWriter> inputs = new ArrayList<>();
    private final List<ProtoWriter> outputs = new ArrayList<>();
    private final List<ProtoWriter> metadata = new ArrayList<>();
    private final Map<Object, String> constants = new HashMap<>();
    private final Set<String> results = new HashSet<>();
    private final Set<String> outputNames = new HashSet<>();
    private String scope = "";
    private boolean contrib;
    private int nodes;

    /**
     * A constant or a weight.
     *
     * @param bytes how many bytes of numbers follow behind the message, which only {@link #write} can write; −1 if
     *     everything is in the message
     */
    private record Initializer(String name, ProtoWriter message, long bytes) {}

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
        add(constant, tensor(constant, tensor.dtype(), tensor.shape()).bytes(RAW_DATA, bytes), -1);
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
        ProtoWriter tensor = tensor(value, dtype, shape)
                .message(13, entry("location", file))
                .message(13, entry("offset", Long.toString(offset)))
                .message(13, entry("length", Long.toString(length)))
                .integer(14, 1);
        return add(value, tensor, -1);
    }

    /** A weight whose numbers stand in the model, and are asked for when it is {@linkplain #write written}. */
    public ModelBuilder weight(String value, DType dtype, Shape shape) {
        return add(value, tensor(value, dtype, shape), Math.multiplyExact(shape.elements(), dtype.bytes()));
    }

    private ModelBuilder add(String value, ProtoWriter tensor, long bytes) {
        initializers.add(new Initializer(value, tensor, bytes));
        return this;
    }

    /** Something to know about the model, for those who read it. */
    public ModelBuilder metadata(String key, String value) {
        metadata.add(entry(key, value));
        return this;
    }

    /** The number of nodes so far. */
    public int size() {
        return nodes;
    }

    /** A channel into memory. That of the JDK fails on a thread that is interrupted, though there is nothing to wait for. */
    private record InMemory(ByteArrayOutputStream out) implements WritableByteChannel {

        @Override
        public int write(ByteBuffer bytes) {
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            out.write(copy, 0, copy.length);
            return copy.length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }

    /**
     * The model, encoded.
     *
     * @throws IllegalStateException if it has weights whose numbers stand in it; those models are too large for this
     */
    public byte[] build() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            write(new InMemory(out), weight -> {
                throw new IllegalStateException("The numbers of '" + weight + "' are asked for by write() only");
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /**
     * Writes the model, one weight after the other.
     *
     * @param numbers gives the bytes of a {@link #weight}, in little-endian order from index 0 on
     */
    public void write(WritableByteChannel out, Function<String, ByteBuffer> numbers) throws IOException {
        List<ProtoWriter> frames =
                initializers.stream().map(ModelBuilder::frame).toList();
        ProtoWriter start = new ProtoWriter().append(graph).text(2, name);
        ProtoWriter end = new ProtoWriter();
        inputs.forEach(input -> end.message(11, input));
        outputs.forEach(output -> end.message(12, output));
        long bytes = start.size() + (long) end.size();
        for (int i = 0; i < frames.size(); i++) {
            bytes += frames.get(i).size() + Math.max(initializers.get(i).bytes(), 0);
        }
        if (bytes > MOST_BYTES) {
            throw new IllegalStateException("A model of " + bytes + " bytes is over the format's limit of 2 GiB: its"
                    + " weights belong into a file of their own");
        }
        put(out, new ProtoWriter().integer(1, IR_VERSION).text(2, "loupe").announce(7, bytes));
        put(out, start);
        for (int i = 0; i < frames.size(); i++) {
            put(out, frames.get(i));
            Initializer initializer = initializers.get(i);
            if (initializer.bytes() >= 0) {
                ByteBuffer data = numbers.apply(initializer.name());
                if (data.capacity() != initializer.bytes()) {
                    throw new IllegalStateException("'" + initializer.name() + "' has " + data.capacity()
                            + " bytes where " + initializer.bytes() + " were announced");
                }
                put(out, data);
            }
        }
        put(out, end.append(trailer()));
    }

    /** The beginning of an initializer, up to the numbers that are written behind it. */
    private static ProtoWriter frame(Initializer initializer) {
        if (initializer.bytes() < 0) {
            return new ProtoWriter().message(5, initializer.message());
        }
        ProtoWriter data = new ProtoWriter().announce(RAW_DATA, initializer.bytes());
        ProtoWriter message = initializer.message();
        return new ProtoWriter()
                .announce(5, message.size() + data.size() + initializer.bytes())
                .append(message)
                .append(data);
    }

    private ProtoWriter trailer() {
        ProtoWriter trailer = new ProtoWriter().message(8, operators("", OPSET));
        if (contrib) {
            trailer.message(8, operators(CONTRIB, 1));
        }
        metadata.forEach(entry -> trailer.message(14, entry));
        return trailer;
    }

    private static ProtoWriter operators(String domain, long version) {
        return new ProtoWriter().text(1, domain).integer(2, version);
    }

    private static void put(WritableByteChannel out, ProtoWriter message) throws IOException {
        put(out, ByteBuffer.wrap(message.toByteArray()));
    }

    private static void put(WritableByteChannel out, ByteBuffer bytes) throws IOException {
        ByteBuffer rest = bytes.duplicate().clear();
        while (rest.hasRemaining()) {
            out.write(rest);
        }
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
