package dev.loupe.model;

import dev.loupe.array.Index;
import dev.loupe.backend.Backend;
import dev.loupe.hook.Activations;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Derivatives of a metric with respect to what leaves hook points, by hook point, in the order in which the points fire
 * going forward. Each has the shape and data type of its point. Names are those of {@link ActivationCache}: full or
 * short. A point that the metric doesn't depend on has zeros. Immutable.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class GradientCache implements Activations, AutoCloseable {

    private final ActivationCache derivatives;

    GradientCache(ActivationCache derivatives) {
        this.derivatives = derivatives;
    }

    /** The model that ran. */
    public HookedTransformer model() {
        return derivatives.model();
    }

    /** Whether derivatives have a batch axis. */
    public boolean hasBatchDim() {
        return derivatives.hasBatchDim();
    }

    /** Number of derivatives. */
    public int size() {
        return derivatives.size();
    }

    /** Full names of the points, in the order in which they fire going forward. */
    public Set<String> keys() {
        return derivatives.keys();
    }

    /** Full names of points and the derivatives there, in the order in which the points fire going forward. */
    public Map<String, Tensor> items() {
        return derivatives.items();
    }

    /** Whether there is a derivative at a point, by full or short name. */
    public boolean has(String name) {
        return derivatives.has(name);
    }

    /**
     * The derivative with respect to what leaves a point, by full or short name.
     *
     * @throws dev.loupe.graph.UnknownHookException if the model has no such point
     * @throws IllegalStateException if it has, but the run wasn't asked for the derivative there
     */
    @Override
    public Tensor get(String name) {
        return derivatives.get(name);
    }

    /** A derivative by short name and layer: {@code get("resid_post", 5)}; a negative layer counts from the end. */
    public Tensor get(String shortName, int layer) {
        return derivatives.get(shortName, layer);
    }

    /** A derivative by short name, layer and part of the block: {@code get("scale", 3, "ln1")}. */
    public Tensor get(String shortName, int layer, String part) {
        return derivatives.get(shortName, layer, part);
    }

    /**
     * The same derivatives without the batch axis.
     *
     * @throws IllegalStateException if the batch isn't 1
     */
    public GradientCache removeBatchDim() {
        return new GradientCache(derivatives.removeBatchDim());
    }

    /** One sequence of the batch, its batch axis kept with size 1. */
    public GradientCache batchRow(int row) {
        return new GradientCache(derivatives.batchRow(row));
    }

    /** Some positions of every derivative; those of attention patterns and scores are cut along the query axis. */
    public GradientCache slicePositions(Index positions) {
        return new GradientCache(derivatives.slicePositions(positions));
    }

    /** Copies on another backend. */
    public GradientCache to(Backend backend) {
        return new GradientCache(derivatives.to(backend));
    }

    /**
     * Copies on another device of the same backend: {@code gradients.to("cpu")}.
     *
     * @throws dev.loupe.backend.BackendUnavailableException if the backend has no such device; names it
     */
    public GradientCache to(String device) {
        return new GradientCache(derivatives.to(device));
    }

    /** Writes every derivative under its point's full name to a safetensors file. */
    public void save(Path file) {
        derivatives.save(file);
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @param model the model that it came from
     * @throws dev.loupe.graph.UnknownHookException if the file has a name that the model doesn't have
     */
    public static GradientCache load(Path file, HookedTransformer model) {
        return new GradientCache(ActivationCache.load(file, model));
    }

    /** Frees every derivative. */
    @Override
    public void close() {
        derivatives.close();
    }

    @Override
    public String toString() {
        return "GradientCache of " + model().config().modelName() + ": " + size() + " derivatives";
    }
}
