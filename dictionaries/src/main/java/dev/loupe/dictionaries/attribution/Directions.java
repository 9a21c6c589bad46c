package dev.loupe.dictionaries.attribution;

import dev.loupe.hook.HookFilter;
import dev.loupe.model.GradientCache;
import dev.loupe.model.Metric;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Follows directions back: how much each source adds in a direction at a position of what is read. Many targets are rows
 * of one batch, and the derivative of the sum of their products is taken once.
 */
final class Directions {

    private final FrozenRun run;
    private final int positions;
    private final Map<String, Metric> metrics = new HashMap<>();

    Directions(FrozenRun run) {
        this.run = run;
        this.positions = run.tokens().positions();
    }

    /**
     * What each source adds: features, errors by layer and position, tokens.
     *
     * @param read full name of the point that is read
     * @param layers the MLPs of how many layers come before it
     * @param at the position where each target reads
     * @param directions in which it reads, [target, d_in]
     * @return one row for each target
     */
    double[][] rows(String read, int layers, int[] at, Tensor directions) {
        try (TensorScope scope = TensorScope.open();
                RunResult result = run.model().run(request(read, layers, at, directions))) {
            GradientCache gradients = result.gradients();
            int features = run.active().size();
            double[][] rows =
                    new double[at.length][features + (run.replacement().layers() + 1) * positions];
            int firstOfLayer = 0;
            for (int layer = 0; layer < layers; layer++) {
                Tensor gradient = gradients.get(run.replacement().constant(layer));
                FrozenRun.Layer transcoder = run.layer(layer);
                if (transcoder != null) {
                    features(rows, gradient, transcoder, firstOfLayer);
                    firstOfLayer += transcoder.starts()[positions];
                }
                put(rows, gradient.mul(run.error(layer)).sum(-1), features + layer * positions);
            }
            Tensor gradient = gradients.get(LocalReplacement.EMBEDDING);
            put(
                    rows,
                    gradient.mul(run.embedding()).sum(-1),
                    features + run.replacement().layers() * positions);
            return rows;
        }
    }

    private void features(double[][] rows, Tensor gradient, FrozenRun.Layer transcoder, int first) {
        int[] starts = transcoder.starts();
        for (int position = 0; position < positions; position++) {
            if (starts[position + 1] > starts[position]) {
                Tensor writes = transcoder.writes().slice(0, starts[position], starts[position + 1]);
                put(rows, gradient.select(1, position).matmul(writes.transpose(0, 1)), first + starts[position]);
            }
        }
    }

    private static void put(double[][] rows, Tensor numbers, int column) {
        double[] flat = numbers.toDoubleArray();
        int columns = flat.length / rows.length;
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(flat, row * columns, rows[row], column, columns);
        }
    }

    private RunRequest request(String read, int layers, int[] at, Tensor directions) {
        long[][] ids = new long[at.length][];
        Arrays.fill(ids, run.tokens().row(0));
        List<String> points = new ArrayList<>();
        points.add(LocalReplacement.EMBEDDING);
        RunRequest.Builder request = RunRequest.of(Tokens.of(ids)).returns(Returns.NONE);
        run.given(read).forEach((point, value) -> request.feed(point, repeated(value, at.length)));
        for (int layer = 0; layer < layers; layer++) {
            String point = run.replacement().constant(layer);
            points.add(point);
            request.feed(point, repeated(run.written(layer), at.length));
        }
        request.feed(LocalReplacement.target(read), targets(at, directions));
        Metric metric = metrics.computeIfAbsent(read, Directions::metric);
        return request.gradients(metric, HookFilter.names(points)).build();
    }

    private static Metric metric(String read) {
        return Metric.ofPoints(
                "what is read in directions",
                scope -> scope.value(read)
                        .mul(scope.value(LocalReplacement.target(read)))
                        .sum(1, 2));
    }

    private static Tensor repeated(Tensor value, int rows) {
        long[] sizes = value.shape().toArray();
        sizes[0] = rows;
        return value.expand(sizes);
    }

    /** Each direction at its position in its row of the batch, among zeros. */
    private Tensor targets(int[] at, Tensor directions) {
        double[] numbers = directions.toDoubleArray();
        int width = Math.toIntExact(directions.size(1));
        double[] spread = new double[at.length * positions * width];
        for (int row = 0; row < at.length; row++) {
            System.arraycopy(numbers, row * width, spread, (row * positions + at[row]) * width, width);
        }
        return run.model().tensors().of(spread, at.length, positions, width).to(directions.dtype());
    }
}
