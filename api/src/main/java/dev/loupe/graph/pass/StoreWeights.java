package dev.loupe.graph.pass;

import dev.loupe.array.DType;
import dev.loupe.graph.Graph;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * Has the matrices by which activations are multiplied stored in 16 bits, and widened where they are used: each reader
 * has a {@link Op.Cast} of its own right before it, so that a widened copy lives no longer than the product. Everything
 * else (embeddings, of which few rows are read, norms, biases) stays in the type in which the graph computes: it is little.
 *
 * @param stored the type to store them in
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record StoreWeights(DType stored) implements Pass {

    @Override
    public Graph apply(Graph graph) {
        Set<String> factors = factors(graph);
        return Rewriter.rewrite(graph, (old, to) -> {
            if (old.source() instanceof Value.Weight weight && factors.contains(weight.name())) {
                return to.builder()
                        .weight(weight.name(), stored, old.type().shape().toArray());
            }
            return to.copy(
                    old,
                    operand -> to.builder().cast(to.get(operand), operand.type().dtype()));
        });
    }

    /**
     * Names of the weights that are nothing but factors of products: {@code W} of {@code x·W}. Some products are with the
     * heads of a matrix one by one; {@linkplain Op.SplitAxis telling them apart} is no use of it by itself.
     */
    public static Set<String> factors(Graph graph) {
        Set<Value> factors = new HashSet<>();
        Set<Value> others = new HashSet<>(graph.outputs().values());
        for (Value value : graph.values()) {
            Op op = value.source() instanceof Value.Result result ? result.op() : null;
            for (int i = 0; i < value.operands().size(); i++) {
                Value operand = value.operands().get(i);
                if (op != null && op.isProduct() && i == 1) {
                    factors.add(operand);
                } else if (!(op instanceof Op.SplitAxis)) {
                    others.add(operand);
                }
            }
        }
        Set<String> names = new TreeSet<>();
        graph.weights().forEach((name, value) -> {
            if (factors.contains(value)
                    && !others.contains(value)
                    && !graph.constants().containsKey(name)) {
                names.add(name);
            }
        });
        return names;
    }
}
