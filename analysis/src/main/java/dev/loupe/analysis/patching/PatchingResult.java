package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.View;
import dev.loupe.model.HookedTransformer;
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

    /** What was measured, in float32 on the model's device. */
    static Tensor tensor(HookedTransformer model, double[] metrics, long... shape) {
        float[] floats = new float[metrics.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) metrics[i];
        }
        return model.tensors().of(floats, shape);
    }

    /**
     * A picture: a heat map if there are one or two axes, else panels of them, one for each index of the other axes.
     * {@link View#heatMaps} gives each of them as SVG or PNG.
     *
     * @param strTokens the prompt's tokens, for the labels of positions; empty for numbers
     * @throws IllegalArgumentException if there are tokens, but not as many as positions
     */
    public View view(List<String> strTokens) {
        return view(strTokens, "");
    }

    /**
     * A picture with a sentence under its heading: what the numbers say.
     *
     * @param strTokens the prompt's tokens, for the labels of positions; empty for numbers
     * @param note the sentence
     * @throws IllegalArgumentException if there are tokens, but not as many as positions
     */
    public View view(List<String> strTokens, String note) {
        return new PatchingView(this, strTokens, note).draw();
    }
}
