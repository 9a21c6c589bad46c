package dev.loupe.analysis.residual;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What a {@link LogitLens} saw, by slice of the residual stream, sequence and position. */
public final class LensReading {

    private final HookedTransformer model;
    private final List<String> labels;
    private final Tensor topTokens;
    private final Tensor topProbabilities;
    private final long[] watched;
    private final List<Tensor> ofWatched;

    LensReading(
            HookedTransformer model,
            List<String> labels,
            Tensor topTokens,
            Tensor topProbabilities,
            long[] watched,
            List<Tensor> ofWatched) {
        this.model = model;
        this.labels = List.copyOf(labels);
        this.topTokens = topTokens;
        this.topProbabilities = topProbabilities;
        this.watched = watched;
        this.ofWatched = ofWatched;
    }

    /** The slices: {@code 0_pre}, …, {@code final_post}. */
    public List<String> labels() {
        return labels;
    }

    /** int64 [slice, batch, pos, k]: the best tokens, the best first. */
    public Tensor topTokens() {
        return topTokens;
    }

    /** [slice, batch, pos, k]: their probabilities. */
    public Tensor topProbabilities() {
        return topProbabilities;
    }

    /** The tokens that were watched. */
    public long[] watched() {
        return watched.clone();
    }

    /** [slice, batch, pos, watched]. */
    public Tensor logits() {
        return ofWatched(0);
    }

    /** [slice, batch, pos, watched]. */
    public Tensor probabilities() {
        return ofWatched(1);
    }

    /** int64 [slice, batch, pos, watched]: how many tokens come before it; 0 for the best. */
    public Tensor ranks() {
        return ofWatched(2);
    }

    private Tensor ofWatched(int index) {
        if (ofWatched.isEmpty()) {
            throw new IllegalStateException("No tokens were watched; choose some with LogitLens.watch(…)");
        }
        return ofWatched.get(index);
    }

    /** The best tokens at one place, as text, the best first; as {@code #17} without a tokenizer. */
    public List<String> topStrTokens(int slice, int row, int position) {
        return TokenTexts.of(model, topTokens.get(slice, row, position).toLongArray());
    }

    /**
     * A grid of slices by positions: the best token in each cell, coloured by its probability; under the pointer the
     * others, and the watched ones.
     *
     * @param row the sequence of the batch
     * @param strTokens the sequence, for the labels of columns
     */
    public HeatMap view(int row, List<String> strTokens) {
        int slices = labels.size();
        int positions = (int) topTokens.size(2);
        double[][] values = new double[slices][positions];
        List<List<String>> texts = new ArrayList<>();
        List<List<List<String>>> tips = new ArrayList<>();
        for (int slice = 0; slice < slices; slice++) {
            List<String> words = new ArrayList<>();
            List<List<String>> told = new ArrayList<>();
            for (int position = 0; position < positions; position++) {
                List<String> best = topStrTokens(slice, row, position);
                double[] probabilities =
                        topProbabilities.get(slice, row, position).toDoubleArray();
                values[slice][position] = probabilities[0];
                words.add(best.get(0));
                told.add(tip(slice, row, position, best, probabilities, strTokens));
            }
            texts.add(words);
            tips.add(told);
        }
        return HeatMap.builder("Logit lens")
                .note(
                        "The most likely next token if the model stopped after each layer; the colour is its probability.")
                .values(values)
                .rows("layer", labels)
                .columns("position", strTokens)
                .texts(texts)
                .tips(tips)
                .scale(ColorScale.sequential(0, 1))
                .build();
    }

    private List<String> tip(
            int slice, int row, int position, List<String> best, double[] probabilities, List<String> strTokens) {
        List<String> lines = new ArrayList<>();
        lines.add(labels.get(slice) + ", after “" + strTokens.get(position) + "”");
        for (int i = 0; i < best.size(); i++) {
            lines.add(String.format(Locale.ROOT, "%d. “%s” %.3f", i + 1, best.get(i), probabilities[i]));
        }
        if (!ofWatched.isEmpty()) {
            List<String> names = TokenTexts.of(model, watched);
            for (int i = 0; i < watched.length; i++) {
                lines.add(String.format(
                        Locale.ROOT,
                        "“%s”: probability %.3g, rank %d",
                        names.get(i),
                        probabilities().item(slice, row, position, i),
                        (long) ranks().item(slice, row, position, i)));
            }
        }
        return lines;
    }
}
