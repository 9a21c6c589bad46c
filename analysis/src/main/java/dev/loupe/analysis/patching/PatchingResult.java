package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.View;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * What a sweep measured.
 *
 * @param name the sweep's name
 * @param axes what the axes of the values count
 * @param values the metric of each patched run, one axis for each of {@code axes}
 * @param kinds labels of the axis KIND, if there is one
 * @param warning a reason not to read anything into the values, such as two runs that don't differ; empty if there is none.
 *     Views show it.
 */
public record PatchingResult(String name, List<Axis> axes, Tensor values, List<String> kinds, String warning) {

    /**
     * One patched run: the original's row of {@code index_df}.
     *
     * @param index what was patched, by axis: a layer, a position, a head; for the axis KIND a place in {@link #kinds}
     * @param value the metric of the run
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public record Entry(Map<Axis, Integer> index, double value) {
        /** Copies the index, in the order of the axes. */
        public Entry {
            index = Collections.unmodifiableMap(new LinkedHashMap<>(index));
        }
    }

    /** A result without a warning. */
    public PatchingResult(String name, List<Axis> axes, Tensor values, List<String> kinds) {
        this(name, axes, values, kinds, "");
    }

    /** Checks that there is one axis for each name. */
    public PatchingResult {
        axes = List.copyOf(axes);
        kinds = List.copyOf(kinds);
        if (values.rank() != axes.size()) {
            throw new IllegalArgumentException("Values of shape " + values.shape() + " don't have the axes " + axes);
        }
    }

    /**
     * The indices of every patched run, one number for each of {@code axes}, in the order in which the values stand, the last
     * axis running fastest: the original's {@code return_index_df}.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public int[][] index() {
        int[][] indices = new int[Math.toIntExact(values.elements())][axes.size()];
        for (int i = 0; i < indices.length; i++) {
            int rest = i;
            for (int axis = axes.size() - 1; axis >= 0; axis--) {
                int size = (int) values.size(axis);
                indices[i][axis] = rest % size;
                rest /= size;
            }
        }
        return indices;
    }

    /** Every patched run with what was patched, in the order in which the values stand. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public List<Entry> entries() {
        int[][] indices = index();
        double[] metrics = values.toDoubleArray();
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < indices.length; i++) {
            Map<Axis, Integer> index = new LinkedHashMap<>();
            for (int axis = 0; axis < axes.size(); axis++) {
                index.put(axes.get(axis), indices[i][axis]);
            }
            entries.add(new Entry(index, metrics[i]));
        }
        return List.copyOf(entries);
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
        String said = warning.isEmpty() || note.isEmpty() ? warning + note : warning + " " + note;
        return new PatchingView(this, strTokens, said).draw();
    }
}
