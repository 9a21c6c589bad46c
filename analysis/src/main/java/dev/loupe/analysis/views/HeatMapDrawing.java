package dev.loupe.analysis.views;

import dev.loupe.analysis.views.Canvas.Anchor;
import java.awt.Color;
import java.util.List;
import java.util.Locale;

/** Where everything in the picture of a heat map goes; the same in SVG and in pixels. */
final class HeatMapDrawing {

    private static final double LETTER = 6.4;
    private static final Color INK = new Color(0x1b1b1f);
    private static final Color EMPTY = new Color(0xe4e4e8);
    private static final int LONGEST = 24;

    private final HeatMap map;
    private final double cellWidth;
    private final double cellHeight;
    private final double left;
    private final double top = 34;
    private final double below;

    HeatMapDrawing(HeatMap map) {
        this.map = map;
        List<List<String>> texts = map.texts();
        if (texts == null) {
            int most = Math.max(1, Math.max(map.rows().size(), map.columns().size()));
            cellWidth = Math.max(5, Math.min(34, 620 / most));
            cellHeight = cellWidth;
        } else {
            cellWidth = Math.max(
                    44,
                    Math.min(
                            120,
                            8
                                    + LETTER
                                            * longest(texts.stream()
                                                    .flatMap(List::stream)
                                                    .toList())));
            cellHeight = 22;
        }
        left = 30 + LETTER * Math.min(LONGEST, longest(map.rows()));
        // Column labels lean by 60 degrees.
        below = 34 + LETTER * 0.87 * Math.min(LONGEST, longest(map.columns()));
    }

    private static int longest(List<String> labels) {
        return labels.stream().mapToInt(String::length).max().orElse(0);
    }

    String title() {
        return map.title();
    }

    double width() {
        double cells = cellWidth * map.columns().size();
        return Math.max(left + cells + 84, LETTER * 1.2 * map.title().length() + 20);
    }

    double height() {
        return top + Math.max(60, cellHeight * map.rows().size()) + below;
    }

    void draw(Canvas canvas) {
        canvas.rectangle(0, 0, width(), height(), Color.WHITE);
        canvas.text(map.title(), 10, 20, 14, Anchor.START, 0, INK);
        cells(canvas);
        labels(canvas);
        colorBar(canvas);
    }

    private void cells(Canvas canvas) {
        double[][] values = map.values();
        List<List<String>> texts = map.texts();
        for (int row = 0; row < values.length; row++) {
            for (int column = 0; column < values[row].length; column++) {
                double value = values[row][column];
                Color color = Double.isFinite(value) ? map.scale().color(value) : EMPTY;
                double x = left + column * cellWidth;
                double y = top + row * cellHeight;
                canvas.rectangle(x, y, cellWidth, cellHeight, color);
                if (texts != null) {
                    String text = shortened(texts.get(row).get(column), (int) (cellWidth / LETTER));
                    canvas.text(text, x + cellWidth / 2, y + 15, 11, Anchor.MIDDLE, 0, ink(color));
                }
            }
        }
    }

    private static String shortened(String text, int letters) {
        return text.length() <= letters ? text : text.substring(0, Math.max(1, letters - 1)) + "…";
    }

    private static Color ink(Color ground) {
        double brightness = 0.299 * ground.getRed() + 0.587 * ground.getGreen() + 0.114 * ground.getBlue();
        return brightness > 140 ? Color.BLACK : Color.WHITE;
    }

    private void labels(Canvas canvas) {
        List<String> rows = map.rows();
        for (int i = 0; i < rows.size(); i += step(cellHeight)) {
            double y = top + (i + 0.5) * cellHeight + 4;
            canvas.text(shortened(rows.get(i), LONGEST), left - 5, y, 11, Anchor.END, 0, INK);
        }
        List<String> columns = map.columns();
        double bottom = top + rows.size() * cellHeight;
        for (int i = 0; i < columns.size(); i += step(cellWidth)) {
            double x = left + (i + 0.5) * cellWidth + 3;
            canvas.text(shortened(columns.get(i), LONGEST), x, bottom + 10, 11, Anchor.END, -60, INK);
        }
        double middle = left + columns.size() * cellWidth / 2;
        canvas.text(map.columnName(), middle, height() - 8, 11, Anchor.MIDDLE, 0, INK);
        canvas.text(map.rowName(), 14, top + rows.size() * cellHeight / 2, 11, Anchor.MIDDLE, -90, INK);
    }

    /** Where cells are smaller than letters, every second or third label stands for the others. */
    private static int step(double cell) {
        return (int) Math.ceil(11 / cell);
    }

    private void colorBar(Canvas canvas) {
        double x = left + cellWidth * map.columns().size() + 16;
        double length = Math.max(48, Math.min(140, cellHeight * map.rows().size()));
        ColorScale scale = map.scale();
        int steps = 64;
        for (int i = 0; i < steps; i++) {
            double value = scale.high() - (scale.high() - scale.low()) * i / (steps - 1);
            canvas.rectangle(x, top + i * length / steps, 10, length / steps + 0.5, scale.color(value));
        }
        double[] ticks = {scale.high(), (scale.low() + scale.high()) / 2, scale.low()};
        for (int i = 0; i < ticks.length; i++) {
            String text = String.format(Locale.ROOT, "%.3g", ticks[i]);
            canvas.text(text, x + 14, top + i * length / 2 + 4, 11, Anchor.START, 0, INK);
        }
    }
}
