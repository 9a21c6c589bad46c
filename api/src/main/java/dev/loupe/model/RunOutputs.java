package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.run.Derivatives;
import dev.loupe.run.ModelRunner;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What comes out of a run: what a request wants of the graph, and the result that is made of what it gave. */
final class RunOutputs {

    private final HookedTransformer model;
    private final RunRequest request;
    private final RunSpan span;

    /** The key/value cache that the run extends. */
    private final @Nullable KeyValueCache extended;

    RunOutputs(HookedTransformer model, RunRequest request, RunSpan span) {
        this.model = model;
        this.request = request;
        this.span = span;
        this.extended =
                request.keyValueCache().filter(cache -> !cache.isFrozen()).orElse(null);
    }

    /** Names of what the graph has to give. */
    Set<String> wanted() {
        Set<String> outputs = new HashSet<>();
        RunRequest.Returns returns = request.returns();
        boolean loss = returns == RunRequest.Returns.LOSS || returns == RunRequest.Returns.BOTH;
        if (request.stopAtLayer().isPresent()) {
            if (returns != RunRequest.Returns.NONE) {
                throw new IllegalArgumentException(
                        "A run that stops at a layer has no " + returns + "; it returns the residual stream");
            }
            outputs.add(StandardNames.residualEntering(span.stop()));
        }
        if (returns == RunRequest.Returns.LOGITS || returns == RunRequest.Returns.BOTH) {
            outputs.add(StandardNames.LOGITS);
        }
        if (loss) {
            checkHasLoss();
            outputs.add(StandardNames.LOSS_PER_TOKEN);
        }
        if (extended != null) {
            for (int layer : extended.layers()) {
                outputs.add(StandardNames.keys(layer));
                outputs.add(StandardNames.values(layer));
            }
        }
        return outputs;
    }

    /** Refuses runs whose loss is not that of all tokens. */
    void checkHasLoss() {
        if (request.logitPositions().isPresent() || request.keyValueCache().isPresent()) {
            throw new IllegalArgumentException("The loss needs the logits of all positions in one run:"
                    + " ask for it without logitsAt and without a key/value cache");
        }
    }

    private static void extend(KeyValueCache cache, ModelRunner.Results results, Geometry geometry) {
        SortedMap<Integer, Tensor> keys = new TreeMap<>();
        SortedMap<Integer, Tensor> values = new TreeMap<>();
        for (int layer : cache.layers()) {
            keys.put(layer, output(results, StandardNames.keys(layer)));
            values.put(layer, output(results, StandardNames.values(layer)));
        }
        cache.replace(keys, values, geometry.keyMask(), geometry.keyIds());
    }

    private static Tensor output(ModelRunner.Results results, String name) {
        return Objects.requireNonNull(results.outputs().get(name), name);
    }

    /** What the caller gets. */
    RunResult result(ModelRunner.Results results, Geometry geometry, boolean differentiated) {
        if (extended != null) {
            extend(extended, results, geometry);
        }
        Tensor perToken = results.outputs().get(StandardNames.LOSS_PER_TOKEN);
        Double loss = null;
        if (perToken != null) {
            long pairs = Arrays.stream(geometry.pairs()).sum();
            loss = pairs == 0 ? null : Arrays.stream(perToken.toDoubleArray()).sum() / pairs;
        }
        Tensor residual = span.stop() < 0 ? null : results.outputs().get(StandardNames.residualEntering(span.stop()));
        Map<String, Tensor> observed = new LinkedHashMap<>(results.observed());
        GradientCache gradients = null;
        if (differentiated) {
            Map<String, Tensor> found = new LinkedHashMap<>();
            for (HookPoint point : model.hookNames().points()) {
                Tensor derivative = observed.remove(HookPoint.gradientOf(point.name()));
                if (derivative != null) {
                    found.put(point.name(), derivative);
                }
            }
            if (request.inclBackward()) {
                // Closing one cache must not close the other.
                found.forEach((name, derivative) -> observed.put(
                        HookPoint.gradientOf(name),
                        derivative.reshape(derivative.shape().toArray())));
            }
            gradients = new GradientCache(cut(found, geometry));
        }
        return new RunResult(
                results.outputs().get(StandardNames.LOGITS),
                perToken,
                loss,
                residual,
                cut(observed, geometry),
                gradients,
                results.outputs().get(Derivatives.METRIC));
    }

    /** A cache of what was found, at the positions that are wanted. */
    private ActivationCache cut(Map<String, Tensor> found, Geometry geometry) {
        ActivationCache cache = new ActivationCache(model, found, true, new RealPositions(geometry.mask()));
        if (request.observedPositions().isPresent()) {
            try (ActivationCache whole = cache) {
                cache = whole.slicePositions(request.observedPositions().get());
            }
        }
        return cache;
    }
}
