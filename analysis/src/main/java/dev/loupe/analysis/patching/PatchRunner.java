package dev.loupe.analysis.patching;

import dev.loupe.analysis.Progress;
import dev.loupe.hook.Hook;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.model.TransformerConfig;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Measures many runs that differ from one base run by the activation at one point each. Below the point nothing
 * differs, so each starts there, from the base run's activations; those at the same point go through the model as one
 * batch, as large as the memory budget allows.
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

    private final HookedTransformer model;
    private final Tokens base;
    private final Metric metric;
    private final long memoryBudget;
    private final Progress progress;

    PatchRunner(HookedTransformer model, Tokens base, Metric metric, long memoryBudget, Progress progress) {
        this.model = model;
        this.base = base;
        this.metric = metric;
        this.memoryBudget = memoryBudget;
        this.progress = progress;
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
        try (ActivationCache cache = baseActivations(patches)) {
            int start = 0;
            while (start < results.length) {
                String point = patches.get(start).point();
                int end = start;
                while (end < results.length && patches.get(end).point().equals(point)) {
                    end++;
                }
                int most = batchSize(cache.get(point));
                // Batches of one size rather than full ones and a rest.
                int batches = (end - start + most - 1) / most;
                for (int i = 0; i < batches; i++) {
                    int from = start + (int) ((long) (end - start) * i / batches);
                    int to = start + (int) ((long) (end - start) * (i + 1) / batches);
                    together(patches.subList(from, to), cache, results, from);
                    progress.update(to, results.length);
                }
                start = end;
            }
        }
        return results;
    }

    /** The base run's activations at the patched points, and at those that are fed beside them. */
    private ActivationCache baseActivations(List<Patch> patches) {
        Set<String> names = new LinkedHashSet<>();
        for (Patch patch : patches) {
            if (names.add(patch.point())) {
                names.addAll(Continuation.fedBeside(model.hookNames(), patch.point()));
            }
        }
        return observe(model, base, names);
    }

    static ActivationCache observe(HookedTransformer model, Tokens tokens, Collection<String> names) {
        RunRequest request = RunRequest.of(tokens)
                .observe(names.toArray(new String[0]))
                .returns(RunRequest.Returns.NONE)
                .build();
        return model.run(request).cache();
    }

    private double alone(Patch patch) {
        RunRequest.Builder request = RunRequest.of(base)
                .hooks(Hook.at(
                        patch.point(), (activation, point) -> patch.change().apply(activation)));
        try (TensorScope scope = TensorScope.open()) {
            return metric.of(logits(model, request, metric, patch.point()));
        }
    }

    private void together(List<Patch> patches, ActivationCache cache, double[] results, int at) {
        try (TensorScope scope = TensorScope.open()) {
            String point = patches.get(0).point();
            Tensor before = cache.get(point);
            List<Tensor> patched = new ArrayList<>();
            for (Patch patch : patches) {
                Tensor after = patch.change().apply(before);
                if (!after.shape().equals(before.shape()) || after.dtype() != before.dtype()) {
                    throw new IllegalArgumentException("The patch at " + point + " made " + after.describe()
                            + " out of " + before.describe() + "; both must have one shape and type");
                }
                patched.add(after);
            }
            int count = patches.size();
            RunRequest.Builder request = RunRequest.of(repeat(base, count)).feed(point, Tensor.concat(0, patched));
            for (String fed : Continuation.fedBeside(model.hookNames(), point)) {
                request.feed(fed, repeat(cache.get(fed), count));
            }
            Tensor logits = logits(model, request, metric, point);
            for (int i = 0; i < count; i++) {
                results[at + i] = metric.of(logits.slice(0, (long) i * base.batch(), (long) (i + 1) * base.batch()));
            }
        }
    }

    /** Logits at the positions that the metric looks at. */
    static Tensor logits(HookedTransformer model, RunRequest.Builder request, Metric metric, String fed) {
        int[] positions = metric.positions().orElse(null);
        // Points of the unembedding have as many positions as there are logits, so the choice is made afterwards.
        boolean late = fed.startsWith("unembed.");
        if (positions != null && !late) {
            request.logitsAt(positions);
        }
        RunResult result = model.run(request.build());
        if (positions == null || !late) {
            return result.logits();
        }
        long[] chosen = new long[positions.length];
        for (int i = 0; i < chosen.length; i++) {
            chosen[i] = positions[i];
        }
        return result.logits().pick(1, chosen);
    }

    static double measure(HookedTransformer model, Tokens tokens, Metric metric) {
        try (TensorScope scope = TensorScope.open()) {
            return metric.of(logits(model, RunRequest.of(tokens), metric, ""));
        }
    }

    /** The batch, {@code count} times over. */
    static Tokens repeat(Tokens tokens, int count) {
        long[][] ids = new long[tokens.batch() * count][];
        boolean[][] mask = new boolean[ids.length][];
        long[][] oneIds = tokens.ids();
        boolean[][] oneMask = tokens.mask();
        for (int i = 0; i < ids.length; i++) {
            ids[i] = oneIds[i % tokens.batch()];
            mask[i] = oneMask[i % tokens.batch()];
        }
        return Tokens.of(ids, mask);
    }

    static Tensor repeat(Tensor tensor, int count) {
        if (count == 1) {
            return tensor;
        }
        Tensor row = tensor.unsqueeze(0);
        long[] sizes = row.shape().toArray();
        sizes[0] = count;
        return row.expand(sizes).mergeAxes(0, 2);
    }

    /** How many runs fit into the budget at once, by what a block and the logits hold at their fullest. */
    private int batchSize(Tensor patched) {
        TransformerConfig config = model.config();
        long positions = base.positions();
        long selected = metric.positions().map(chosen -> (long) chosen.length).orElse(positions);
        long attention =
                2L * config.nHeads() * positions * positions + 4L * positions * config.nHeads() * config.dHead();
        long mlp = positions * config.dMlp() * (config.gatedMlp() ? 4L : 2L);
        long residual = 4 * positions * config.dModel();
        long logits = 2 * selected * config.dVocab();
        long inputs = 3 * patched.elements() / base.batch();
        long numbers = base.batch() * (residual + inputs + Math.max(logits, Math.max(attention, mlp)));
        return (int) Math.max(
                1, Math.min(4096, memoryBudget / (numbers * model.dtype().bytes())));
    }
}
