package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnx.proto.OnnxMl;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.lowering.Operand;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What our encoder writes, read by protobuf's own code for ONNX's schema (which comes with Tribuo). What that code
 * writes again is the same to the byte, so nothing was lost, doubled, unknown to it or out of order.
 */
class EncoderTest {

    private static final Dim BATCH = Dim.symbol("batch");
    private static final Dim POS = Dim.symbol("pos");

    private static OnnxMl.ModelProto read(byte[] encoded) {
        OnnxMl.ModelProto model;
        try {
            model = OnnxMl.ModelProto.parseFrom(encoded);
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError("Not a model", e);
        }
        assertThat(model.toByteArray()).isEqualTo(encoded);
        assertThat(model.getUnknownFields().asMap()).isEmpty();
        return model;
    }

    private static List<String> names(List<OnnxMl.ValueInfoProto> values) {
        return values.stream().map(OnnxMl.ValueInfoProto::getName).toList();
    }

    @Test
    void aModelSaysWhatItIs() {
        OnnxMl.ModelProto model =
                read(new ModelBuilder("tiny").metadata("key", "value").build());
        assertThat(model.getIrVersion()).isEqualTo(8);
        assertThat(model.getProducerName()).isEqualTo("loupe");
        assertThat(model.getGraph().getName()).isEqualTo("tiny");
        assertThat(model.getOpsetImportList()).hasSize(1);
        assertThat(model.getOpsetImport(0).getDomain()).isEmpty();
        assertThat(model.getOpsetImport(0).getVersion()).isEqualTo(ModelBuilder.OPSET);
        assertThat(model.getMetadataProps(0).getKey()).isEqualTo("key");
        assertThat(model.getMetadataProps(0).getValue()).isEqualTo("value");
    }

    @Test
    void theRuntimesOwnOperatorsAreImportedWhereTheyAreUsed() {
        ModelBuilder builder = new ModelBuilder("contrib");
        builder.input("x", TensorType.of(DType.FLOAT32, BATCH));
        builder.output(
                builder.scope("here").contribNode("Gelu", List.of("x")), TensorType.of(DType.FLOAT32, BATCH), "y");
        OnnxMl.ModelProto model = read(builder.build());
        assertThat(model.getOpsetImportList()).hasSize(2);
        assertThat(model.getOpsetImport(1).getDomain()).isEqualTo("com.microsoft");
        OnnxMl.NodeProto gelu = model.getGraph().getNode(0);
        assertThat(gelu.getDomain()).isEqualTo("com.microsoft");
        assertThat(gelu.getOpType()).isEqualTo("Gelu");
        assertThat(gelu.getName()).startsWith("here/");
        assertThat(gelu.getInputList()).containsExactly("x");
        assertThat(model.getGraph().getNode(1).getOutputList()).containsExactly("y");
        assertThat(names(model.getGraph().getOutputList())).containsExactly("y");
    }

    @Test
    void everyKindOfAttributeIsReadAsWritten() {
        ModelBuilder builder = new ModelBuilder("attributes");
        builder.node(
                "Anything",
                List.of(),
                Attribute.of("int", Long.MIN_VALUE),
                Attribute.of("float", -0.1f),
                Attribute.of("text", "größer"),
                Attribute.of("ints", List.of(0, -1, Long.MAX_VALUE)));
        List<OnnxMl.AttributeProto> attributes =
                read(builder.build()).getGraph().getNode(0).getAttributeList();
        assertThat(attributes)
                .extracting(OnnxMl.AttributeProto::getType)
                .containsExactly(
                        OnnxMl.AttributeProto.AttributeType.INT,
                        OnnxMl.AttributeProto.AttributeType.FLOAT,
                        OnnxMl.AttributeProto.AttributeType.STRING,
                        OnnxMl.AttributeProto.AttributeType.INTS);
        assertThat(attributes.get(0).getI()).isEqualTo(Long.MIN_VALUE);
        assertThat(attributes.get(1).getF()).isEqualTo(-0.1f);
        assertThat(attributes.get(2).getS().toStringUtf8()).isEqualTo("größer");
        assertThat(attributes.get(3).getIntsList()).containsExactly(0L, -1L, Long.MAX_VALUE);
    }

