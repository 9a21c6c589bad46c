package dev.loupe.analysis.views;

import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Matrices with the same labels and one colour scale, of which one is shown large: the attention patterns of a model's
 * heads, a sweep over layers, positions and heads. Attention patterns of very many heads, or of very long prompts, aren't
 * all kept: those stay in which the last token takes most from a single earlier one, and of the others this number.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Panels extends View {

    /** How many numbers of attention patterns a page holds unless told otherwise; two bytes each. */
    public static final long DEFAULT_NUMBERS = 1_000_000;

    /** A matrix, unless it was dropped; how telling it is; which layer and head it is of, or -1. */
    private static final class Panel {
        private final String name;
        private final int layer;
        private final int head;
        private final double score;
        private double @Nullable [][] values;

        Panel(String name, int layer, int head, double[][] values, double score) {
            this.name = name;
            this.layer = layer;
            this.head = head;
            this.values = values;
            this.score = score;
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
        super("panels", b.title, b.note);
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
        List<double[][]> matrices = new ArrayList<>();
        for (Panel panel : panels) {
            double[][] values = panel.values;
            if (values != null) {
                Matrices.requireSize(panel.name, values, rows.size(), columns.size());
                matrices.add(values);
            }
        }
        this.scale = b.scale == null ? ColorScale.fitting(matrices) : b.scale;
    }

    /** A builder; labels of rows and columns must be given. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    @Override
    public List<HeatMap> heatMaps() {
        List<HeatMap> maps = new ArrayList<>();
        for (Panel panel : panels) {
            double[][] values = panel.values;
            if (values != null) {
                maps.add(HeatMap.builder(title() + ": " + panel.name)
                        .note(note())
                        .values(values)
                        .rows(rowName, rows)
                        .columns(columnName, columns)
                        .scale(scale)
                        .build());
            }
        }
        return maps;
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("rowName", rowName);
        json.put("rows", rows);
        json.put("columnName", columnName);
        // Written once where queries and keys are the same tokens.
        if (!tokens) {
            json.put("columns", columns);
        }
        List<String> all = new ArrayList<>(rows);
        all.addAll(columns);
        json.put("brief", Labels.briefs(all));
        json.put("scale", scale.json());
        json.put("perRow", perRow);
        json.put("tokens", tokens);
        json.put("panels", panels.stream().map(this::json).toList());
    }

    private Map<String, Object> json(Panel panel) {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("name", panel.name);
        double[][] values = panel.values;
        if (values != null) {
            one.put("values", tokens && PackedMatrix.fits(values) ? PackedMatrix.of(values) : values);
        }
        if (panel.layer >= 0) {
            one.put("layer", panel.layer);
        }
        if (panel.head >= 0) {
            one.put("head", panel.head);
        }
        if (tokens) {
            one.put("score", panel.score);
        }
        return one;
    }

    /** Collects panels. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private final List<Panel> panels = new ArrayList<>();
        private final PriorityQueue<Panel> kept = new PriorityQueue<>(Comparator.comparingDouble(panel -> panel.score));
        private long numbers;
        private long most = DEFAULT_NUMBERS;
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

        /**
         * Says that rows and columns are the same tokens: queries and keys. They are then shown as text as well, with
         * lines between them. To be said before the first panel.
         */
        public Builder attention(List<String> strTokens) {
            tokens = true;
            return rows("query", strTokens).columns("key", strTokens);
        }

        /**
         * How many numbers of attention patterns are kept, {@value Panels#DEFAULT_NUMBERS} unless set. To be said before
         * the first panel.
         */
        public Builder mostNumbers(long value) {
            most = value;
            return this;
        }

        /** One more matrix [rows, columns]. */
        public Builder panel(String name, Tensor matrix) {
            return add(name, -1, -1, Matrices.of(matrix));
        }

        /** One more matrix. */
        public Builder panel(String name, double[][] matrix) {
            return add(name, -1, -1, Matrices.copy(matrix));
        }

        /** One more matrix, of a head: the page can show those of a layer, or of a head, alone. -1 for none. */
        public Builder panel(String name, int layer, int head, Tensor matrix) {
            return add(name, layer, head, Matrices.of(matrix));
        }

        /** One more matrix, of a head. */
        public Builder panel(String name, int layer, int head, double[][] matrix) {
            return add(name, layer, head, Matrices.copy(matrix));
        }

        private Builder add(String name, int layer, int head, double[][] matrix) {
            Panel panel = new Panel(name, layer, head, matrix, tokens ? mostFromOneEarlierToken(matrix) : 0);
            panels.add(panel);
            if (tokens) {
                kept.add(panel);
                numbers += size(panel);
                while (numbers > most && kept.size() > 1) {
                    Panel dropped = kept.remove();
                    numbers -= size(dropped);
                    dropped.values = null;
                }
            }
            return this;
        }

        private static long size(Panel panel) {
            double[][] values = panel.values;
            return values == null ? 0 : (long) values.length * (values.length + 1) / 2;
        }

        /**
         * The strongest weight of the last query on a key that is neither the first token, where attention idles, nor
         * the query itself.
         */
        private static double mostFromOneEarlierToken(double[][] pattern) {
            double strongest = 0;
            if (pattern.length > 0) {
                double[] last = pattern[pattern.length - 1];
                for (int key = 1; key < last.length - 1; key++) {
                    strongest = Math.max(strongest, last[key]);
                }
            }
            return strongest;
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
