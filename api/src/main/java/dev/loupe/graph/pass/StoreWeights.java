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
 * Has the matrices by which activations are multiplied, and the tables of which rows are read, stored in 16 bits. A matrix
 * is widened where it is used: each reader has a {@link Op.Cast} of its own right before it, so that a widened copy lives no
 * longer than the product. Of a table only the rows that were {@linkplain Op.Gather read} are widened. Everything else
 * (norms, biases) stays in the type in which the graph computes: it is little.
 *
 * @param stored the type to store them in
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record StoreWeights(DType stored) implements Pass {

    @Override
    public Graph apply(Graph graph) {
        Set<String> names = stored(graph);
        return Rewriter.rewrite(graph, (old, to) -> {
            if (old.source() instanceof Value.Weight weight && names.contains(weight.name())) {
                return to.builder()
                        .weight(weight.name(), stored, old.type().shape().toArray());
            } else if (old.source() instanceof Value.Result result && result.op() instanceof Op.Gather) {
                return to.builder().cast(to.copy(old), old.type().dtype());
            }
            return to.copy(
                    old,
                    operand -> to.builder().cast(to.get(operand), operand.type().dtype()));
        });
    }

    /**
     * Names of the weights that are stored in 16 bits: those that are nothing but factors of products, {@code W} of
     * {@code x·W}, and tables of which rows are gathered. Some products are with the heads of a matrix one by one;
     * {@linkplain Op.SplitAxis telling them apart} is no use of it by itself.
     */
    public static Set<String> stored(Graph graph) {
        Set<Value> read = new HashSet<>();
        Set<Value> others = new HashSet<>(graph.outputs().values());
        for (Value value : graph.values()) {
            Op op = value.source() instanceof Value.Result result ? result.op() : null;
            for (int i = 0; i < value.operands().size(); i++) {
                Value operand = value.operands().get(i);
                if (op != null && (op.isProduct() && i == 1 || op instanceof Op.Gather && i == 0)) {
                    read.add(operand);
                } else if (!(op instanceof Op.SplitAxis)) {
                    others.add(operand);
                }
            }
        }
        Set<String> names = new TreeSet<>();
        graph.weights().forEach((name, value) -> {
            if (read.contains(value)
                    && !others.contains(value)
                    && !graph.constants().containsKey(name)) {
                names.add(name);
            }
        });
        return names;
    }
}
