package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Tokens in a line of text, each on the colour of its number; several series of numbers to choose from. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ColoredTokens extends View {

    private static final class Series {
        private final String name;
        private final double[] values;

        Series(String name, double[] values) {
            this.name = name;
            this.values = values;
        }
    }

    private final List<String> labels;
    private final List<Series> series;
    private final ColorScale scale;
    private final int boundary;

    private ColoredTokens(Builder b) {
        super("tokens", b.title, b.note);
        this.labels = Labels.visible(b.labels);
        this.series = List.copyOf(b.series);
        this.boundary = b.boundary;
        if (boundary < 0 || boundary > labels.size()) {
            throw new IllegalArgumentException(
                    "'" + b.title + "' has " + labels.size() + " tokens; the continuation can't begin at " + boundary);
        }
        if (series.isEmpty()) {
            throw new IllegalArgumentException("'" + b.title + "' has no values");
        }
        for (Series one : series) {
            if (one.values.length != labels.size()) {
                throw new IllegalArgumentException(
                        "'" + one.name + "' has " + one.values.length + " values for " + labels.size() + " tokens");
            }
        }
        this.scale = b.scale == null
                ? ColorScale.fitting(
                        series.stream().map(one -> new double[][] {one.values}).toList())
                : b.scale;
    }

    /** A builder for a line of tokens. */
    public static Builder builder(String title, List<String> strTokens) {
        return new Builder(title, strTokens);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of();
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("labels", labels);
        json.put("brief", Labels.briefs(labels));
        json.put("boundary", boundary);
        json.put("scale", scale.json());
        json.put(
                "series",
                series.stream()
                        .map(one -> Map.of("name", one.name, "values", one.values))
                        .toList());
    }

    /** Collects coloured tokens. */
    public static final class Builder {
        private final String title;
        private final List<String> labels;
        private String note = "";
        private final List<Series> series = new ArrayList<>();
        private @Nullable ColorScale scale;
        private int boundary;

        private Builder(String title, List<String> labels) {
            this.title = title;
            this.labels = List.copyOf(labels);
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /** One number for each token; NaN for none. */
        public Builder values(String name, double... values) {
            series.add(new Series(name, values.clone()));
            return this;
        }

        /** Marks where the prompt ends: the index of the first token that a model wrote. */
        public Builder continuationFrom(int index) {
            boundary = index;
            return this;
        }

        /** The colours; fitted to the numbers unless set. */
        public Builder scale(ColorScale value) {
            scale = value;
            return this;
        }

        /**
         * The view.
         *
         * @throws IllegalArgumentException if there are no values, or not one for each token
         */
        public ColoredTokens build() {
            return new ColoredTokens(this);
        }
    }
}
