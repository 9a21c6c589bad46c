package dev.loupe.cli;

import dev.loupe.analysis.patching.Axis;
import dev.loupe.analysis.patching.PatchingResult;
import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.HtmlPage;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Draws what a sweep measured: one heat map for two axes, several for more. */
final class PatchingPage {

    private PatchingPage() {}

    static void write(PatchingResult result, List<String> words, Path file) {
        List<HeatMap> maps = new ArrayList<>();
        add(result, words, result.values(), 0, result.name(), maps);
        HtmlPage.of("Patching: " + result.name(), maps).write(file);
    }

    /** The last two axes make a map; the axes before them, one after the other, tell the maps apart. */
    private static void add(
            PatchingResult result, List<String> words, Tensor values, int axis, String title, List<HeatMap> maps) {
        List<Axis> axes = result.axes();
        if (axes.size() - axis > 2) {
            List<String> names = labels(result, axis, words);
            for (int i = 0; i < values.size(0); i++) {
                String name = title + ", " + axes.get(axis).label() + " " + names.get(i);
                add(result, words, values.select(0, i), axis + 1, name, maps);
            }
            return;
        }
        maps.add(HeatMap.builder(title)
                .note("How far each patch brings the answer back: 0 is the corrupted run, 1 the clean one.")
                .values(values)
                .rows(axes.get(axis).label(), labels(result, axis, words))
                .columns(axes.get(axis + 1).label(), labels(result, axis + 1, words))
                .scale(ColorScale.diverging(1))
                .build());
    }

    private static List<String> labels(PatchingResult result, int axis, List<String> words) {
        return switch (result.axes().get(axis)) {
            case KIND -> result.kinds();
            case POS, DEST_POS, SRC_POS -> words;
            case LAYER, HEAD ->
                IntStream.range(0, (int) result.values().size(axis))
                        .mapToObj(Integer::toString)
                        .toList();
        };
    }
}
