package dev.loupe.analysis.views;

import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Matrices with the same labels and one colour scale, as thumbnails of which one is shown large: the attention patterns
 * of a model's heads, a sweep over layers, positions and heads.
 */
public final class Panels extends View {

    private static final class Panel {
        private final String name;
        private final double[][] values;

        Panel(String name, double[][] values) {
            this.name = name;
            this.values = values;
        }
    }

    private final List<Panel> panels;
    private final int perRow;
    private final boolean tokens;
    private final String rowName;
    private final List<String> rows;
    private final String columnName;
    private final List<String> columns;
    private final ColorScale scale;

    private Panels(Builder b) {
        super(b.title, b.note);
        this.panels = List.copyOf(b.panels);
        this.perRow = b.perRow;
        this.tokens = b.tokens;
        this.rowName = b.rowName;
        this.rows = Labels.visible(b.rows);
        this.columnName = b.columnName;
        this.columns = Labels.visible(b.columns);
        if (tokens && rows.size() != columns.size()) {
            throw new IllegalArgumentException("'" + b.title + "' shows attention between tokens, with " + rows.size()
                    + " rows and " + columns.size() + " columns");
        }
        for (Panel panel : panels) {
            Matrices.requireSize(panel.name, panel.values, rows.size(), columns.size());
        }
        this.scale = b.scale == null
                ? ColorScale.fitting(panels.stream().map(panel -> panel.values).toList())
                : b.scale;
    }

    /** A builder; labels of rows and columns must be given. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return panels.stream()
                .map(panel -> HeatMap.builder(title() + ": " + panel.name)
                        .note(note())
                        .values(panel.values)
                        .rows(rowName, rows)
                        .columns(columnName, columns)
                        .scale(scale)
                        .build())
                .toList();
    }

    @Override
    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("kind", "panels");
        json.put("title", title());
        json.put("note", note());
        json.put("rowName", rowName);
        json.put("rows", rows);
        json.put("columnName", columnName);
        json.put("columns", columns);
        json.put("scale", scale.json());
        json.put("perRow", perRow);
        json.put("tokens", tokens);
        json.put(
                "panels",
                panels.stream()
                        .map(panel -> {
                            Map<String, Object> one = new LinkedHashMap<>();
                            one.put("name", panel.name);
                            one.put("values", panel.values);
                            return one;
                        })
                        .toList());
        return json;
    }

    /** Collects panels. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private final List<Panel> panels = new ArrayList<>();
        private int perRow = 8;
        private boolean tokens;
        private String rowName = "row";
        private List<String> rows = List.of();
        private String columnName = "column";
        private List<String> columns = List.of();
        private @Nullable ColorScale scale;

        private Builder(String title) {
            this.title = title;
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /** What rows are, and a label for each. */
        public Builder rows(String name, List<String> labels) {
            rowName = name;
            rows = List.copyOf(labels);
            return this;
        }

        /** What columns are, and a label for each. */
        public Builder columns(String name, List<String> labels) {
            columnName = name;
            columns = List.copyOf(labels);
            return this;
        }

        /** Says that rows and columns are the same tokens: queries and keys. They are then shown as text as well. */
        public Builder attention(List<String> strTokens) {
            tokens = true;
            return rows("query", strTokens).columns("key", strTokens);
        }

        /** One more matrix [rows, columns]. */
        public Builder panel(String name, Tensor matrix) {
            panels.add(new Panel(name, Matrices.of(matrix)));
            return this;
        }

        /** One more matrix. */
        public Builder panel(String name, double[][] matrix) {
            panels.add(new Panel(name, Matrices.copy(matrix)));
            return this;
        }

        /** How many thumbnails stand in a line: the heads of a layer. */
        public Builder perRow(int value) {
            perRow = value;
            return this;
        }

        /** The colours; fitted to the numbers unless set. */
        public Builder scale(ColorScale value) {
            scale = value;
            return this;
        }

        /**
         * The panels.
         *
         * @throws IllegalArgumentException if a matrix doesn't fit the labels
         */
        public Panels build() {
            return new Panels(this);
        }
    }
}
