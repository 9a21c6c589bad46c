package dev.loupe.analysis.views;

import dev.loupe.tensor.Tensor;
import java.awt.Color;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import org.apiguardian.api.API;

/**
 * Which colour a number gets: straight lines in RGB between given colours, evenly spread from the lowest number to the
 * highest. The ready-made scales can be told apart by people who don't see red and green alike, and in print.
 *
 * @param light colours on a light page, {@code #rrggbb}
 * @param dark colours on a dark page
 * @param low the number that gets the first colour, as all below it
 * @param high the number that gets the last colour, as all above it
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record ColorScale(List<String> light, List<String> dark, double low, double high) {

    // The light ones are RdBu and Blues of ColorBrewer; the dark ones go through the dark instead.
    private static final List<String> RED_BLUE = List.of(
            "#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7", "#d1e5f0", "#92c5de", "#4393c3",
            "#2166ac", "#053061");
    private static final List<String> RED_BLUE_DARK =
            List.of("#ffb09c", "#f4735e", "#c43a3a", "#6d2230", "#202127", "#1d3a5f", "#2f6fb0", "#66a9e0", "#b5dcff");
    private static final List<String> BLUES =
            List.of("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b");
    private static final List<String> BLUES_DARK =
            List.of("#202127", "#1b3252", "#1f4f85", "#2c72b3", "#4f97d4", "#86bdea", "#c9e4ff");

    /** Checks the colours and the range. */
    public ColorScale {
        light = List.copyOf(light);
        dark = List.copyOf(dark);
        if (light.size() < 2 || dark.size() < 2 || !(low < high)) {
            throw new IllegalArgumentException("A colour scale needs two colours and low < high; got " + light.size()
                    + " and " + dark.size() + " colours, " + low + " and " + high);
        }
    }

    /** For numbers of both signs: red below 0, blue above, as strong at −limit as at limit. */
    public static ColorScale diverging(double limit) {
        double positive = limit > 0 && Double.isFinite(limit) ? limit : 1;
        return new ColorScale(RED_BLUE, RED_BLUE_DARK, -positive, positive);
    }

    /** For amounts: from the page's colour to a strong blue. */
    public static ColorScale sequential(double low, double high) {
        return new ColorScale(BLUES, BLUES_DARK, low, high > low ? high : low + 1);
    }

    /**
     * A scale that fits data: {@link #diverging} up to the largest amount if there is a negative number, else {@link
     * #sequential} from 0. Several tensors get one scale that fits them all. What isn't finite doesn't count.
     */
    public static ColorScale fitting(Tensor... data) {
        return fitting(Arrays.stream(data).map(Tensor::toDoubleArray).flatMapToDouble(Arrays::stream));
    }

    /** As {@link #fitting(Tensor...)}, of plain numbers. */
    public static ColorScale fitting(double... data) {
        return fitting(Arrays.stream(data));
    }

    static ColorScale fitting(List<double[][]> matrices) {
        return fitting(matrices.stream().flatMap(Arrays::stream).flatMapToDouble(Arrays::stream));
    }

    private static ColorScale fitting(DoubleStream data) {
        DoubleSummaryStatistics range = data.filter(Double::isFinite).summaryStatistics();
        double low = Math.min(0, range.getMin());
        double high = Math.max(0, range.getMax());
        return low < 0 ? diverging(Math.max(-low, high)) : sequential(0, high);
    }

    /** The colour of a finite number on a light page. */
    Color color(double number) {
        double place = Math.max(0, Math.min(1, (number - low) / (high - low))) * (light.size() - 1);
        int below = Math.min((int) place, light.size() - 2);
        double rest = place - below;
        Color first = Color.decode(light.get(below));
        Color second = Color.decode(light.get(below + 1));
        return new Color(
                mix(first.getRed(), second.getRed(), rest),
                mix(first.getGreen(), second.getGreen(), rest),
                mix(first.getBlue(), second.getBlue(), rest));
    }

    private static int mix(int first, int second, double share) {
        return (int) Math.round(first + (second - first) * share);
    }

    Map<String, Object> json() {
        return Map.of("light", light, "dark", dark, "domain", new double[] {low, high});
    }
}
