package dev.loupe.harvest.reduce;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Mean and covariance of the units of each point, in float64: a matrix of units by units, whose memory is 8 bytes times
 * the square of a point's width.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Covariance implements Reducer {

    private static final int WIDEST = 16384;

    private final Layout layout;
    private final Map<String, Matrix> matrices = new LinkedHashMap<>();

    /**
     * Of every point of a layout.
     *
     * @throws IllegalArgumentException if a point is so wide that its matrix would take more than 2 GiB
     */
    public Covariance(Layout layout) {
        this.layout = layout;
        for (Layout.Point point : layout.points()) {
            if (point.width() > WIDEST) {
                throw new IllegalArgumentException(point.name() + " has " + point.width()
                        + " numbers a token; a covariance of more than " + WIDEST + " takes over 2 GiB. Leave it out");
            }
            matrices.put(point.name(), new Matrix(point.width()));
        }
    }

    @Override
    public String id() {
        return "covariance";
    }

    @Override
    public void accept(Shard shard) {
        matrices.forEach((point, all) -> all.merge(Matrix.of(shard, shard.values(point), all.width)));
    }

    @Override
    public Map<String, HostTensor> save() {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        for (Layout.Point point : layout.points()) {
            Matrix all = of(point);
            arrays.put(point.name() + "/count", TokenNumbers.scalar(all.count));
            arrays.put(point.name() + "/mean", HostTensor.of(Shape.of(all.width), all.mean));
            arrays.put(point.name() + "/products", HostTensor.of(Shape.of(all.width, all.width), all.products));
        }
        return arrays;
    }

    @Override
    public void merge(Map<String, HostTensor> saved) {
        for (Layout.Point point : layout.points()) {
            Matrix all = of(point);
            Matrix other = new Matrix(all.width);
            other.count = TokenNumbers.longs(saved, point.name() + "/count", 1)[0];
            other.mean = TokenNumbers.doubles(saved, point.name() + "/mean", all.width);
            other.products = TokenNumbers.doubles(saved, point.name() + "/products", (long) all.width * all.width);
            all.merge(other);
        }
    }

    /** {@code count}, {@code mean} [units] and {@code covariance} [units, units] (of a sample: divided by count − 1). */
    @Override
    public Map<String, HostTensor> results() {
        Map<String, HostTensor> arrays = save();
        for (Layout.Point point : layout.points()) {
            Matrix all = of(point);
            double[] covariance = all.products.clone();
            for (int i = 0; i < covariance.length; i++) {
                covariance[i] /= Math.max(1, all.count - 1);
            }
            arrays.remove(point.name() + "/products");
            arrays.put(point.name() + "/covariance", HostTensor.of(Shape.of(all.width, all.width), covariance));
        }
        return arrays;
    }

    private Matrix of(Layout.Point point) {
        Matrix found = matrices.get(point.name());
        if (found == null) {
            throw new IllegalStateException("There is no covariance of " + point.name());
        }
        return found;
    }

    private static final class Matrix {
        private final int width;
        private long count;
        private double[] mean;
        /** Sums of products of differences from the mean, row by row; symmetric. */
        private double[] products;

        Matrix(int width) {
            this.width = width;
            this.mean = new double[width];
            this.products = new double[width * width];
        }

        static Matrix of(Shard shard, HostTensor values, int width) {
            Matrix all = new Matrix(width);
            double[] numbers = new double[width];
            all.count = shard.tokens();
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                for (int i = 0; i < width; i++) {
                    all.mean[i] += numbers[i];
                }
            }
            for (int i = 0; i < width; i++) {
                all.mean[i] /= all.count;
            }
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                for (int i = 0; i < width; i++) {
                    numbers[i] -= all.mean[i];
                }
                all.add(numbers, 1);
            }
            all.mirror();
            return all;
        }

        /** Adds the outer product of a vector with itself to the upper triangle. */
        private void add(double[] vector, double factor) {
            for (int i = 0; i < width; i++) {
                double here = vector[i] * factor;
                int row = i * width;
                for (int j = i; j < width; j++) {
                    products[row + j] += here * vector[j];
                }
            }
        }

        private void mirror() {
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < i; j++) {
                    products[i * width + j] = products[j * width + i];
                }
            }
        }

        void merge(Matrix other) {
            if (other.count == 0) {
                return;
            }
            if (count == 0) {
                mean = other.mean.clone();
                products = other.products.clone();
                count = other.count;
                return;
            }
            double sum = count + (double) other.count;
            double[] difference = new double[width];
            for (int i = 0; i < width; i++) {
                difference[i] = other.mean[i] - mean[i];
                mean[i] += difference[i] * other.count / sum;
            }
            for (int i = 0; i < products.length; i++) {
                products[i] += other.products[i];
            }
            add(difference, count * (double) other.count / sum);
            mirror();
            count += other.count;
        }
    }
}
