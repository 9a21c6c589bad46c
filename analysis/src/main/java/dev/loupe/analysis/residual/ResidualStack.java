package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Components of the residual stream, one under the other, each with its label.
 *
 * @param values [component, batch, pos, d_model]; without the batch axis if the cache has none, without the position
 *     axis if one position was chosen; instead of d_model directions, or no axis at all, if they were projected
 * @param labels one for each component: {@code embed}, {@code 3_mlp_out}, {@code L2H7}, …
 * @param positions which positions were taken
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record ResidualStack(Tensor values, List<String> labels, Index positions) {

    /** Checks that there is one label for each component. */
    public ResidualStack {
        labels = List.copyOf(labels);
        if (values.size(0) != labels.size()) {
            throw new IllegalArgumentException(labels.size() + " labels for components of shape " + values.shape());
        }
    }

    /** The number of components. */
    public int size() {
        return labels.size();
    }

    /**
     * One component by its label.
     *
     * @throws IllegalArgumentException if there is none of that label
     */
    public Tensor get(String label) {
        int index = labels.indexOf(label);
        if (index < 0) {
            throw new IllegalArgumentException("There is no component '" + label + "'; there are " + labels);
        }
        return values.select(0, index);
    }

    /** The sum of all components: the residual stream, if the stack is a whole decomposition. */
    public Tensor sum() {
        return values.sum(0);
    }

    /** The same components with other values. */
    ResidualStack with(Tensor newValues) {
        return new ResidualStack(newValues, labels, positions);
    }
}
