package dev.loupe.model;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** The run that a metric is made ready for: what it knows of positions, and what is fed. */
final class MetricSite {

    private final HookedTransformer model;
    private final Geometry geometry;
    private final int[] columns;
    private final Map<String, Tensor> made = new LinkedHashMap<>();
    private final Map<String, Tensor> borrowed = new LinkedHashMap<>();

    /** A run. */
    MetricSite(HookedTransformer model, Geometry geometry) {
        this.model = model;
        this.geometry = geometry;
        this.columns = geometry.logitColumns();
    }

    /** What was made to be fed, by name; the run frees it. */
    Map<String, Tensor> made() {
        return made;
    }

    /** What is fed and belongs to somebody else. */
    Map<String, Tensor> borrowed() {
        return borrowed;
    }

    void feed(String name, HostTensor data) {
        made.put(name, model.tensors().of(data));
    }

    /** How many columns the logits have. */
    int logitColumns() {
        return columns.length;
    }

    /** One token for all rows, a scalar; or one for each, [batch, 1]. */
    void feedTokens(Metric metric, String name, long[] tokens) {
        if (tokens.length == 0) {
            return;
        }
        if (tokens.length != 1 && tokens.length != geometry.batch()) {
            throw new IllegalArgumentException("The metric '" + metric + "' has " + tokens.length
                    + " tokens, one for each sequence, but the run has " + geometry.batch() + " sequences");
        }
        int vocabulary = model.config().dVocab();
        for (long token : tokens) {
            if (token < 0 || token >= vocabulary) {
                throw new IllegalArgumentException("The metric '" + metric + "' looks at token " + token
                        + ", but the model has ids from 0 to " + (vocabulary - 1));
            }
        }
        feed(name, HostTensor.of(tokens.length == 1 ? Shape.SCALAR : Shape.of(tokens.length, 1), tokens));
    }

    void feedLogits(Metric metric, Tensor other) {
        Shape expected =
                Shape.of(geometry.batch(), logitColumns(), model.config().dVocab());
        if (!other.shape().equals(expected)) {
            throw new IllegalArgumentException(
                    "The metric '" + metric + "' compares with logits of another run of shape " + other.shape()
                            + "; this run's are " + expected);
        }
        if (other.dtype() == model.dtype() && other.backend() == model.backend()) {
            borrowed.put(MetricFunction.OTHER, other);
        } else {
            made.put(MetricFunction.OTHER, other.to(model.backend()).to(model.dtype()));
        }
    }

    /** The column of the logits at which each row's last real token stands. */
    long[] lastReal(Metric metric) {
        long[] last = new long[geometry.batch()];
        for (int row = 0; row < last.length; row++) {
            int position = Tokens.lastReal(geometry.mask()[row]);
            if (position < 0) {
                throw new IllegalArgumentException(
                        "The metric '" + metric + "' looks at the last real token, but row " + row + " has none");
            }
            last[row] = columnOf(metric, position);
        }
        return last;
    }

    /** The column of the logits at which a position stands, for each row. */
    long[] column(Metric metric, int position) {
        int positions = geometry.positions();
        int resolved = position < 0 ? position + positions : position;
        if (resolved < 0 || resolved >= positions) {
            throw new IllegalArgumentException(
                    "The metric '" + metric + "' looks at position " + position + "; the run has " + positions);
        }
        long[] columns = new long[geometry.batch()];
        Arrays.fill(columns, columnOf(metric, resolved));
        return columns;
    }

    private int columnOf(Metric metric, int position) {
        for (int i = 0; i < columns.length; i++) {
            if (columns[i] == position) {
                return i;
            }
        }
        throw new IllegalArgumentException("The metric '" + metric + "' looks at position " + position
                + ", but the run has logits at " + Arrays.toString(columns) + " alone; add it to logitsAt");
    }

    /** Shares of each real position in the mean over its row, [batch, columns]. */
    void feedPositionWeights() {
        double[] weights = new double[geometry.batch() * columns.length];
        for (int row = 0; row < geometry.batch(); row++) {
            boolean[] mask = geometry.mask()[row];
            double real =
                    Math.max(1, Arrays.stream(columns).filter(at -> mask[at]).count());
            for (int i = 0; i < columns.length; i++) {
                weights[row * columns.length + i] = mask[columns[i]] ? 1 / real : 0;
            }
        }
        feed(
                MetricFunction.WEIGHTS,
                HostTensor.of(Shape.of(geometry.batch(), columns.length), weights)
                        .to(wide()));
    }

    /** One over the number of pairs of real neighbours: of all, or of each row. */
    void feedLossWeights(boolean perRow) {
        long[] pairs = geometry.pairs();
        double all = Arrays.stream(pairs).sum();
        if (all == 0) {
            throw new IllegalArgumentException(RunResult.NO_LOSS);
        }
        double[] weights = Arrays.stream(pairs)
                .mapToDouble(count -> count == 0 ? 0 : 1.0 / count)
                .toArray();
        feed(
                MetricFunction.WEIGHTS,
                (perRow
                                ? HostTensor.of(Shape.of(pairs.length), weights)
                                : HostTensor.of(Shape.SCALAR, new double[] {1 / all}))
                        .to(wide()));
    }

    private DType wide() {
        return Metric.wide(model.dtype());
    }
}
