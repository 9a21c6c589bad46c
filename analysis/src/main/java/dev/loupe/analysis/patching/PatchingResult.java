package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.View;
import dev.loupe.tensor.Tensor;
import java.util.List;

/**
 * What a sweep measured.
 *
 * @param name the sweep's name
 * @param axes what the axes of the values count
 * @param values the metric of each patched run, one axis for each of {@code axes}
 * @param kinds labels of the axis KIND, if there is one
 */
public record PatchingResult(String name, List<Axis> axes, Tensor values, List<String> kinds) {

    /** Checks that there is one axis for each name. */
    public PatchingResult {
        axes = List.copyOf(axes);
        kinds = List.copyOf(kinds);
        if (values.rank() != axes.size()) {
            throw new IllegalArgumentException("Values of shape " + values.shape() + " don't have the axes " + axes);
        }
    }

    /**
     * A picture: a heat map if there are two axes, else panels of them.
     *
     * @param strTokens the prompt's tokens, for the labels of positions; empty for numbers
     */
    public View view(List<String> strTokens) {
        return new PatchingView(this, strTokens).draw();
    }
}
