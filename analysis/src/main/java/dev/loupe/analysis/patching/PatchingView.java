package dev.loupe.analysis.patching;

import dev.loupe.analysis.views.ColorScale;
import dev.loupe.analysis.views.HeatMap;
import dev.loupe.analysis.views.Panels;
import dev.loupe.analysis.views.View;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Draws what a sweep measured: two of its axes as a heat map, the others as panels of heat maps. */
final class PatchingView {

    private final PatchingResult result;
    private final List<String> strTokens;
    private final String note;

    PatchingView(PatchingResult result, List<String> strTokens, String note) {
        this.result = result;
        this.note = note;
        this.strTokens = strTokens;
    }

    View draw() {
        List<SweepAxis> axes = result.axes();
        if (axes.size() == 1) {
            return heatMap(result.values().unsqueeze(0), "", List.of(""), axes.get(0));
        }
        int preferred =
                axes.contains(SweepAxis.SRC_POS) ? axes.indexOf(SweepAxis.DEST_POS) : axes.indexOf(SweepAxis.LAYER);
        int column = column(axes, preferred);
        int row = preferred >= 0 ? preferred : column == 0 ? 1 : 0;
        List<Integer> others = new ArrayList<>();
        for (int axis = 0; axis < axes.size(); axis++) {
            if (axis != row && axis != column) {
                others.add(axis);
            }
        }
        int[] order = new int[axes.size()];
        for (int i = 0; i < others.size(); i++) {
            order[i] = others.get(i);
        }
        order[order.length - 2] = row;
        order[order.length - 1] = column;
        Tensor values = result.values().permute(order);
        if (others.isEmpty()) {
            return heatMap(values, axes.get(row).label(), labels(row), axes.get(column));
        }
        return panels(values, others, row, column);
    }

    private static int column(List<SweepAxis> axes, int row) {
        int column = -1;
        for (int axis = 0; axis < axes.size(); axis++) {
            boolean position = axes.get(axis).isPosition() && axis != row;
            if (position || column < 0 && axis != row && axes.get(axis) == SweepAxis.HEAD) {
                column = axis;
            }
        }
        int last = axes.size() - 1;
        return column >= 0 ? column : last == row ? last - 1 : last;
    }

    private HeatMap heatMap(Tensor values, String rowName, List<String> rows, SweepAxis column) {
        HeatMap.Builder map = HeatMap.builder(result.title())
                .note(note())
                .values(values)
                .rows(rowName, rows)
                .columns(column.label(), labels(result.axes().indexOf(column)))
                .scale(scale());
        if (rowName.equals(SweepAxis.LAYER.label())) {
            map.layersOfRows(IntStream.range(0, rows.size()).toArray());
        }
        if (column == SweepAxis.HEAD) {
            map.headsOfColumns(IntStream.range(0, (int) values.size(-1)).toArray());
        }
        return map.build();
    }

    /** The name by which the sweep is asked for stands in the note, where the heading has words. */
    private String note() {
        boolean same = result.title().equalsIgnoreCase(result.name());
        return same ? note : (note.isEmpty() ? "" : note + " ") + "(" + result.name() + ")";
    }

    private Panels panels(Tensor values, List<Integer> others, int row, int column) {
        List<SweepAxis> axes = result.axes();
        long height = values.size(-2);
        long width = values.size(-1);
        Tensor flat = values.reshape(-1, height, width);
        int perRow = (int) result.values().size(others.get(others.size() - 1));
        Panels.Builder panels = Panels.builder(result.title())
                .note(note())
                .rows(axes.get(row).label(), labels(row))
                .columns(axes.get(column).label(), labels(column))
                .perRow(perRow)
                .scale(scale());
        for (int i = 0; i < flat.size(0); i++) {
            panels.panel(
                    panelName(others, i),
                    index(others, i, SweepAxis.LAYER),
                    index(others, i, SweepAxis.HEAD),
                    flat.select(0, i));
        }
        return panels.build();
    }

    /** Which layer or head a panel is of; -1 if its matrix has an axis of them, or none. */
    private int index(List<Integer> others, int panel, SweepAxis wanted) {
        int rest = panel;
        for (int i = others.size() - 1; i >= 0; i--) {
            int size = (int) result.values().size(others.get(i));
            if (result.axes().get(others.get(i)) == wanted) {
                return rest % size;
            }
            rest /= size;
        }
        return -1;
    }

    private String panelName(List<Integer> others, int index) {
        StringBuilder name = new StringBuilder();
        int rest = index;
        for (int i = others.size() - 1; i >= 0; i--) {
            int axis = others.get(i);
            int size = (int) result.values().size(axis);
            String label = labels(axis).get(rest % size);
            String part = switch (result.axes().get(axis)) {
                case LAYER -> "L" + label;
                case HEAD -> "H" + label;
                case KIND -> shortKind(rest % size);
                default -> label;
            };
            boolean joined = name.isEmpty() || result.axes().get(axis) == SweepAxis.LAYER;
            name.insert(0, joined ? part : part + " ");
            rest /= size;
        }
        return name.toString();
    }

    /** A kind without the words that all kinds begin and end with: q of attn_head_q_by_pos, where all are of heads. */
    private String shortKind(int index) {
        List<String[]> kinds =
                result.kinds().stream().map(kind -> kind.split("_", -1)).toList();
        String[] words = kinds.get(index);
        int shortest = kinds.stream().mapToInt(kind -> kind.length).min().orElse(1);
        int begin = 0;
        while (begin < shortest - 1 && allHave(kinds, words[begin], begin)) {
            begin++;
        }
        int end = 0;
        while (end < shortest - 1 - begin && allHave(kinds, words[words.length - 1 - end], -1 - end)) {
            end++;
        }
        return String.join("_", Arrays.asList(words).subList(begin, words.length - end));
    }

    private static boolean allHave(List<String[]> kinds, String word, int place) {
        return kinds.size() > 1
                && kinds.stream().allMatch(kind -> kind[place < 0 ? kind.length + place : place].equals(word));
    }

    /** Names of the places of an axis: tokens with their positions, or numbers. */
    private List<String> labels(int axis) {
        int size = (int) result.values().size(axis);
        SweepAxis kind = result.axes().get(axis);
        if (kind.isPosition() && !strTokens.isEmpty() && strTokens.size() != size) {
            throw new IllegalArgumentException(result.name() + " has " + size + " positions, but " + strTokens.size()
                    + " tokens were given as their labels: give the prompt's tokens, BOS included, or none");
        }
        List<String> labels = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            if (kind == SweepAxis.KIND) {
                labels.add(result.kinds().get(i));
            } else if (kind.isPosition() && !strTokens.isEmpty()) {
                labels.add(strTokens.get(i));
            } else {
                labels.add(Integer.toString(i));
            }
        }
        return labels;
    }

    /** Centred on 0: the metric's sign says which answer wins, or, normalised, 0 says that nothing changed. */
    private ColorScale scale() {
        ColorScale fitting = ColorScale.fitting(result.values());
        return ColorScale.diverging(Math.max(-fitting.low(), fitting.high()));
    }
}
