package dev.loupe.analysis.heads;

import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.Panels;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.List;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/** Pictures of heads. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HeadViews {

    private HeadViews() {}

    /**
     * The attention patterns of every head for one sequence.
     *
     * @param row the sequence of the batch
     * @param strTokens its tokens
     */
    public static Panels patterns(ActivationCache cache, int row, List<String> strTokens) {
        return patterns(
                cache,
                row,
                strTokens,
                IntStream.range(0, cache.model().config().nLayers()).boxed().toList(),
                IntStream.range(0, cache.model().config().nHeads()).boxed().toList());
    }

    /**
     * The attention patterns of some heads for one sequence.
     *
     * @param row the sequence of the batch
     * @param strTokens its tokens
     * @param layers the layers, from 0
     * @param heads the heads of each of them, from 0
     */
    public static Panels patterns(
            ActivationCache cache, int row, List<String> strTokens, List<Integer> layers, List<Integer> heads) {
        RequiredActivations.check(
                cache,
                "A picture of attention",
                layers.stream()
                        .map(layer -> cache.model()
                                .hookNames()
                                .resolve("pattern", layer)
                                .name())
                        .toList());
        Panels.Builder panels = Panels.builder("Attention patterns")
                .note(
                        "Each query spreads its attention over the keys up to itself. Shown first is the head in which the"
                                + " last token takes most from one earlier token, the first one left out, where attention"
                                + " idles.")
                .attention(strTokens)
                .perRow(heads.size())
                .scale(ColorScale.sequential(0, 1));
        for (int layer : layers) {
            Tensor pattern = cache.get("pattern", layer);
            Tensor sequence = cache.hasBatchDim() ? pattern.select(0, row) : pattern;
            for (int head : heads) {
                panels.panel("L" + layer + "H" + head, layer, head, sequence.select(0, head));
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
