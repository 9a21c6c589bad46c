package dev.loupe.harvest.reduce;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * How often the numbers of each unit of each point fall into bins of one width: {@code counts} [units, bins + 2], the first
 * below the lowest edge, the last from the highest edge on. What isn't a number is counted in the last too.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Histogram implements Reducer {

    private static final int MOST_BINS = 10_000;

    private final Layout layout;
    private final double low;
    private final double high;
    private final int bins;
    private final String id;
    private final Map<String, long[]> counts = new LinkedHashMap<>();

    /**
     * Of every point of a layout.
     *
     * @param low where the first bin begins
     * @param high where the last bin ends
     * @param bins how many there are between them
     */
    public Histogram(Layout layout, double low, double high, int bins) {
        if (!(low < high) || Double.isInfinite(low) || Double.isInfinite(high) || bins < 1 || bins > MOST_BINS) {
            throw new IllegalArgumentException("A histogram has bins between two edges, the lower one first, 1 to "
                    + MOST_BINS + " of them; found " + bins + " from " + low + " to " + high);
        }
        this.layout = layout;
        this.low = low;
        this.high = high;
        this.bins = bins;
        this.id = "histogram:" + plain(low) + ":" + plain(high) + ":" + bins;
        layout.points()
                .forEach(point -> counts.put(point.name(), new long[Math.multiplyExact(point.width(), bins + 2)]));
    }

    /** As one writes it: 10, not 10.0. */
    private static String plain(double number) {
        return number == Math.rint(number) && Math.abs(number) < 1e15
                ? Long.toString((long) number)
                : Double.toString(number);
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public void accept(Shard shard) {
        for (Layout.Point point : layout.points()) {
            HostTensor values = shard.values(point.name());
            long[] here = of(point);
            double[] numbers = new double[point.width()];
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                for (int i = 0; i < numbers.length; i++) {
                    here[i * (bins + 2) + bin(numbers[i])]++;
                }
            }
        }
    }

    private int bin(double number) {
        if (number < low) {
            return 0;
        }
        if (!(number < high)) {
            return bins + 1;
        }
        return 1 + Math.min(bins - 1, (int) ((number - low) / (high - low) * bins));
    }

    @Override
    public Map<String, HostTensor> save() {
        double[] edges = new double[bins + 1];
        Arrays.setAll(edges, i -> low + (high - low) * i / bins);
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("edges", HostTensor.of(Shape.of(bins + 1), edges));
        for (Layout.Point point : layout.points()) {
            arrays.put(
                    point.name() + "/counts",
                    HostTensor.of(Shape.of(point.width(), bins + 2), of(point).clone()));
        }
        return arrays;
    }

    @Override
    public void merge(Map<String, HostTensor> saved) {
        for (Layout.Point point : layout.points()) {
            long[] here = of(point);
            long[] other = TokenNumbers.longs(saved, point.name() + "/counts", here.length);
            for (int i = 0; i < here.length; i++) {
                here[i] += other[i];
            }
        }
    }

    private long[] of(Layout.Point point) {
        long[] found = counts.get(point.name());
        if (found == null) {
            throw new IllegalStateException("There is no histogram of " + point.name());
        }
        return found;
    }
}
