package dev.loupe.backend.onnx.lowering;

import dev.loupe.array.DType;
import dev.loupe.backend.Segment;
import dev.loupe.backend.onnx.model.Attribute;
import dev.loupe.backend.onnx.model.ModelBuilder;
import dev.loupe.graph.Op;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products in float32 that read a transposed operand as it lies, and scale what they give: the runtime's own
 * {@code FusedMatMul}. Attention scores are such products; transposing the keys by itself costs more than the
 * product when one position is added to many.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class FusedProducts implements Rewriting {

    private final Segment segment;
    private final Flow flow;
    private final Map<Integer, Fused> fused = new HashMap<>(); // by the slot that it gives
    private final Set<Integer> absorbed = new HashSet<>(); // slots that nobody needs any more

    private record Fused(int left, int right, List<Integer> permutation, float scale) {}

    /**
     * Finds the products in a group.
     *
     * @param steps the group's operations
     * @param outputs slots that are read outside the group
     */
    public FusedProducts(Segment segment, List<Segment.Step> steps, List<Integer> outputs) {
        this.segment = segment;
        this.flow = new Flow(steps, outputs);
        steps.forEach(this::consider);
    }

    private void consider(Segment.Step product) {
        if (!(product.op() instanceof Op.MatMul)
                || segment.types().get(product.inputs().get(0)).dtype() != DType.FLOAT32) {
            return;
        }
        int right = product.inputs().get(1);
        Segment.Step turned = flow.soleMaker(right, Op.Transpose.class);
        if (turned == null) {
            return;
        }
        List<Integer> permutation = new ArrayList<>(((Op.Transpose) turned.op()).permutation());
        int rank = permutation.size();
        Collections.swap(permutation, rank - 1, rank - 2);
        if (permutation.get(rank - 1) != rank - 1) {
            return;
        }
        int result = product.outputs().get(0);
        float scale = 1;
        Segment.Step reader = flow.soleReader(result);
        Double factor = reader == null ? null : factor(reader, result);
        if (reader != null && factor != null) {
            absorbed.add(result);
            result = reader.outputs().get(0);
            scale = factor.floatValue();
        }
        absorbed.add(right);
        fused.put(result, new Fused(product.inputs().get(0), turned.inputs().get(0), permutation, scale));
    }

    /** The number by which a step multiplies a slot; null if it does anything else. */
    private @Nullable Double factor(Segment.Step step, int slot) {
        if (!(step.op() instanceof Op.Binary binary) || binary.kind() != Op.BinaryKind.MUL) {
            return null;
        }
        int other = step.inputs().get(0) == slot
                ? step.inputs().get(1)
                : step.inputs().get(0);
        return flow.scalar(other);
    }

    @Override
    public boolean absorbs(Segment.Step step) {
        return absorbed.contains(step.outputs().get(0));
    }

    @Override
    public @Nullable String write(Segment.Step step, ModelBuilder model, IntFunction<String> names) {
        Fused product = fused.get(step.outputs().get(0));
        if (product == null) {
            return null;
        }
        String right = names.apply(product.right());
        // What is left of the order once the product reads it transposed: with a matrix nothing, and a weight isn't
        // copied.
        if (!isAsItLies(product.permutation())) {
            right = model.node("Transpose", List.of(right), Attribute.of("perm", product.permutation()));
        }
        return model.contribNode(
                "FusedMatMul",
                List.of(names.apply(product.left()), right),
                Attribute.of("transB", 1),
                Attribute.of("alpha", product.scale()));
    }

    private static boolean isAsItLies(List<Integer> permutation) {
        for (int axis = 0; axis < permutation.size(); axis++) {
            if (permutation.get(axis) != axis) {
                return false;
            }
        }
        return true;
    }
}
