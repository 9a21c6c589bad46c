package dev.loupe.analysis.views;

import dev.loupe.io.OutputFile;
import dev.loupe.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** A matrix of numbers as colours, with labels, and with words in its cells if wanted. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HeatMap extends View {

    private final double[][] values;
    private final String rowName;
    private final List<String> rows;
    private final String columnName;
    private final List<String> columns;
    private final ColorScale scale;
    private final @Nullable List<List<String>> texts;
    private final @Nullable List<List<List<String>>> tips;
    private final @Nullable RankedWords words;
    private final Map<String, double[][]> also;
    private final int[] rowLayers;
    private final int[] columnHeads;

    private HeatMap(Builder b) {
        super("heatmap", b.title, b.note);
        this.values = b.values;
        int width = b.columns == null && values.length > 0 ? values[0].length : 0;
        this.rowName = b.rowName;
        this.rows = b.rows == null ? Labels.numbers(values.length) : Labels.visible(b.rows);
        this.columnName = b.columnName;
        this.columns = b.columns == null ? Labels.numbers(width) : Labels.visible(b.columns);
        Matrices.requireSize(b.title, values, rows.size(), columns.size());
        this.scale = b.scale == null ? ColorScale.fitting(List.<double[][]>of(values)) : b.scale;
        this.words = b.words;
        if (words == null) {
            this.texts = b.texts == null
                    ? null
                    : b.texts.stream().map(Labels::visible).toList();
        } else {
            words.requireSize(b.title, rows.size(), columns.size());
            this.texts = words.best();
        }
        this.tips = b.tips;
        this.also = Collections.unmodifiableMap(new LinkedHashMap<>(b.also));
        also.forEach((name, numbers) -> Matrices.requireSize(name, numbers, rows.size(), columns.size()));
        this.rowLayers = filter("layers of rows", b.rowLayers, b.rows == null && rowName.equals("layer"), rows.size());
        this.columnHeads = filter(
                "heads of columns", b.columnHeads, b.columns == null && columnName.equals("head"), columns.size());
        requireCells("texts", texts);
        requireCells("tips", tips);
    }

    private void requireCells(String what, @Nullable List<? extends List<?>> cells) {
        boolean fits = cells == null
                || cells.size() == rows.size() && cells.stream().allMatch(row -> row.size() == columns.size());
        if (!fits) {
            throw new IllegalArgumentException(
                    "The " + what + " of '" + title() + "' don't have " + rows.size() + " rows of " + columns.size());
        }
    }

    /** The number by which a reader may choose rows or columns: as given, or counted where they are numbered anyway. */
    private int[] filter(String what, int @Nullable [] given, boolean numbered, int size) {
        if (given == null) {
            return numbered ? IntStream.range(0, size).toArray() : new int[0];
        }
        if (given.length != size) {
            throw new IllegalArgumentException(
                    "'" + title() + "' has " + given.length + " " + what + " for " + size + " of them");
        }
        return given;
    }

    /** A builder; {@code values} must be given. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    double[][] values() {
        return values;
    }

    String rowName() {
        return rowName;
    }

    List<String> rows() {
        return rows;
    }

    String columnName() {
        return columnName;
    }

    List<String> columns() {
        return columns;
    }

    ColorScale scale() {
        return scale;
    }

    @Nullable
    List<List<String>> texts() {
        return texts;
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of(this);
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("rowName", rowName);
        json.put("rows", rows);
        json.put("columnName", columnName);
        json.put("columns", columns);
        json.put("scale", scale.json());
        json.put("values", values);
        List<String> all = new ArrayList<>(rows);
        all.addAll(columns);
        if (words != null) {
            json.put("words", words.json());
            all.addAll(words.vocabulary());
        } else if (texts != null) {
            json.put("texts", texts);
            texts.forEach(all::addAll);
        }
        json.put("brief", Labels.briefs(all));
        json.put("rowLayers", rowLayers);
        json.put("columnHeads", columnHeads);
        json.put(
                "also",
                also.entrySet().stream()
                        .map(one -> Map.of("name", one.getKey(), "values", one.getValue()))
                        .toList());
        if (tips != null) {
            json.put("tips", tips);
        }
    }

    /** The picture as SVG, for papers: vector graphics, on a light ground. */
    public String toSvg() {
        return SvgCanvas.draw(new HeatMapDrawing(this));
    }

    /** Writes {@link #toSvg} to a file. */
    public void writeSvg(Path file) {
        OutputFile.writeString(file, toSvg());
    }

    /**
     * The picture as pixels, on a light ground.
     *
     * @param zoom pixels for one unit of the SVG: 1 for the same size, 3 for print
     */
    public BufferedImage toImage(double zoom) {
        return ImageCanvas.draw(new HeatMapDrawing(this), zoom);
    }

    /** Writes {@link #toImage} to a file in PNG format. */
    public void writePng(Path file, double zoom) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(toImage(zoom), "png", bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        OutputFile.write(file, bytes.toByteArray());
    }

    /** Collects a heat map. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private double[][] values = {};
        private String rowName = "row";
        private @Nullable List<String> rows;
        private String columnName = "column";
        private @Nullable List<String> columns;
        private @Nullable ColorScale scale;
        private @Nullable List<List<String>> texts;
        private @Nullable List<List<List<String>>> tips;
        private @Nullable RankedWords words;
        private final Map<String, double[][]> also = new LinkedHashMap<>();
        private int @Nullable [] rowLayers;
        private int @Nullable [] columnHeads;

        private Builder(String title) {
            this.title = title;
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /** The numbers [rows, columns]; NaN for a cell without one. */
        public Builder values(Tensor matrix) {
            values = Matrices.of(matrix);
            return this;
        }

        /** The numbers, one array for each row; NaN for a cell without one. */
        public Builder values(double[][] matrix) {
            values = Matrices.copy(matrix);
            return this;
        }

        /** What rows are, and a label for each. */
        public Builder rows(String name, List<String> labels) {
            rowName = name;
            rows = List.copyOf(labels);
            return this;
        }

        /** What rows are; they are numbered from 0. */
        public Builder rows(String name) {
            rowName = name;
            return this;
        }

        /** What columns are, and a label for each. */
        public Builder columns(String name, List<String> labels) {
            columnName = name;
            columns = List.copyOf(labels);
            return this;
        }

        /** What columns are; they are numbered from 0. */
        public Builder columns(String name) {
            columnName = name;
            return this;
        }

        /** The colours; fitted to the numbers unless set: diverging if one is negative, else sequential from 0. */
        public Builder scale(ColorScale value) {
            scale = value;
            return this;
        }

        /** A word in each cell. */
        public Builder texts(List<List<String>> value) {
            texts = value.stream().map(List::copyOf).toList();
            return this;
        }

        /**
         * Several words for each cell, the best first, with a share each: the best stands in the cell, all are told under
         * the pointer. Takes the place of {@link #texts}.
         *
         * @param vocabulary every word that occurs, once
         * @param ids by row and column the words' places in the vocabulary
         * @param shares by row and column their shares
         */
        public Builder words(List<String> vocabulary, int[][][] ids, double[][][] shares) {
            words = new RankedWords(Labels.visible(vocabulary), ids, shares);
            return this;
        }

        /** More numbers of the cells [rows, columns], which are told under the pointer. */
        public Builder also(String name, double[][] numbers) {
            also.put(Labels.visible(name), Matrices.copy(numbers));
            return this;
        }

        /** Which layer each row belongs to: the page can show one layer's alone. Rows called layer say so themselves. */
        public Builder layersOfRows(int... layers) {
            rowLayers = layers.clone();
            return this;
        }

        /** Which head each column belongs to: the page can show one head's alone. Columns called head say so themselves. */
        public Builder headsOfColumns(int... heads) {
            columnHeads = heads.clone();
            return this;
        }

        /** What is told of each cell under the pointer, line by line; unless set: labels and number. */
        public Builder tips(List<List<List<String>>> value) {
            tips = value.stream()
                    .map(row -> row.stream().map(Labels::visible).toList())
                    .toList();
            return this;
        }

        /**
         * The heat map.
         *
         * @throws IllegalArgumentException if labels, texts or tips don't fit the numbers
         */
        public HeatMap build() {
            return new HeatMap(this);
        }
    }
}
