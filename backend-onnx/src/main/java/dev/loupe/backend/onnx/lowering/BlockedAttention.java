package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Attention whose scores and pattern nobody reads, for long sequences: a few blocks of queries after one another, each
 * with the keys up to the last that the mask lets any of them see. Under a causal mask that saves about half of the
 * work, and what is computed per pair of positions stays small enough for the cache.
 *
 * <p>Says the same as the steps that it stands for: keys that are left out would have got a weight of 0.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class BlockedAttention implements Rewriting {

    private static final int BLOCKS = 4;
    // Measured with 12 layers of 12 heads of 64: even at 192 positions, 2 % of a whole run at 256, 4 % at 512.
    private static final long WORTH_WHILE = 192 * 192;
    private static final long FEWEST_QUERIES = 64; // so that no block is empty

    private final Segment segment;
    private final Flow flow;
    private final Map<Integer, Found> found = new HashMap<>(); // by the slot that it gives
    private final Set<Integer> absorbed = new HashSet<>();

    private record Found(int queries, int keys, int values, int mask, double scale) {}

    /**
     * Finds such attention in a group.
     *
     * @param steps the group's operations
     * @param outputs slots that are read outside the group
     */
    public BlockedAttention(Segment segment, List<Segment.Step> steps, List<Integer> outputs) {
        this.segment = segment;
        this.flow = new Flow(steps, outputs);
        steps.forEach(this::consider);
    }

    // where(mask, scale · q·k, -inf) → softmax → · v; with grouped heads, an axis is merged and split on the way.
    private void consider(Segment.Step softmax) {
        if (!(softmax.op() instanceof Op.Softmax) || !isAlongKeys(softmax)) {
            return;
        }
        Segment.Step where = flow.soleMaker(softmax.inputs().get(0), Op.Where.class);
        Segment.Step mul = where == null ? null : flow.soleMaker(where.inputs().get(1), Op.Binary.class);
        if (where == null
                || mul == null
                || !Double.valueOf(Double.NEGATIVE_INFINITY)
                        .equals(flow.scalar(where.inputs().get(2)))
                || !isMask(where.inputs().get(0), softmax.inputs().get(0))) {
            return;
        }
        Double scale = flow.scalar(mul.inputs().get(1));
        Segment.Step merge = flow.soleMaker(mul.inputs().get(0), Op.MergeAxes.class);
        Segment.Step product = flow.soleMaker(
                merge == null ? mul.inputs().get(0) : merge.inputs().get(0), Op.MatMul.class);
        Segment.Step split = soleReader(softmax.outputs().get(0), Op.SplitAxis.class);
        Segment.Step sum =
                soleReader((split == null ? softmax : split).outputs().get(0), Op.MatMul.class);
        if (scale == null
                || product == null
                || sum == null
                || ((Op.Binary) mul.op()).kind() != Op.BinaryKind.MUL
                || (merge == null) != (split == null)
                || !sum.inputs()
                        .get(0)
                        .equals((split == null ? softmax : split).outputs().get(0))) {
            return;
        }
        for (Segment.Step step : new Segment.Step[] {product, merge, mul, where, softmax, split}) {
            if (step != null) {
                absorbed.addAll(step.outputs());
            }
        }
        found.put(
                sum.outputs().get(0),
                new Found(
                        product.inputs().get(0),
                        product.inputs().get(1),
                        sum.inputs().get(1),
                        where.inputs().get(0),
                        scale));
    }

    private boolean isAlongKeys(Segment.Step softmax) {
        TensorType scores = type(softmax.inputs().get(0));
        return scores.dtype() == DType.FLOAT32
                && scores.rank() == 4
                && ((Op.Softmax) softmax.op()).axis() == scores.rank() - 1;
    }

    private boolean isMask(int slot, int scoresSlot) {
        TensorType mask = type(slot);
        TensorType scores = type(scoresSlot);
        return mask.rank() == scores.rank()
                && mask.dim(1).isFixed()
                && mask.dim(1).value() == 1
                && mask.dim(-1).equals(scores.dim(-1))
                && mask.dim(-2).equals(scores.dim(-2));
    }

    private TensorType type(int slot) {
        return segment.types().get(slot);
    }

    private Segment.@Nullable Step soleReader(int slot, Class<? extends Op> kind) {
        Segment.Step reader = flow.soleReader(slot);
        return reader != null && kind.isInstance(reader.op()) ? reader : null;
    }

    /** Types of the masks, {@code [batch, 1, queries, keys]}; none if the group has no such attention. */
    public List<TensorType> masks() {
        return found.values().stream().map(attention -> type(attention.mask())).toList();
    }

    /** Whether blocks are the faster way for so many queries and keys. */
    public static boolean pays(long queries, long keys) {
        return queries >= FEWEST_QUERIES && queries * keys >= WORTH_WHILE;
    }

    @Override
    public boolean absorbs(Segment.Step step) {
        return absorbed.contains(step.outputs().get(0));
    }

    @Override
    public @Nullable String write(Segment.Step step, ModelBuilder model, IntFunction<String> names) {
        Found attention = found.get(step.outputs().get(0));
        return attention == null ? null : new Writer(model, attention, names).write();
    }

    private final class Writer {
        private final ModelBuilder model;
        private final Found attention;
        private final IntFunction<String> names;
        private final int rank;

        Writer(ModelBuilder model, Found attention, IntFunction<String> names) {
            this.model = model;
            this.attention = attention;
            this.names = names;
            this.rank = type(attention.queries()).rank();
        }

        String write() {
            String mask = names.apply(attention.mask());
            if (rank == 5) {
                mask = node("Unsqueeze", mask, model.ints(List.of(1)));
            }
            String queries = model.node("Shape", List.of(mask), Attribute.of("start", -2), Attribute.of("end", -1));
            String keys = model.node("Shape", List.of(mask), Attribute.of("start", -1));
            String first = model.scalar(DType.INT64, 1);
            String end = node("Add", node("Squeeze", keys), first);
            String places = cast(node("Range", first, end, first), DType.FLOAT32); // of the keys, from 1 on
            String size =
                    node("Div", node("Add", queries, model.ints(List.of(BLOCKS - 1))), model.ints(List.of(BLOCKS)));
            List<String> blocks = new ArrayList<>();
            for (int i = 0; i < BLOCKS; i++) {
                String from = node("Mul", size, model.ints(List.of(i)));
                blocks.add(block(mask, places, from, node("Add", from, size)));
            }
            return model.node("Concat", blocks, Attribute.of("axis", rank - 2));
        }

        private String block(String mask, String places, String from, String to) {
            String rows = slice(mask, from, to, rank - 2);
            List<Integer> before = new ArrayList<>();
            for (int axis = 0; axis < rank - 1; axis++) {
                before.add(axis);
            }
            String seen = reduce("ReduceMax", cast(rows, DType.FLOAT32), before, 0);
            String last = reduce("ReduceMax", node("Mul", seen, places), List.of(0), 1);
            String end = node("Max", cast(last, DType.INT64), model.ints(List.of(1)));
            String none = model.ints(List.of(0));
            String q = slice(names.apply(attention.queries()), from, to, rank - 2);
            String scaled = node("Mul", q, model.scalar(DType.FLOAT32, attention.scale()));
            String products = node("MatMul", scaled, slice(names.apply(attention.keys()), none, end, rank - 1));
            String infinity = model.scalar(DType.FLOAT32, Double.NEGATIVE_INFINITY);
            String scores = node("Where", slice(rows, none, end, rank - 1), products, infinity);
            // As for a softmax by itself: the runtime gives NaN for a row that is -inf throughout.
            List<Integer> ofKeys = List.of(rank - 1);
            String most = node("Max", reduce("ReduceMax", scores, ofKeys, 1), reduce("ReduceSum", scores, ofKeys, 1));
            String pattern = model.node("Softmax", List.of(scores), Attribute.of("axis", rank - 1));
            String sum = node("MatMul", pattern, slice(names.apply(attention.values()), none, end, rank - 2));
            return node("Where", node("Equal", most, infinity), model.scalar(DType.FLOAT32, 0), sum);
        }

        private String node(String opType, String... operands) {
            return model.node(opType, List.of(operands));
        }

        private String slice(String value, String from, String to, int axis) {
            return node("Slice", value, from, to, model.ints(List.of(axis)));
        }

        private String reduce(String opType, String value, List<Integer> axes, int keep) {
            return model.node(opType, List.of(value, model.ints(axes)), Attribute.of("keepdims", keep));
        }

        private String cast(String value, DType to) {
            return model.node("Cast", List.of(value), Attribute.of("to", ModelBuilder.typeCode(to)));
        }
    }
}
