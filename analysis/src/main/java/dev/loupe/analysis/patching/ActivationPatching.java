package dev.loupe.analysis.patching;

import dev.loupe.analysis.Progress;
import dev.loupe.analysis.patching.PatchRunner.Patch;
import dev.loupe.analysis.residual.RequiredActivations;
import dev.loupe.graph.HookPoint;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * Activation patching (causal tracing, interchange interventions): runs a model on corrupted tokens with one activation
 * at a time replaced by that of a clean run, and measures how much of the clean run's behaviour comes back.
 *
 * <p>What a patched run shares with the corrupted one is not computed again: see {@link #memoryBudget}. The results are
 * those of one full run each, but for rounding.
 *
 * <pre>{@code
 * ActivationCache clean = model.runWithCache(cleanTokens).cache();
 * LogitMetric metric = LogitMetric.logitDifference(model, " Mary", " John");
 * PatchingResult result = ActivationPatching.of(model, corruptedTokens, clean, metric).run(Sweep.RESID_PRE);
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ActivationPatching {

    static final long DEFAULT_BUDGET = 256L << 20;

    private final HookedTransformer model;
    private final Tokens corrupted;
    private final ActivationCache clean;
    private final LogitMetric metric;
    private final long memoryBudget;
    private final Progress progress;

    private ActivationPatching(
            HookedTransformer model,
            Tokens corrupted,
            ActivationCache clean,
            LogitMetric metric,
            long memoryBudget,
            Progress progress) {
        this.model = model;
        this.corrupted = corrupted;
        this.clean = clean;
        this.metric = metric;
        this.memoryBudget = memoryBudget;
        this.progress = progress;
    }

    @Override
    public String toString() {
        return "ActivationPatching of '" + model.config().modelName() + "' into " + corrupted.batch() + " sequences of "
                + corrupted.positions() + " tokens, by " + metric;
    }

    /**
     * Patching into runs on corrupted tokens.
     *
     * @param corrupted as many sequences, and as many tokens in each, as the clean run had
     * @param clean activations of the clean run
     */
    public static ActivationPatching of(
            HookedTransformer model, Tokens corrupted, ActivationCache clean, LogitMetric metric) {
        return new ActivationPatching(model, corrupted, clean, metric, DEFAULT_BUDGET, Progress.NONE);
    }

    /**
     * Patching of a clean run into runs on corrupted tokens, from the beginning: runs both, records every standard
     * activation of the clean one, and puts the metric on the scale from 0, the corrupted run, to 1, the clean one.
     *
     * @param clean the tokens that give the answer
     * @param corrupted as many sequences of as many tokens, which don't
     * @param metric as it is measured; {@link LogitMetric#normalized(double, double)} is applied here
     * @throws IllegalArgumentException if the prompts differ in shape, or the metric is the same for both
     */
    public static ActivationPatching between(
            HookedTransformer model, Tokens clean, Tokens corrupted, LogitMetric metric) {
        if (clean.batch() != corrupted.batch() || clean.positions() != corrupted.positions()) {
            throw new IllegalArgumentException("The clean prompts are " + clean.batch() + " sequences of "
                    + clean.positions() + " tokens, the corrupted ones " + corrupted.batch() + " of "
                    + corrupted.positions() + ": both must be as many of as many");
        }
        LogitMetric scaled = metric.normalized(metric.ofRun(model, corrupted), metric.ofRun(model, clean));
        return of(model, corrupted, model.runWithCache(clean).cache(), scaled);
    }

    /**
     * About how many bytes of activations the patched runs that go through the model together may hold; 256 MiB unless
     * set. Weights, and the corrupted run's keys, values and activations at the patched points, come on top, and so does
     * memory that a backend keeps for later.
     */
    public ActivationPatching memoryBudget(long bytes) {
        return new ActivationPatching(model, corrupted, clean, metric, RunCost.budget(bytes), progress);
    }

    /** Who is told how many patched runs are done. */
    public ActivationPatching progress(Progress listener) {
        return new ActivationPatching(model, corrupted, clean, metric, memoryBudget, listener);
    }

    /**
     * Runs a sweep that has a name. Where heads are grouped, key/value heads are counted as they are; where sweeps are
     * stacked, each counts for the query heads that it serves.
     *
     * @throws IllegalStateException if the clean cache lacks an activation; names it
     */
    public PatchingResult run(Sweep sweep) {
        if (sweep.members().isEmpty()) {
            PatchingResult result = genericActivationPatch(sweep.activation(), sweep.axes(), sweep.setter());
            return new PatchingResult(sweep.id(), result.axes(), result.values(), List.of(), result.warning());
        }
        List<Tensor> parts = new ArrayList<>();
        List<String> kinds = new ArrayList<>();
        long total = 0;
        for (Sweep member : sweep.members()) {
            total += indices(member.activation(), member.axes()).length;
        }
        long all = total;
        long done = 0;
        for (Sweep member : sweep.members()) {
            long before = done;
            ActivationPatching part = progress((now, ofMember) -> progress.update(before + now, all));
            Tensor values = part.values(
                    member.activation(), member.axes(), indices(member.activation(), member.axes()), member.setter());
            done += values.elements();
            parts.add(aligned(values, member.axes(), sweep.axes()));
            kinds.add(member.id());
        }
        List<SweepAxis> axes = new ArrayList<>(List.of(SweepAxis.KIND));
        axes.addAll(sweep.axes());
        return new PatchingResult(sweep.id(), axes, Tensor.stack(0, parts), kinds, warning());
    }

    /** Brings a sweep's values to the order of axes of the others, and key/value heads to the number of heads. */
    private Tensor aligned(Tensor values, List<SweepAxis> own, List<SweepAxis> wanted) {
        Tensor result = own.size() == 3 && own.get(1) == SweepAxis.HEAD ? values.transpose(1, 2) : values;
        int headAxis = wanted.indexOf(SweepAxis.HEAD);
        int heads = model.config().nHeads();
        if (headAxis >= 0 && result.size(headAxis) != heads) {
            long[] groups = new long[heads];
            for (int head = 0; head < heads; head++) {
                groups[head] = head * result.size(headAxis) / heads;
            }
            result = result.pick(headAxis, groups);
        }
        return result;
    }

    /**
     * The general sweep, over all indices of some axes.
     *
     * @param activationName short name; a layer is added to it if the first axis is one, else it names one point
     * @param axes what the indices count: the first a layer, or none of them
     * @param setter makes the patched activation
     * @throws IllegalStateException if the clean cache lacks an activation; names it
     * @throws IllegalArgumentException if clean and corrupted runs don't have one shape
     */
    public PatchingResult genericActivationPatch(String activationName, List<SweepAxis> axes, PatchSetter setter) {
        int[][] indices = indices(activationName, axes);
        return new PatchingResult(
                activationName, axes, values(activationName, axes, indices, setter), List.of(), warning());
    }

    private Tensor values(String activationName, List<SweepAxis> axes, int[][] indices, PatchSetter setter) {
        double[] metrics = genericActivationPatch(activationName, axes, indices, setter);
        long[] shape = new long[axes.size()];
        for (int axis = 0; axis < shape.length; axis++) {
            for (int[] index : indices) {
                shape[axis] = Math.max(shape[axis], index[axis] + 1L);
            }
        }
        return PatchingResult.tensor(model, metrics, shape);
    }

    /**
     * That both runs have one metric, if they have: what patches change then isn't on the way from one to the other. The clean
     * run's metric is that of its last residual stream in the cache; without one nobody knows.
     */
    private String warning() {
        Optional<String> last = lastResidual();
        if (last.isEmpty()) {
            return "";
        }
        double ofClean = PatchRunner.measureFrom(model, corrupted, last.get(), clean.get(last.get()), metric);
        double ofCorrupted = metric.ofRun(model, corrupted);
        double noise = PatchRunner.noise(ofCorrupted, ofClean);
        return Math.abs(ofClean - ofCorrupted) > noise
                ? ""
                : "The metric is " + ofClean + " for the clean and " + ofCorrupted
                        + " for the corrupted run: they don't"
                        + " differ by more than noise, so there is nothing to bring back. Choose a corrupted prompt that"
                        + " changes the metric.";
    }

    private Optional<String> lastResidual() {
        int layers = model.config().nLayers();
        List<String> points = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            points.add(model.hookNames().resolve("resid_pre", layer).name());
        }
        points.add(model.hookNames().resolve("resid_post", layers - 1).name());
        points.removeIf(point -> !clean.has(point));
        return points.isEmpty() ? Optional.empty() : Optional.of(points.get(points.size() - 1));
    }

    /**
     * The general sweep, over chosen indices.
     *
     * @param indices one number for each axis, for each patched run; runs of one layer that stand together share
     *     batches
     * @return the metric of each patched run
     */
    public double[] genericActivationPatch(
            String activationName, List<SweepAxis> axes, int[][] indices, PatchSetter setter) {
        boolean byLayer = hasLayer(axes);
        checkPoints(activationName, axes);
        List<Patch> patches = new ArrayList<>();
        for (int[] index : indices) {
            if (index.length != axes.size()) {
                throw new IllegalArgumentException(
                        "An index of " + index.length + " numbers doesn't fit the axes " + axes);
            }
            String point = byLayer
                    ? model.hookNames().resolve(activationName, index[0]).name()
                    : model.hookNames().resolve(activationName).name();
            Tensor cleanActivation = clean.get(point);
            patches.add(new Patch(point, before -> setter.apply(before, index, cleanActivation)));
        }
        return new PatchRunner(model, corrupted, metric, memoryBudget, progress).run(patches);
    }

    private static boolean hasLayer(List<SweepAxis> axes) {
        int layer = axes.indexOf(SweepAxis.LAYER);
        if (layer > 0 || axes.contains(SweepAxis.KIND) || axes.isEmpty()) {
            throw new IllegalArgumentException(
                    "Axes of a sweep begin with LAYER or have none, and are not empty; got " + axes);
        }
        return layer == 0;
    }

    /** Names of the points that are patched, after checking that they are there and fit the corrupted run. */
    private Collection<String> checkPoints(String activationName, List<SweepAxis> axes) {
        Collection<String> points = new LinkedHashSet<>();
        if (hasLayer(axes)) {
            points.addAll(RequiredActivations.ofLayers(
                    clean, activationName, model.config().nLayers()));
        } else {
            points.add(model.hookNames().resolve(activationName).name());
        }
        RequiredActivations.check(clean, "Patching " + activationName, points);
        for (String point : points) {
            Tensor activation = clean.get(point);
            int positionAxis = model.hookNames().resolve(point).positionAxis();
            if (!clean.hasBatchDim()
                    || activation.size(0) != corrupted.batch()
                    || activation.size(positionAxis) != corrupted.positions()) {
                throw new IllegalArgumentException("The clean run's " + point + " is " + activation.shape()
                        + ", the corrupted tokens are [" + corrupted.batch() + ", " + corrupted.positions()
                        + "]. Clean and corrupted prompts must be as many and have the same number of tokens, and the"
                        + " cache must have its batch axis.");
            }
        }
        return points;
    }

    /** All indices, the last axis running fastest. */
    private int[][] indices(String activationName, List<SweepAxis> axes) {
        String point = checkPoints(activationName, axes).iterator().next();
        Tensor activation = clean.get(point);
        int[] sizes = new int[axes.size()];
        int count = 1;
        for (int i = 0; i < sizes.length; i++) {
            sizes[i] = switch (axes.get(i)) {
                case LAYER -> model.config().nLayers();
                case HEAD -> heads(activation, model.hookNames().resolve(point));
                default -> corrupted.positions();
            };
            count = Math.multiplyExact(count, sizes[i]);
        }
        int[][] indices = new int[count][sizes.length];
        for (int i = 0; i < count; i++) {
            int rest = i;
            for (int axis = sizes.length - 1; axis >= 0; axis--) {
                indices[i][axis] = rest % sizes[axis];
                rest /= sizes[axis];
            }
        }
        return indices;
    }

    private static int heads(Tensor activation, HookPoint point) {
        if (point.headAxis() < 0) {
            throw new IllegalArgumentException(
                    "There are no heads in " + point + ", whose shape is " + activation.shape());
        }
        return (int) activation.size(point.headAxis());
    }
}
