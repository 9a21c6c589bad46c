package dev.loupe.harvest.reduce;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Of each unit of each point: mean, variance, least and largest number, where the largest stands, and how many aren't 0.
 * Shards are put together as Chan, Golub and LeVeque do (1979), in float64.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Statistics implements Reducer {

    private final Layout layout;
    private final Map<String, Moments> moments = new LinkedHashMap<>();

    /** Of every point of a layout. */
    public Statistics(Layout layout) {
        this.layout = layout;
        layout.points().forEach(point -> moments.put(point.name(), new Moments(point.width())));
    }

    @Override
    public String id() {
        return "statistics";
    }

    @Override
    public void accept(Shard shard) {
        moments.forEach((point, all) -> all.merge(Moments.of(shard, shard.values(point), all.width)));
    }

    @Override
    public Map<String, HostTensor> save() {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        for (Layout.Point point : layout.points()) {
            Moments all = of(point);
            String at = point.name() + "/";
            arrays.put(at + "count", TokenNumbers.scalar(all.count));
            arrays.put(at + "mean", TokenNumbers.perUnit(point, all.mean));
            arrays.put(at + "squares", TokenNumbers.perUnit(point, all.squares));
            arrays.put(at + "min", TokenNumbers.perUnit(point, all.min));
            arrays.put(at + "max", TokenNumbers.perUnit(point, all.max));
            arrays.put(at + "nonzero", TokenNumbers.perUnit(point, all.nonzero));
            arrays.put(at + "max_document", TokenNumbers.perUnit(point, all.document));
            arrays.put(at + "max_row", TokenNumbers.perUnit(point, all.row));
            arrays.put(at + "max_position", TokenNumbers.perUnit(point, all.position));
        }
        return arrays;
    }

    @Override
    public void merge(Map<String, HostTensor> saved) {
        for (Layout.Point point : layout.points()) {
            String at = point.name() + "/";
            int width = point.width();
            Moments other = new Moments(width);
            other.count = TokenNumbers.longs(saved, at + "count", 1)[0];
            other.mean = TokenNumbers.doubles(saved, at + "mean", width);
            other.squares = TokenNumbers.doubles(saved, at + "squares", width);
            other.min = TokenNumbers.doubles(saved, at + "min", width);
            other.max = TokenNumbers.doubles(saved, at + "max", width);
            other.nonzero = TokenNumbers.longs(saved, at + "nonzero", width);
            other.document = TokenNumbers.longs(saved, at + "max_document", width);
            other.row = TokenNumbers.longs(saved, at + "max_row", width);
            other.position = TokenNumbers.longs(saved, at + "max_position", width);
            of(point).merge(other);
        }
    }

    /** As saved, with {@code variance} (of a sample: divided by count − 1) in the place of the sum of squares. */
    @Override
    public Map<String, HostTensor> results() {
        Map<String, HostTensor> arrays = save();
        for (Layout.Point point : layout.points()) {
            Moments all = of(point);
            double[] variance = all.squares.clone();
            for (int i = 0; i < variance.length; i++) {
                variance[i] /= Math.max(1, all.count - 1);
            }
            arrays.remove(point.name() + "/squares");
            arrays.put(point.name() + "/variance", TokenNumbers.perUnit(point, variance));
        }
        return arrays;
    }

    private Moments of(Layout.Point point) {
        Moments found = moments.get(point.name());
        if (found == null) {
            throw new IllegalStateException("There are no moments of " + point.name());
        }
        return found;
    }

    /** What is known of one point's units. */
    private static final class Moments {
        private final int width;
        private long count;
        private double[] mean;
        /** The sum of squared differences from the mean. */
        private double[] squares;

        private double[] min;
        private double[] max;
        private long[] nonzero;
        private long[] document;
        private long[] row;
        private long[] position;

        Moments(int width) {
            this.width = width;
            this.mean = new double[width];
            this.squares = new double[width];
            this.min = new double[width];
            this.max = new double[width];
            this.nonzero = new long[width];
            this.document = new long[width];
            this.row = new long[width];
            this.position = new long[width];
            Arrays.fill(min, Double.POSITIVE_INFINITY);
            Arrays.fill(max, Double.NEGATIVE_INFINITY);
        }

        static Moments of(Shard shard, HostTensor values, int width) {
            Moments all = new Moments(width);
            double[] numbers = new double[width];
            int[] best = new int[width];
            all.count = shard.tokens();
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                for (int i = 0; i < width; i++) {
                    double number = numbers[i];
                    all.mean[i] += number;
                    all.min[i] = Math.min(all.min[i], number);
                    all.nonzero[i] += number == 0 ? 0 : 1;
                    if (number > all.max[i]) {
                        all.max[i] = number;
                        best[i] = token;
                    }
                }
            }
            for (int i = 0; i < width; i++) {
                all.mean[i] /= all.count;
                all.document[i] = shard.document(best[i]);
                all.row[i] = shard.row(best[i]);
                all.position[i] = shard.position(best[i]);
            }
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                for (int i = 0; i < width; i++) {
                    double difference = numbers[i] - all.mean[i];
                    all.squares[i] += difference * difference;
                }
            }
            return all;
        }

        void merge(Moments other) {
            if (other.count == 0) {
                return;
            }
            if (count == 0) {
                // As it is: what was saved goes on to the last bit.
                mean = other.mean.clone();
                squares = other.squares.clone();
            } else {
                double sum = count + (double) other.count;
                for (int i = 0; i < width; i++) {
                    double difference = other.mean[i] - mean[i];
                    mean[i] += difference * other.count / sum;
                    squares[i] += other.squares[i] + difference * difference * count * other.count / sum;
                }
            }
            for (int i = 0; i < width; i++) {
                min[i] = Math.min(min[i], other.min[i]);
                nonzero[i] += other.nonzero[i];
                if (other.max[i] > max[i]) {
                    max[i] = other.max[i];
                    document[i] = other.document[i];
                    row[i] = other.row[i];
                    position[i] = other.position[i];
                }
            }
            count += other.count;
        }
    }
}
