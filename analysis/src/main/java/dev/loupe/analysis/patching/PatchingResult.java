package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.View;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
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
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record PatchingResult(String name, List<SweepAxis> axes, Tensor values, List<String> kinds, String warning) {

    /**
     * One patched run: the original's row of {@code index_df}.
     *
     * @param index what was patched, by axis: a layer, a position, a head; for the axis KIND a place in {@link #kinds}
     * @param value the metric of the run
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public record Entry(Map<SweepAxis, Integer> index, double value) {
        /** Copies the index, in the order of the axes. */
        public Entry {
            index = Collections.unmodifiableMap(new LinkedHashMap<>(index));
        }

        /** What was patched, in words: {@code layer 0, head 1}. */
        public String place() {
            return index.entrySet().stream()
                    .map(axis -> axis.getKey().label() + " " + axis.getValue())
                    .collect(Collectors.joining(", "));
        }
    }

    /** A result without a warning. */
    public PatchingResult(String name, List<SweepAxis> axes, Tensor values, List<String> kinds) {
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

    /** The name in words, as a heading: {@code Each head's output at all positions}; a name that isn't a sweep's as it is. */
    public String title() {
        String words = Arrays.stream(Sweep.values())
                .filter(sweep -> sweep.id().equals(name))
                .map(Sweep::words)
                .findFirst()
                .orElse(name);
        return words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }

    /** The k largest numbers, the largest first, each with its indices; NaN last, all if there are fewer. */
    public List<Entry> largest(int k) {
        return first(k, Entry::value);
    }

    /** The k numbers that are furthest from zero, the furthest first, each with its indices. */
    public List<Entry> strongest(int k) {
        return first(k, entry -> Math.abs(entry.value()));
    }

    private List<Entry> first(int k, ToDoubleFunction<Entry> rank) {
        if (k < 0) {
            throw new IllegalArgumentException("The number of entries must be 0 or more, got " + k);
        }
        return entries().stream()
                .sorted(Comparator.comparingDouble(
                        entry -> Double.isNaN(entry.value()) ? Double.POSITIVE_INFINITY : -rank.applyAsDouble(entry)))
                .limit(k)
                .toList();
    }

    /** An index in the words of its axis: {@code L3}, {@code H1}, {@code resid_pre}, {@code 5}. */
    String place(int axis, int index) {
        return switch (axes.get(axis)) {
            case KIND -> kinds.get(index);
            case LAYER -> "L" + index;
            case HEAD -> "H" + index;
            case POS, DEST_POS, SRC_POS -> Integer.toString(index);
        };
    }

    /**
     * Comma-separated values as RFC 4180 has them: a line of names, then one line for each number, its indices first
     * (kinds by name), then {@code value}.
     */
    public String toCsv() {
        return new PatchingTable(this).csv();
    }

    /** A table: of two axes rows and columns, of more, or of many, the numbers that are furthest from zero. */
    @Override
    public String toString() {
        return new PatchingTable(this).text();
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
            Map<SweepAxis, Integer> index = new LinkedHashMap<>();
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