    @ParameterizedTest
    @EnumSource
    void inputsOutputsAndConstantsHaveTheirTypes(DType dtype) {
        ModelBuilder builder = new ModelBuilder("types");
        TensorType type = TensorType.of(dtype, BATCH, Dim.of(300), POS.plus(BATCH));
        builder.input("x", type).output("x", type, "y");
        HostTensor numbers = HostTensor.allocateHeap(dtype, Shape.of(2, 3));
        for (int i = 0; i < 6; i++) {
            numbers.setDouble(i, i % 2);
        }
        builder.constant(numbers);
        OnnxMl.GraphProto graph = read(builder.build()).getGraph();
        for (OnnxMl.ValueInfoProto value : List.of(graph.getInput(0), graph.getOutput(0))) {
            OnnxMl.TypeProto.Tensor tensor = value.getType().getTensorType();
            assertThat(code(tensor.getElemType())).isEqualTo(name(dtype));
            assertThat(tensor.getShape().getDim(0).getDimParam()).isEqualTo("batch");
            assertThat(tensor.getShape().getDim(1).getDimValue()).isEqualTo(300);
            assertThat(tensor.getShape().getDim(2).getDimParam()).isEqualTo("batch+pos");
        }
        OnnxMl.TensorProto constant = graph.getInitializer(0);
        assertThat(code(constant.getDataType())).isEqualTo(name(dtype));
        assertThat(constant.getDimsList()).containsExactly(2L, 3L);
        assertThat(constant.getRawData().asReadOnlyByteBuffer()).isEqualTo(numbers.data());
    }

    private static String code(int number) {
        return OnnxMl.TensorProto.DataType.forNumber(number).name();
    }

