package dev.loupe.analysis.patching;

import dev.loupe.analysis.Progress;
import dev.loupe.array.DType;
import dev.loupe.hook.Intervention;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * Measures many runs that differ from one base run by the activation at one point each. A token changes nothing at
 * earlier positions, so each starts at the point, and at the first position where its activation differs, from the base
 * run's activations, keys and values; one whose activation differs nowhere is the base run. In the last block only those
 * positions are run that the metric looks at. Runs from the same point go through the model in batches, as large as the
 * memory budget allows.
 *
 * <p>Hooks that stand on the model may expect the batch that they were made for, or stand where a run would start. With
 * any of them the runs are made one by one, from the tokens.
 */
final class PatchRunner {

    /**
     * One run.
     *
     * @param point full name
     * @param change makes the activation to go on with out of the base run's
     */
    record Patch(String point, UnaryOperator<Tensor> change) {}

    /**
     * A run that is ready to start.
     *
     * @param index of its result
     * @param activation the patched one, of all positions
     * @param start the first position that differs
     */
    private record Ready(int index, Tensor activation, int start) {}

    private final HookedTransformer model;
    private final Tokens base;
    private final LogitMetric metric;
    private final Continuations continuations;
    private final RunCost cost;
    private final Progress progress;
    private final int lastLayer;
    private final int looksFrom;

    PatchRunner(HookedTransformer model, Tokens base, LogitMetric metric, long memoryBudget, Progress progress) {
        this.model = model;
        this.base = base;
        this.metric = metric.on(base);
        this.continuations = new Continuations(model);
        this.cost = new RunCost(model, base, this.metric, memoryBudget);
        this.progress = progress;
        this.lastLayer = model.config().nLayers() - 1;
        this.looksFrom = looksFrom(base, this.metric);
    }

    /** A position before which the metric doesn't look, and from which on every sequence has a real token. */
    private static int looksFrom(Tokens base, LogitMetric metric) {
        int first = base.positions();
        for (int chosen : metric.positions().orElse(new int[] {0})) {
            first = Math.min(first, chosen < 0 ? chosen + base.positions() : chosen);
        }
        for (int row = 0; row < base.batch(); row++) {
            first = Math.min(first, base.lastReal(row));
        }
        return Math.max(first, 0);
    }

    /** The metric of each run, in the order of the patches, of which those at one point stand together. */
    double[] run(List<Patch> patches) {
        double[] results = new double[patches.size()];
        if (!model.hookedPoints().isEmpty()) {
            for (int i = 0; i < results.length; i++) {
                results[i] = alone(patches.get(i));
                progress.update(i + 1, results.length);
            }
            return results;
        }
        Set<String> points = new LinkedHashSet<>();
        patches.forEach(patch -> points.add(patch.point()));
        try (BaseRun run = baseRun(points)) {
            new Sweeping(run, results).run(patches);
        }
        return results;
    }

    private BaseRun baseRun(Set<String> patched) {
        Set<String> points = new LinkedHashSet<>(patched);
        int firstLayer = lastLayer + 1;
        for (String point : patched) {
            Continuation continuation = continuations.from(point);
            points.addAll(continuation.beside());
            if (looksFrom > 0 && continuation.layer() >= 0) {
                firstLayer = Math.min(firstLayer, continuation.layer());
            }
        }
        return BaseRun.of(model, base, continuations, points, firstLayer);
    }

