package dev.loupe.dictionaries;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import org.apiguardian.api.API;

/**
 * The features that are active at each token: their numbers and activations, without the zeros between them. A token's
 * features stand in the order of their numbers. Immutable.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SparseFeatures {

    private final int batch;
    private final int positions;
    private final int size;
    private final int[] starts;
    private final int[] features;
    private final double[] activations;

    private SparseFeatures(int batch, int positions, int size, int[] starts, int[] features, double[] activations) {
        this.batch = batch;
        this.positions = positions;
        this.size = size;
        this.starts = starts;
        this.features = features;
        this.activations = activations;
    }

    /**
     * What isn't zero of activations.
     *
     * @param acts [batch, pos, d_sae]
     */
    public static SparseFeatures of(Tensor acts) {
        if (acts.rank() != 3) {
            throw new IllegalArgumentException(
                    "Activations of features are [batch, pos, d_sae], found " + acts.shape());
        }
        Builder builder = new Builder(
                Math.toIntExact(acts.size(0)), Math.toIntExact(acts.size(1)), Math.toIntExact(acts.size(2)));
        builder.add(acts);
        return builder.build();
    }

    /** Sequences. */
    public int batch() {
        return batch;
    }

    /** Positions of a sequence. */
    public int positions() {
        return positions;
    }

    /** Features of the dictionary, active or not. */
    public int size() {
        return size;
    }

    /** Active features of all tokens together. */
    public int count() {
        return features.length;
    }

    /** How many features a token has. */
    public int count(int row, int position) {
        int token = token(row, position);
        return starts[token + 1] - starts[token];
    }

    /** The numbers of a token's features, ascending. */
    public int[] indices(int row, int position) {
        int token = token(row, position);
        return Arrays.copyOfRange(features, starts[token], starts[token + 1]);
    }

    /** The activations of a token's features, in the order of {@link #indices(int, int)}. */
    public double[] values(int row, int position) {
        int token = token(row, position);
        return Arrays.copyOfRange(activations, starts[token], starts[token + 1]);
    }

    /** How active a feature is at a token; 0 if it isn't. */
    public double activation(int row, int position, int feature) {
        int token = token(row, position);
        int at = Arrays.binarySearch(features, starts[token], starts[token + 1], feature);
        return at < 0 ? 0 : activations[at];
    }

    /** Where the activations stand: int64 [active, 3] of row, position and feature. */
    public HostTensor indices() {
        long[] places = new long[3 * features.length];
        for (int token = 0; token < batch * positions; token++) {
            for (int i = starts[token]; i < starts[token + 1]; i++) {
                places[3 * i] = token / positions;
                places[3 * i + 1] = token % positions;
                places[3 * i + 2] = features[i];
            }
        }
        return HostTensor.of(Shape.of(features.length, 3), places);
    }

    /** The activations, float64 [active], in the order of {@link #indices()}. */
    public HostTensor values() {
        return HostTensor.of(Shape.of(activations.length), activations);
    }

    private int token(int row, int position) {
        if (row < 0 || row >= batch || position < 0 || position >= positions) {
            throw new IndexOutOfBoundsException("There is no token at sequence " + row + ", position " + position
                    + "; there are " + batch + " sequences of " + positions + " positions");
        }
        return row * positions + position;
    }

    @Override
    public String toString() {
        return "SparseFeatures: " + features.length + " active of " + batch + " × " + positions + " tokens, of " + size
                + " features";
    }

    /** Collects tokens in order, some at a time. */
    static final class Builder {
        private final int batch;
        private final int positions;
        private final int size;
        private final int[] starts;
        private int[] features = new int[256];
        private double[] activations = new double[256];
        private int tokens;
        private int count;

        Builder(int batch, int positions, int size) {
            this.batch = batch;
            this.positions = positions;
            this.size = size;
            this.starts = new int[batch * positions + 1];
        }

        /** Adds the next tokens, [..., d_sae]. */
        void add(Tensor acts) {
            double[] numbers = acts.toDoubleArray();
            for (int from = 0; from < numbers.length; from += size) {
                for (int feature = 0; feature < size; feature++) {
                    double activation = numbers[from + feature];
                    if (activation != 0) {
                        add(feature, activation);
                    }
                }
                tokens++;
                starts[tokens] = count;
            }
        }

        private void add(int feature, double activation) {
            if (count == features.length) {
                features = Arrays.copyOf(features, 2 * count);
                activations = Arrays.copyOf(activations, 2 * count);
            }
            features[count] = feature;
            activations[count] = activation;
            count++;
        }

        SparseFeatures build() {
            return new SparseFeatures(
                    batch, positions, size, starts, Arrays.copyOf(features, count), Arrays.copyOf(activations, count));
        }
    }
}
