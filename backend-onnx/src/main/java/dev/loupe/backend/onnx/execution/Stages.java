package dev.loupe.backend.onnx.execution;

import dev.loupe.array.DType;
import dev.loupe.backend.Placement;
import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.lowering.BlockedAttention;
import dev.loupe.backend.onnx.lowering.Float16;
import dev.loupe.backend.onnx.lowering.FusedProducts;
import dev.loupe.backend.onnx.lowering.Lowering;
import dev.loupe.backend.onnx.lowering.OneQueryProducts;
import dev.loupe.backend.onnx.lowering.Operand;
import dev.loupe.backend.onnx.lowering.Rewriting;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.backend.onnx.runtime.OnnxHandle;
import dev.loupe.backend.onnx.runtime.OnnxSession;
import dev.loupe.backend.onnx.stage.Stage;
import dev.loupe.graph.Dim;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Writes stages down as models, and says which of them are the same. */
final class Stages {

    private static final Dim ROWS = Dim.symbol("rows");
    private static final String WEIGHT = "weight";

    /** How attention is computed: results agree up to rounding. */
    enum Way {
        /** Step by step, for anything. */
        PLAIN,
        /** {@link BlockedAttention}. */
        BLOCKS,
        /** {@link OneQueryProducts}. */
        ONE_QUERY
    }

    private Stages() {}

    /** What two products with one weight have in common, so that they can use one session. */
    private record ProductKey(Class<?> op, Object place, TensorType weight) {}

    static Object key(Stage.Product stage, OnnxHandle weight) {
        return new ProductKey(
                stage.step().op().getClass(),
                isStored(stage, weight) ? "stored" : weight.place(),
                TensorType.of(weight.dtype(), weight.shape()));
    }

    /**
     * Whether a weight is only stored in its type: it is widened in every run, and fed to the session, which would
     * otherwise keep a widened constant beside it.
     */
    static boolean isStored(Stage.Product stage, OnnxHandle weight) {
        return stage.weight() != stage.step().inputs().get(1) && weight.dtype().isSixteenBits();
    }

    /** A product over all rows at once: {@code x [rows, in]}, and a bias if there is one. */
    static OnnxSession.Model model(Stage.Product stage, OnnxHandle weight, String what) {
        if (isStored(stage, weight)) {
            return StoredProduct.model(stage, weight, ROWS, what);
        }
        ModelBuilder model = new ModelBuilder("product");
        TensorType x = TensorType.of(weight.dtype(), ROWS, Dim.of(weight.shape().size(0)));
        TensorType product =
                TensorType.of(weight.dtype(), ROWS, Dim.of(weight.shape().size(1)));
        List<String> inputs = new ArrayList<>(List.of("x"));
        // The runtime widens a constant once and for all, but only if its numbers stand in the model.
        boolean narrow = weight.dtype() == DType.FLOAT16;
        Map<String, OnnxHandle> external = narrow ? Map.of() : Map.of(WEIGHT, weight);
        model.input("x", x);
        String matrix = WEIGHT;
        if (narrow) {
            matrix = model.constant(weight.inPlace());
        } else {
            model.externalWeight(WEIGHT, weight.dtype(), weight.shape());
        }
        List<String> operands = new ArrayList<>(List.of("x", matrix));
        if (stage.step().inputs().size() == 3) {
            model.input(
                    "bias", TensorType.of(weight.dtype(), Dim.of(weight.shape().size(1))));
            inputs.add("bias");
            operands.add("bias");
        }
        if (narrow) {
            operands.replaceAll(value -> Float16.cast(model, value, DType.FLOAT32));
        }
        String result = model.node(operands.size() == 3 ? "Gemm" : "MatMul", operands);
        result = narrow ? Float16.cast(model, result, DType.FLOAT16) : result;
        model.output(result, product);
        return new OnnxSession.Model(what, model.build(), inputs, List.of(result), external, weight.isReplaceable());
    }