    private double alone(Patch patch) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor before = BaseRun.observe(model, base, List.of(patch.point())).get(patch.point());
            Tensor after = patched(patch, before);
            RunRequest.Builder request =
                    RunRequest.of(base).interventions(Intervention.patch(patch.point(), name -> after));
            return metric.of(logits(request, 0, patch.point()));
        }
    }

    /** Logits at the positions that the metric looks at, of a run that begins at a position. */
    private Tensor logits(RunRequest.Builder request, int start, String fed) {
        int[] positions = metric.positions().orElse(null);
        // Points of the unembedding have as many positions as there are logits, so the choice is made afterwards.
        boolean late = fed.startsWith("unembed.");
        if (positions != null && !late) {
            request.logitsAt(Arrays.stream(positions)
                    .map(position -> position < 0 ? position : position - start)
                    .toArray());
        }
        RunResult result = model.run(request.build());
        return positions == null || !late
                ? result.logits()
                : result.logits()
                        .pick(1, Arrays.stream(positions).asLongStream().toArray());
    }

    /** The logits that a metric looks at. */
    static Tensor logits(HookedTransformer model, RunRequest.Builder request, LogitMetric metric) {
        metric.positions().ifPresent(request::logitsAt);
        return model.run(request.build()).logits();
    }

    static double measure(HookedTransformer model, Tokens tokens, LogitMetric metric) {
        return measure(model, RunRequest.of(tokens), metric.on(tokens));
    }

    /** What float32 logits differ by between two ways to compute them. */
    static double noise(double corrupted, double clean) {
        return 1e-5 * Math.max(1, Math.max(Math.abs(corrupted), Math.abs(clean)));
    }

    /** The metric of a run that goes on, on tokens of the same places, from an activation that was cached. */
    static double measureFrom(
            HookedTransformer model, Tokens tokens, String point, Tensor activation, LogitMetric metric) {
        return measure(model, RunRequest.of(tokens).modelHooks(false).feed(point, activation), metric.on(tokens));
    }

    private static double measure(HookedTransformer model, RunRequest.Builder request, LogitMetric there) {
        try (TensorScope scope = TensorScope.open()) {
            return there.of(logits(model, request, there));
        }
    }

    /** The runs of one sweep. */
    private final class Sweeping {
        private final BaseRun run;
        private final double[] results;
        private double unchanged;
        private boolean measured;
        private int done;

        Sweeping(BaseRun run, double[] results) {
            this.run = run;
            this.results = results;
        }

        void run(List<Patch> patches) {
            int from = 0;
            while (from < results.length) {
                String point = patches.get(from).point();
                int end = from + 1;
                while (end < results.length && patches.get(end).point().equals(point)) {
                    end++;
                }
                Continuation continuation = continuations.from(point);
                Tensor before = run.cache().get(point);
                int most = cost.waiting(before.elements());
                for (; from < end; from = Math.min(from + most, end)) {
                    some(patches, from, Math.min(from + most, end), before, continuation);
                }
            }
        }

        private void some(List<Patch> patches, int from, int to, Tensor before, Continuation continuation) {
            try (TensorScope scope = TensorScope.open()) {
                List<Ready> ready = new ArrayList<>();
                for (int i = from; i < to; i++) {
                    Tensor after = patched(patches.get(i), before);
                    int start = start(before, after, continuation);
                    if (start < base.positions()) {
                        ready.add(new Ready(i, after, start));
                    } else {
                        results[i] = unchanged();
                        done(1);
                    }
                }
                ready.sort(Comparator.comparingInt(Ready::start));
                int[] starts = ready.stream().mapToInt(Ready::start).toArray();
                long given = before.elements() * (1 + continuation.beside().size());
                int layers = lastLayer + 1 - Math.max(continuation.layer(), 0);
                long held = before.elements() * ready.size();
                List<BatchesByStart.Batch> batches = BatchesByStart.divide(
                        starts, base.positions(), base.batch(), start -> cost.runsAtOnce(start, layers, given, held));
                for (BatchesByStart.Batch batch : batches) {
                    together(ready.subList(batch.from(), batch.to()), batch.start(), continuation);
                    done(batch.to() - batch.from());
                }
            }
        }

        private void done(int count) {
            done += count;
            progress.update(done, results.length);
        }

        private double unchanged() {
            if (!measured) {
                unchanged = measure(model, base, metric);
                measured = true;
            }
            return unchanged;
        }

        private void together(List<Ready> ready, int start, Continuation continuation) {
            try (TensorScope scope = TensorScope.open()) {
                int count = ready.size();
                String point = continuation.point();
                List<Tensor> patched = new ArrayList<>();
                ready.forEach(one -> patched.add(run.from(one.activation(), point, start)));
                RunRequest.Builder request =
                        RunRequest.of(run.tokens(start, count)).feed(point, Tensor.concat(0, patched));
                continuation.beside().forEach(name -> request.feed(name, run.from(name, start, count)));
                if (start > 0) {
                    int firstLayer = continuation.layer() + (continuation.pastAttention() ? 1 : 0);
                    request.keyValueCache(run.past(firstLayer, start, count));
                }
                Tensor logits = looksFrom > start && leadsToLastBlock(continuation)
                        ? logits(lastBlock(request, start, count), looksFrom, point)
                        : logits(request, start, point);
                for (int i = 0; i < count; i++) {
                    results[ready.get(i).index()] =
                            metric.of(logits.slice(0, (long) i * base.batch(), (long) (i + 1) * base.batch()));
                }
            }
        }

        /** Whether a run from the point passes the entrance of the last block. */
        private boolean leadsToLastBlock(Continuation continuation) {
            return run.keepsKeys()
                    && continuation.layer() >= 0
                    && (continuation.layer() < lastLayer || continuation.point().equals(BaseRun.residPre(lastLayer)));
        }

        /** Runs up to the last block, with keys and values of all positions in it; the rest is for those looked at. */
        private RunRequest.Builder lastBlock(RunRequest.Builder request, int start, int count) {
            String keys = BaseRun.keys(lastLayer);
            String values = BaseRun.values(lastLayer);
            String entrance = BaseRun.residPre(lastLayer);
            ActivationCache reached = model.run(request.observe(entrance, keys, values)
                            .returns(RunRequest.Returns.NONE)
                            .build())
                    .cache();
            KeyValueCache past = KeyValueCache.frozen(
                    run.mask(looksFrom, count),
                    Map.of(lastLayer, upTo(keys, start, count, reached)),
                    Map.of(lastLayer, upTo(values, start, count, reached)));
            Tensor residual = reached.get(entrance);
            return RunRequest.of(run.tokens(looksFrom, count))
                    .feed(entrance, residual.slice(1, looksFrom - start, residual.size(1)))
                    .keyValueCache(past);
        }

        /** Keys or values before the positions that are looked at: the base run's, then the patched runs' own. */
        private Tensor upTo(String point, int start, int count, ActivationCache reached) {
            Tensor own = reached.get(point).slice(1, 0, looksFrom - start);
            Tensor before = run.cache().get(point).slice(1, 0, start);
            return start == 0 ? own : Tensor.concat(1, BaseRun.repeat(before, count), own);
        }

        /** Where a run has to start; the number of positions if it is the base run. */
        private int start(Tensor before, Tensor after, Continuation continuation) {
            int positions = base.positions();
            int axis = model.hookNames().resolve(continuation.point()).positionAxis();
            if (after == before) {
                return positions;
            }
            boolean[] changed = changed(before, after, axis);
            // What stays at its position in the last block counts only where the metric looks.
            boolean local = run.keepsKeys() && continuation.local() && continuation.layer() == lastLayer;
            int start = local ? looksFrom : 0;
            while (start < changed.length && !changed[start]) {
                start++;
            }
            if (start >= changed.length) {
                return positions;
            }
            return run.keepsKeys() && continuation.layer() >= 0 ? Math.min(start, looksFrom) : 0;
        }
    }

    private static Tensor patched(Patch patch, Tensor before) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor after = patch.change().apply(before);
            if (!after.shape().equals(before.shape()) || after.dtype() != before.dtype()) {
                throw new IllegalArgumentException("The patch at " + patch.point() + " made " + after.describe()
                        + " out of " + before.describe() + "; both must have one shape and type");
            }
            return scope.keep(after);
        }
    }

    /** At which positions two activations differ. */
    private static boolean[] changed(Tensor before, Tensor after, int positionAxis) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor differs = before.ne(after).to(DType.FLOAT32);
            int[] others = IntStream.range(0, before.rank())
                    .filter(axis -> axis != positionAxis)
                    .toArray();
            float[] most = differs.max(others).toFloatArray();
            boolean[] changed = new boolean[most.length];
            for (int i = 0; i < most.length; i++) {
                changed[i] = most[i] > 0;
            }
            return changed;
        }
    }
}
