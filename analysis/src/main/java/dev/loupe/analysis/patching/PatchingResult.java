package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.View;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

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

    /** The name in words, as a heading: {@code Each head's output at all positions}; a name that isn't a sweep's as it is. */
    public String title() {
        String words = Arrays.stream(Sweep.values())
                .filter(sweep -> sweep.id().equals(name))
                .map(Sweep::words)
                .findFirst()
                .orElse(name);
        return words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }

    /**
     * One measured number.
     *
     * @param index where it stands, one index for each axis
     * @param value the number
     */
    public record Entry(List<Integer> index, double value) {}

    /** The k largest numbers, the largest first, each with its indices. NaN counts as smallest; all if there are fewer. */
    public List<Entry> largest(int k) {
        return values.topEntries(k).stream()
                .map(entry -> new Entry(entry.index(), entry.value()))
                .toList();
    }

    /** The k numbers that are furthest from zero, the furthest first, each with its indices. */
    public List<Entry> strongest(int k) {
        return values.abs().topEntries(k).stream()
                .map(entry -> new Entry(
                        entry.index(),
                        values.item(entry.index().stream()
                                .mapToLong(Integer::longValue)
                                .toArray())))
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