    /** A group without regard to where it stands: slots are numbered in the order in which they turn up. */
    static Object key(Segment segment, Stage.Group group) {
        Map<Integer, Integer> numbers = new LinkedHashMap<>();
        group.inputs().forEach(slot -> numbers.putIfAbsent(slot, numbers.size()));
        List<Segment.Step> steps = new ArrayList<>();
        for (Segment.Step step : group.steps()) {
            step.outputs().forEach(slot -> numbers.putIfAbsent(slot, numbers.size()));
            steps.add(new Segment.Step(
                    step.op(),
                    step.inputs().stream().map(numbers::get).toList(),
                    step.outputs().stream().map(numbers::get).toList()));
        }
        return new Segment(
                "",
                Placement.ANYWHERE,
                false,
                numbers.keySet().stream().map(slot -> segment.types().get(slot)).toList(),
                group.inputs().stream().map(numbers::get).toList(),
                List.of(),
                steps,
                group.outputs().stream().map(numbers::get).toList());
    }

    /**
     * A group as a model.
     *
     * @param weights what is written into the model as a constant, by slot; the rest of the inputs is fed
     * @param way how attention is computed
     */
    static OnnxSession.Model model(
            Segment segment, Stage.Group group, Map<Integer, OnnxHandle> weights, Way way, String what) {
        ModelBuilder model = new ModelBuilder("group");
        Map<Integer, String> names = new HashMap<>();
        List<String> inputs = new ArrayList<>();
        Map<String, OnnxHandle> external = new LinkedHashMap<>();
        for (int slot : group.inputs()) {
            TensorType type = segment.types().get(slot);
            OnnxHandle weight = weights.get(slot);
            String name = (weight == null ? "x" : WEIGHT) + slot;
            names.put(slot, name);
            if (weight == null) {
                model.input(name, type);
                inputs.add(name);
            } else {
                model.externalWeight(name, type.dtype(), type.shape());
                external.put(name, weight);
            }
        }
        write(segment, group, way, model, names);
        List<String> outputs = new ArrayList<>();
        for (int slot : group.outputs()) {
            String output = model.output(name(names, slot), segment.types().get(slot));
            outputs.add(output);
        }
        return new OnnxSession.Model(what, model.build(), inputs, outputs, external);
    }

    private static void write(
            Segment segment, Stage.Group group, Way way, ModelBuilder model, Map<Integer, String> names) {
        List<Rewriting> rewritings = new ArrayList<>();
        List<Segment.Step> steps = group.steps();
        if (way == Way.BLOCKS) {
            rewritings.add(new BlockedAttention(segment, steps, group.outputs()));
        } else if (way == Way.ONE_QUERY) {
            rewritings.add(new OneQueryProducts(segment, steps, group.outputs()));
        }
        for (Rewriting rewriting : rewritings) {
            steps = steps.stream().filter(step -> !rewriting.absorbs(step)).toList();
        }
        FusedProducts products = new FusedProducts(segment, steps, group.outputs());
        rewritings.add(products);
        for (Segment.Step step : steps) {
            if (products.absorbs(step)) {
                continue;
            }
            String rewritten = rewritten(rewritings, step, model, names);
            if (rewritten != null) {
                names.put(step.outputs().get(0), rewritten);
                continue;
            }
            List<Operand> operands = step.inputs().stream()
                    .map(slot -> new Operand(name(names, slot), segment.types().get(slot)))
                    .toList();
            List<TensorType> types = step.outputs().stream()
                    .map(slot -> segment.types().get(slot))
                    .toList();
            List<String> results = Lowering.write(step.op(), model, operands, types, describe(segment, step));
            for (int i = 0; i < results.size(); i++) {
                names.put(step.outputs().get(i), results.get(i));
            }
        }
    }

    private static @Nullable String rewritten(
            List<Rewriting> rewritings, Segment.Step step, ModelBuilder model, Map<Integer, String> names) {
        for (Rewriting rewriting : rewritings) {
            String result = rewriting.write(step, model, slot -> name(names, slot));
            if (result != null) {
                return result;
            }
        }
        return null;
    }

    private static String name(Map<Integer, String> names, int slot) {
        String name = names.get(slot);
        if (name == null) {
            throw new IllegalStateException("Slot " + slot + " is read before it is written");
        }
        return name;
    }

    static String describe(Segment segment, Segment.Step step) {
        String operation = step.op().name() + " of slots " + step.inputs();
        return segment.region().isEmpty() ? operation : "'" + segment.region() + "', " + operation;
    }

    static String describe(Segment segment, Stage.Group group) {
        return "'" + segment.region() + "' ("
                + group.steps().stream().map(step -> step.op().name()).collect(Collectors.joining(", ")) + ")";
    }
}
