package dev.loupe.analysis.heads;

import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.Panels;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.List;

/** Pictures of heads. */
public final class HeadViews {

    private HeadViews() {}

    /**
     * The attention patterns of every head for one sequence.
     *
     * @param row the sequence of the batch
     * @param strTokens its tokens
     */
    public static Panels patterns(ActivationCache cache, int row, List<String> strTokens) {
        int layers = cache.model().config().nLayers();
        int heads = cache.model().config().nHeads();
        RequiredActivations.check(
                cache, "A picture of attention", RequiredActivations.ofLayers(cache, "pattern", layers));
        Panels.Builder panels = Panels.builder("Attention patterns")
                .note(
                        "Each query, a row, spreads its attention over the keys before it. Choose a head; point at a cell.")
                .attention(strTokens)
                .perRow(heads)
                .scale(ColorScale.sequential(0, 1));
        for (int layer = 0; layer < layers; layer++) {
            Tensor pattern = cache.get("pattern", layer);
            Tensor sequence = cache.hasBatchDim() ? pattern.select(0, row) : pattern;
            for (int head = 0; head < heads; head++) {
                panels.panel("L" + layer + "H" + head, sequence.select(0, head));
            }
        }
        return panels.build();
    }

    /** A number for each head [layer, head], on colours that fit the numbers. */
    public static HeatMap scores(String title, Tensor scores) {
        return map(title, scores).build();
    }

    /**
     * A number for each head [layer, head], on given colours: {@code ColorScale.sequential(0, 1)} for shares of
     * attention, so that a weak head looks weak.
     */
    public static HeatMap scores(String title, Tensor scores, ColorScale scale) {
        return map(title, scores).scale(scale).build();
    }

    private static HeatMap.Builder map(String title, Tensor scores) {
        return HeatMap.builder(title).values(scores).rows("layer").columns("head");
    }
}
