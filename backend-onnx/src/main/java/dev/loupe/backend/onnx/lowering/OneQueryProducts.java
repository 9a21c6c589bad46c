package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Attention of one position of one sequence, as every step of a generation has it: its products read keys and values
 * {@code [1, keys, heads, d]} as they lie, head by head with a stride, where otherwise all that came before would be
 * reordered for the sake of one query. The query and what comes out are so small that an order of axes is but a shape.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class OneQueryProducts implements Rewriting {

    private static final List<Integer> HEADS_FIRST = List.of(0, 2, 1, 3);
    private static final List<Integer> HEADS_FIRST_TRANSPOSED = List.of(0, 2, 3, 1);

    private final Segment segment;
    private final Flow flow;
    private final Map<Integer, Found> found = new HashMap<>(); // by the slot that it gives
    private final Set<Integer> absorbed = new HashSet<>();
    private final Set<Dim> ones = new LinkedHashSet<>();

    private record Found(int query, int keys, boolean transposed, long heads, long ofEach, TensorType result) {}

    /**
     * Finds the products in a group.
     *
     * @param steps the group's operations
     * @param outputs slots that are read outside the group
     */
    public OneQueryProducts(Segment segment, List<Segment.Step> steps, List<Integer> outputs) {
        this.segment = segment;
        this.flow = new Flow(steps, outputs);
        steps.forEach(this::consider);
    }

    // [b, h, p, n] with the reordered [b, t, h, d], or with grouped heads [b, kv, h/kv, p, n] with one more axis of 1.
    private void consider(Segment.Step product) {
        if (!(product.op() instanceof Op.MatMul)) {
            return;
        }
        TensorType query = type(product.inputs().get(0));
        int right = product.inputs().get(1);
        boolean grouped = query.rank() == 5;
        Segment.Step unsqueezed = grouped ? flow.soleMaker(right, Op.SplitAxis.class) : null;
        Segment.Step turned =
                flow.soleMaker(unsqueezed == null ? right : unsqueezed.inputs().get(0), Op.Transpose.class);
        if (turned == null || grouped != (unsqueezed != null) || query.dtype() != DType.FLOAT32) {
            return;
        }
        List<Integer> permutation = ((Op.Transpose) turned.op()).permutation();
        TensorType keys = type(turned.inputs().get(0));
        boolean transposed = permutation.equals(HEADS_FIRST_TRANSPOSED);
        if ((!transposed && !permutation.equals(HEADS_FIRST))
                || !keys.dim(2).isFixed()
                || !query.dim(1).equals(keys.dim(2))
                || (unsqueezed != null && !isUnsqueezedForGroups(unsqueezed, query))) {
            return;
        }
        List<Dim> needed = List.of(query.dim(0), query.dim(-2), keys.dim(0));
        if (needed.stream().anyMatch(dim -> dim.isFixed() && dim.value() != 1)) {
            return;
        }
        ones.addAll(needed);
        absorbed.addAll(turned.outputs());
        if (unsqueezed != null) {
            absorbed.addAll(unsqueezed.outputs());
        }
        int result = product.outputs().get(0);
        found.put(
                result,
                new Found(
                        product.inputs().get(0),
                        turned.inputs().get(0),
                        transposed,
                        keys.dim(2).value(),
                        unsqueezed == null ? 1 : query.dim(2).value(),
                        type(result)));
    }

    private boolean isUnsqueezedForGroups(Segment.Step split, TensorType query) {
        TensorType wide = type(split.outputs().get(0));
        return wide.rank() == 5
                && wide.dim(1).equals(query.dim(1))
                && wide.dim(2).isFixed()
                && wide.dim(2).value() == 1
                && query.dim(2).isFixed();
    }

    private TensorType type(int slot) {
        return segment.types().get(slot);
    }

    /** Numbers of sequences and of queries, each of which must be 1 where this is used; none if nothing was found. */
    public Set<Dim> ones() {
        return ones;
    }

    @Override
    public boolean absorbs(Segment.Step step) {
        return absorbed.contains(step.outputs().get(0));
    }

    @Override
    public @Nullable String write(Segment.Step step, ModelBuilder model, IntFunction<String> names) {
        Found product = found.get(step.outputs().get(0));
        if (product == null) {
            return null;
        }
        String query = model.node(
                "Reshape",
                List.of(names.apply(product.query()), model.ints(List.of(product.heads(), product.ofEach(), -1L))));
        String keys = model.node("Squeeze", List.of(names.apply(product.keys()), model.ints(List.of(0))));
        List<Attribute> attributes = new ArrayList<>(List.of(Attribute.of("transBatchB", 1)));
        if (product.transposed()) {
            attributes.add(Attribute.of("transB", 1));
        }
        String result = model.contribNode("FusedMatMul", List.of(query, keys), attributes.toArray(Attribute[]::new));
        List<Long> shape = new ArrayList<>(List.of(1L, product.heads()));
        if (product.result().rank() == 5) {
            shape.add(product.ofEach());
        }
        shape.addAll(List.of(1L, -1L));
        return model.node("Reshape", List.of(result, model.ints(shape)));
    }
}
