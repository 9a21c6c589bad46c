package dev.loupe.analysis.residual;

import dev.loupe.analysis.TokenTexts;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;

/** What a {@link LogitLens} saw, by slice of the residual stream, sequence and position. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
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

    /** A line for each slice: what the first sequence's last position would say. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("LensReading of " + topTokens.size(1) + " sequences, "
                + topTokens.size(2) + " positions; the best tokens at the last position of the first sequence:");
        for (int slice = 0; slice < labels.size(); slice++) {
            text.append(System.lineSeparator())
                    .append(String.format(Locale.ROOT, "%-12s ", labels.get(slice)))
                    .append(topStrTokens(slice, 0, -1));
        }
        return text.toString();
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
        Map<Long, Integer> places = new LinkedHashMap<>();
        double[][] values = new double[slices][positions];
        int[][][] ids = new int[slices][positions][];
        double[][][] shares = new double[slices][positions][];
        long[] tokens = topTokens.select(1, row).toLongArray();
        double[] probabilities = topProbabilities.select(1, row).toDoubleArray();
        int k = (int) topTokens.size(3);
        for (int slice = 0; slice < slices; slice++) {
            for (int position = 0; position < positions; position++) {
                int first = (slice * positions + position) * k;
                ids[slice][position] = new int[k];
                for (int i = 0; i < k; i++) {
                    ids[slice][position][i] = places.computeIfAbsent(tokens[first + i], id -> places.size());
                }
                shares[slice][position] = Arrays.copyOfRange(probabilities, first, first + k);
                values[slice][position] = probabilities[first];
            }
        }
        long[] vocabulary = places.keySet().stream().mapToLong(Long::longValue).toArray();
        HeatMap.Builder map = HeatMap.builder("Logit lens")
                .note(
                        "The most likely next token if the model stopped after each layer; the colour is its probability.")
                .values(values)
                .rows("layer", labels)
                .layersOfRows(layersOfSlices())
                .columns("position", strTokens)
                .words(TokenTexts.of(model, vocabulary), ids, shares)
                .scale(ColorScale.sequential(0, 1));
        List<String> names = TokenTexts.of(model, watched);
        for (int i = 0; i < names.size(); i++) {
            String name = names.get(i);
            map.also("probability of “" + name + "”", matrix(probabilities(), row, i));
            map.also("rank of “" + name + "”", matrix(ranks(), row, i));
        }
        return map.build();
    }

    /** The layer that each slice enters; of the end, the last. */
    private int[] layersOfSlices() {
        int perLayer = (labels.size() - 1) / model.config().nLayers();
        int[] layers = new int[labels.size()];
        for (int slice = 0; slice < layers.length; slice++) {
            layers[slice] =
                    Math.min(slice / Math.max(1, perLayer), model.config().nLayers() - 1);
        }
        return layers;
    }

    private static double[][] matrix(Tensor ofWatched, int row, int index) {
        double[] flat = ofWatched.select(3, index).select(1, row).toDoubleArray();
        int positions = (int) ofWatched.size(2);
        double[][] rows = new double[flat.length / positions][];
        for (int slice = 0; slice < rows.length; slice++) {
            rows[slice] = Arrays.copyOfRange(flat, slice * positions, (slice + 1) * positions);
        }
        return rows;
    }
}
