package dev.loupe.backend.onnx.export;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.Segments;
import dev.loupe.backend.WholeGraph;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.lowering.Operand;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Writes a whole graph down as a model that stands alone: only the standard's operators, and as inputs what a tokenizer
 * gives. What a run of Loupe works out beforehand, the model computes: the positions of tokens behind padding, and the
 * order of queries and keys.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ExportedGraph {

    private static final TensorType TOKENS = TensorType.of(DType.INT64, StandardNames.BATCH, StandardNames.POS);

    private final WholeGraph whole;
    private final List<String> fed;
    private final ModelBuilder model;
    private final Map<Integer, String> names = new HashMap<>();
    private final Map<String, String> prepared = new HashMap<>();

    private ExportedGraph(WholeGraph whole, List<String> fed, ModelBuilder model) {
        this.whole = whole;
        this.fed = fed;
        this.model = model;
    }

    /**
     * Adds a graph to an empty model; its weights are in the model already, under their own names.
     *
     * @param fed names of graph inputs that are inputs of the model too
     * @return the names of the model's outputs, in order
     * @throws UnsupportedOperationException if the graph reads an input that can't be worked out from tokens and mask
     */
    public static List<String> write(WholeGraph whole, List<String> fed, ModelBuilder model) {
        return new ExportedGraph(whole, fed, model).write();
    }

    private List<String> write() {
        model.input(StandardNames.TOKENS, TOKENS).input(StandardNames.ATTENTION_MASK, TOKENS);
        fed.stream().filter(whole.inputs()::containsKey).forEach(this::declare);
        model.scope("inputs");
        whole.inputs().forEach((input, slot) -> names.put(slot, input(input)));
        Segment segment = whole.segment();
        segment.weights().forEach(weight -> names.put(weight.slot(), weight.name()));
        for (int i = 0; i < segment.steps().size(); i++) {
            // One by one, so that each node knows its region.
            Segment step = only(segment, segment.steps().get(i));
            Segment lowered = Segments.decompose(step, Lowering::has);
            Map<Integer, String> local = new HashMap<>(names);
            for (Segment.Step part : lowered.steps()) {
                write(lowered, part, whole.regions().get(i) + "/" + part.op().name(), local);
            }
            step.steps().get(0).outputs().forEach(slot -> names.put(slot, name(local, slot)));
        }
        Map<String, Integer> outputs = new LinkedHashMap<>(whole.outputs());
        outputs.putAll(whole.observed());
        model.scope("outputs");
        outputs.forEach((output, slot) ->
                model.output(name(names, slot), segment.types().get(slot), output));
        return List.copyOf(outputs.keySet());
    }

    private void declare(String input) {
        int slot = Objects.requireNonNull(whole.inputs().get(input), input);
        TensorType type = whole.segment().types().get(slot);
        model.input(input, type);
        prepared.put(input, input);
    }

    private static Segment only(Segment segment, Segment.Step step) {
        return new Segment(
                segment.region(),
                segment.placement(),
                segment.whole(),
                segment.types(),
                step.inputs(),
                List.of(),
                List.of(step),
                step.outputs());
    }

    private void write(Segment segment, Segment.Step step, String node, Map<Integer, String> local) {
        List<Operand> operands = new ArrayList<>();
        for (int slot : step.inputs()) {
            operands.add(new Operand(name(local, slot), segment.types().get(slot)));
        }
        List<TensorType> types =
                step.outputs().stream().map(slot -> segment.types().get(slot)).toList();
        List<String> results = Lowering.write(step.op(), model, operands, types, node);
        for (int i = 0; i < results.size(); i++) {
            local.put(step.outputs().get(i), results.get(i));
        }
    }

    private static String name(Map<Integer, String> names, int slot) {
        String name = names.get(slot);
        if (name == null) {
            throw new IllegalStateException("Slot " + slot + " is read before it is written");
        }
        return name;
    }

    /** The value of a graph's input, in terms of the model's two. */
    private String input(String name) {
        String known = prepared.get(name);
        if (known != null) {
            return known;
        }
        String value = switch (name) {
            case StandardNames.TOKENS -> StandardNames.TOKENS;
            case StandardNames.TOKEN_MASK -> cast(StandardNames.ATTENTION_MASK, DType.BOOL);
            case StandardNames.ATTENTION_MASK -> input(StandardNames.TOKEN_MASK);
            case StandardNames.POSITIONS -> positions();
            case StandardNames.QUERY_INDEX -> indices();
            default ->
                throw new UnsupportedOperationException("The graph reads an input '" + name
                        + "', which can't be worked out from tokens and attention mask, so the model can't be"
                        + " exported");
        };
        prepared.put(name, value);
        return value;
    }

    /** {@code max(cumsum(mask) - 1, 0)}. */
    private String positions() {
        String real = cast(input(StandardNames.TOKEN_MASK), DType.INT64);
        String count = model.node("CumSum", List.of(real, integer(1)));
        return model.node("Max", List.of(model.node("Sub", List.of(count, integer(1))), integer(0)));
    }

    /** {@code 0, 1, …}, one for each position. */
    private String indices() {
        String sizes = model.node("Shape", List.of(StandardNames.TOKENS));
        String count = model.node("Gather", List.of(sizes, integer(1)));
        return model.node("Range", List.of(integer(0), count, integer(1)));
    }

    private String integer(int value) {
        return model.scalar(DType.INT64, value);
    }

    private String cast(String value, DType to) {
        return model.node("Cast", List.of(value), Attribute.of("to", ModelBuilder.typeCode(to)));
    }
}
