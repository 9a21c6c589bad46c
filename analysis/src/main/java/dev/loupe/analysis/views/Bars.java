package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Numbers with names, as bars from zero to both sides, the largest first: what each part of a model adds to a logit, the
 * likeliest next tokens. The smallest of many are summed up in one bar.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Bars extends View {

    private record Bar(String name, double value, int layer, int head) {}

    private final List<Bar> bars;
    private final String unit;
    private final int most;
    private final ColorScale scale;

    private Bars(Builder b) {
        super("bars", b.title, b.note);
        this.bars = List.copyOf(b.bars);
        this.unit = b.unit;
        this.most = b.most;
        double[] values = bars.stream().mapToDouble(Bar::value).toArray();
        this.scale = b.scale == null ? ColorScale.fitting(values) : b.scale;
    }

    /** A builder for bars. */
    public static Builder builder(String title) {
        return new Builder(title);
    }

    @Override
    public List<HeatMap> heatMaps() {
        return List.of();
    }

    @Override
    void describe(Map<String, Object> json) {
        json.put("unit", unit);
        json.put("most", most);
        json.put("names", bars.stream().map(bar -> Labels.visible(bar.name)).toList());
        json.put("values", bars.stream().mapToDouble(Bar::value).toArray());
        json.put("layers", bars.stream().map(Bar::layer).toList());
        json.put("heads", bars.stream().map(Bar::head).toList());
        json.put("scale", scale.json());
    }

    /** Collects bars. */
    public static final class Builder {
        private final String title;
        private String note = "";
        private String unit = "";
        private int most = 16;
        private final List<Bar> bars = new ArrayList<>();
        private @Nullable ColorScale scale;

        private Builder(String title) {
            this.title = title;
        }

        /** A sentence under the heading. */
        public Builder note(String value) {
            note = value;
            return this;
        }

        /** What the numbers count: {@code logits}; {@code %} for shares of one, which are shown in per cent. */
        public Builder unit(String value) {
            unit = value;
            return this;
        }

        /** How many bars are shown; the others are summed up. 16 unless set. */
        public Builder most(int value) {
            if (value < 1) {
                throw new IllegalArgumentException("At least one bar must be shown, got " + value);
            }
            most = value;
            return this;
        }

        /** One more number, of no layer. */
        public Builder bar(String name, double value) {
            bars.add(new Bar(name, value, -1, -1));
            return this;
        }

        /** One more number, of a layer: the page can show those of one layer alone. */
        public Builder bar(String name, double value, int layer) {
            bars.add(new Bar(name, value, layer, -1));
            return this;
        }

        /** One more number, of a head. */
        public Builder bar(String name, double value, int layer, int head) {
            bars.add(new Bar(name, value, layer, head));
            return this;
        }

        /** The colours; fitted to the numbers unless set. */
        public Builder scale(ColorScale value) {
            scale = value;
            return this;
        }

        /** The bars. */
        public Bars build() {
            return new Bars(this);
        }
    }
}