    private static String name(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> "FLOAT";
            case FLOAT64 -> "DOUBLE";
            default -> dtype.name();
        };
    }

    @Test
    void anExternalWeightMayLieBeyondFourGigabytes() {
        ModelBuilder builder = new ModelBuilder("external");
        builder.externalWeight("w", DType.FLOAT32, Shape.of(50_000, 12_000), "w.data", 5_000_000_000L);
        OnnxMl.TensorProto weight = read(builder.build()).getGraph().getInitializer(0);
        assertThat(weight.getDataLocation()).isEqualTo(OnnxMl.TensorProto.DataLocation.EXTERNAL);
        assertThat(weight.getExternalDataList())
                .extracting(entry -> entry.getKey() + "=" + entry.getValue())
                .containsExactly("location=w.data", "offset=5000000000", "length=2400000000");
    }

    @Test
    void weightsAreWrittenIntoTheModelOneByOne() throws IOException {
        ModelBuilder builder = new ModelBuilder("inline");
        List<ByteBuffer> numbers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Shape shape = Shape.of(i, 77); // the first one is empty
            builder.weight("w" + i, DType.INT32, shape);
            ByteBuffer data = ByteBuffer.allocate(i * 77 * 4);
            for (int at = 0; at < data.capacity(); at++) {
                data.put(at, (byte) (at * 31 + i));
            }
            numbers.add(data);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        builder.write(Channels.newChannel(out), name -> numbers.get(name.charAt(1) - '0'));
        List<OnnxMl.TensorProto> weights = read(out.toByteArray()).getGraph().getInitializerList();
        for (int i = 0; i < 3; i++) {
            assertThat(weights.get(i).getName()).isEqualTo("w" + i);
            assertThat(weights.get(i).getDimsList()).containsExactly((long) i, 77L);
            assertThat(weights.get(i).getRawData().asReadOnlyByteBuffer()).isEqualTo(numbers.get(i));
        }
    }

    /** An operation and what it reads. */
    private record Case(Op op, List<TensorType> inputs) {
        @Override
        public String toString() {
            return op.name() + " of " + inputs;
        }
    }

    private static Stream<Case> operations() {
        TensorType x = TensorType.of(DType.FLOAT32, BATCH, POS, Dim.of(12));
        TensorType matrix = TensorType.of(DType.FLOAT32, Dim.of(12), Dim.of(5));
        TensorType bias = TensorType.of(DType.FLOAT32, Dim.of(5));
        TensorType ids = TensorType.of(DType.INT64, BATCH, POS);
        TensorType condition = TensorType.of(DType.BOOL, BATCH, POS, Dim.of(12));
        return Stream.of(
                new Case(new Op.Unary(Op.UnaryKind.EXP), List.of(x)),
                new Case(new Op.Unary(Op.UnaryKind.ERF), List.of(x.withDType(DType.FLOAT64))),
                new Case(new Op.Binary(Op.BinaryKind.MAX), List.of(x, x)),
                new Case(new Op.Where(), List.of(condition, x, x)),
                new Case(new Op.Cast(DType.FLOAT16), List.of(x)),
                new Case(new Op.MatMul(), List.of(x, matrix)),
                new Case(new Op.Linear(), List.of(x, matrix, bias)),
                new Case(new Op.Reduce(Op.ReduceKind.MEAN, List.of(0, 2), true), List.of(x)),
                new Case(new Op.ArgReduce(true, 2, false), List.of(x)),
                new Case(new Op.TopK(3, 2, true), List.of(x)),
                new Case(new Op.CumSum(1), List.of(x)),
                new Case(new Op.Gather(0), List.of(matrix, ids)),
                new Case(new Op.Slice(2, -3, Op.Slice.TO_END, 2), List.of(x)),
                new Case(new Op.Concat(1), List.of(x, x)),
                new Case(new Op.SplitAxis(2, List.of(3L, -1L)), List.of(x)),
                new Case(new Op.MergeAxes(0, 2), List.of(x)),
                new Case(new Op.Transpose(List.of(2, 0, 1)), List.of(x)),
                new Case(new Op.Full(DType.FLOAT64, Shape.of(2, 2), Double.NaN), List.of()),
                new Case(new Op.Softmax(2), List.of(x)),
                new Case(new Op.Activation(Op.ActivationKind.GELU_TANH), List.of(x)));
    }

    @ParameterizedTest
    @MethodSource("operations")
    void anOperationsModelIsReadWithItsNodesInOrder(Case given) {
        ModelBuilder builder = new ModelBuilder(given.op().name(), false);
        List<Operand> operands = new ArrayList<>();
        for (TensorType type : given.inputs()) {
            operands.add(new Operand("x" + operands.size(), type));
            builder.input("x" + (operands.size() - 1), type);
        }
        List<TensorType> types = given.op().infer(given.inputs());
        List<String> results =
                Lowering.write(given.op(), builder, operands, types, given.op().name());
        for (int i = 0; i < types.size(); i++) {
            builder.output(results.get(i), types.get(i), "y" + i);
        }
        OnnxMl.GraphProto graph = read(builder.build()).getGraph();
        assertThat(names(graph.getInputList()))
                .isEqualTo(operands.stream().map(Operand::name).toList());
        assertThat(graph.getOutputList()).hasSameSizeAs(types);
        assertThat(graph.getNodeList()).hasSize(builder.size());
        List<String> known = new ArrayList<>(names(graph.getInputList()));
        graph.getInitializerList().forEach(constant -> known.add(constant.getName()));
        for (OnnxMl.NodeProto node : graph.getNodeList()) {
            assertThat(known).containsAll(node.getInputList());
            assertThat(known).doesNotContainAnyElementsOf(node.getOutputList());
            known.addAll(node.getOutputList());
        }
        assertThat(known).containsAll(names(graph.getOutputList()));
    }
}
