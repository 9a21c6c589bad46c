package dev.loupe.model;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Index;
import dev.loupe.array.Nearest;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.backend.Backend;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.Activations;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/**
 * Activations of a run by hook point, in the order in which the points fire; the original's {@code ActivationCache}.
 * Each is the value that flowed on, after all hooks. Immutable.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class ActivationCache implements Activations, AutoCloseable {

    private final HookedTransformer model;
    private final Map<String, Tensor> activations;
    private final boolean hasBatch;
    private final RealPositions real;

    /** A cache of a run, or of a part of one. */
    ActivationCache(HookedTransformer model, Map<String, Tensor> activations, boolean hasBatch, RealPositions real) {
        this.model = model;
        this.activations = Collections.unmodifiableMap(new LinkedHashMap<>(activations));
        this.hasBatch = hasBatch;
        this.real = real;
    }

    /** The model that ran. */
    public HookedTransformer model() {
        return model;
    }

    /** Whether activations have a batch axis. */
    public boolean hasBatchDim() {
        return hasBatch;
    }

    /** Number of activations. */
    public int size() {
        return activations.size();
    }

    /** Full names, in the order in which the points fire. */
    public Set<String> keys() {
        return activations.keySet();
    }

    /** Names and activations, in the order in which the points fire. */
    public Map<String, Tensor> items() {
        return activations;
    }

    /** Whether the cache has an activation, by full or short name. */
    public boolean has(String name) {
        if (activations.containsKey(name)) {
            return true;
        }
        try {
            return activations.containsKey(names().resolve(name).name());
        } catch (UnknownHookException e) {
            return false;
        }
    }

    /**
     * An activation by full or short name; a derivative, in a cache that has them, by its full name alone ({@code
     * blocks.0.hook_resid_pre_grad}).
     *
     * @throws UnknownHookException if the model has no such point
     * @throws IllegalStateException if it has, but the run didn't observe it
     */
    @Override
    public Tensor get(String name) {
        Tensor known = activations.get(name);
        return known == null ? find(names().resolve(name).name()) : known;
    }

    /**
     * An activation by short name and layer: {@code get("resid_post", 5)}; a negative layer counts from the end.
     *
     * @throws UnknownHookException if the model has no such point
     * @throws IllegalStateException if it has, but the run didn't observe it
     */
    public Tensor get(String shortName, int layer) {
        return find(names().resolve(shortName, layer).name());
    }

    /** An activation by short name, layer and part of the block: {@code get("scale", 3, "ln1")}. */
    public Tensor get(String shortName, int layer, String part) {
        return find(names().resolve(shortName, layer, part).name());
    }

    private HookNames names() {
        return model.hookNames();
    }

    private Tensor find(String fullName) {
        Tensor tensor = activations.get(fullName);
        if (tensor == null) {
            throw new IllegalStateException("This cache has no '" + fullName + "': the run observed "
                    + (activations.isEmpty()
                            ? "nothing"
                            : activations.size() + " points, the nearest of them "
                                    + Nearest.to(fullName, activations.keySet(), 3))
                    + ". Observe it with HookFilter.names(\"" + fullName + "\").");
        }
        return tensor;
    }

    /**
     * The same activations without the batch axis.
     *
     * @throws IllegalStateException if the batch isn't 1
     */
    public ActivationCache removeBatchDim() {
        if (!hasBatch) {
            return this;
        }
        for (Map.Entry<String, Tensor> entry : activations.entrySet()) {
            if (entry.getValue().size(0) != 1) {
                throw new IllegalStateException("The batch axis can be removed only from a batch of 1; '"
                        + entry.getKey() + "' is " + entry.getValue().shape());
            }
        }
        return new ActivationCache(model, transform(tensor -> tensor.squeeze(0)), false, real);
    }

    /** One sequence of the batch, its batch axis kept with size 1. */
    public ActivationCache batchRow(int row) {
        return batchSlice(new Index.One(row));
    }

    /**
     * Some sequences of the batch: the original's {@code apply_slice_to_batch_dim}. The batch axis is kept, with size 1 for
     * {@link Index.One} too; {@link #removeBatchDim} drops it.
     *
     * @throws IllegalStateException if this cache has no batch axis
     * @throws IndexOutOfBoundsException if there is no such sequence
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public ActivationCache batchSlice(Index rows) {
        if (!hasBatch) {
            throw new IllegalStateException("This cache has no batch axis");
        }
        Index kept = kept(rows);
        return new ActivationCache(model, transform(tensor -> tensor.get(kept)), true, real.rows(kept, model));
    }

    private static Index kept(Index index) {
        return index instanceof Index.One one ? Index.pick(one.position()) : index;
    }

    /**
     * Some positions of every activation; attention patterns and scores are cut along the query axis.
     *
     * @param positions the axis is kept, with size 1 for {@link Index.One} too, so that what reads the cache finds
     *     every axis where the points have it; one position counted from the end is that of each sequence's real tokens, so
     *     that −1 is the last real token in batches that are padded at the right too
     */
    public ActivationCache slicePositions(Index positions) {
        Map<String, Tensor> sliced = new LinkedHashMap<>();
        activations.forEach(
                (name, tensor) -> sliced.put(name, atPositions(tensor, positionAxis(name), kept(positions))));
        return new ActivationCache(model, sliced, hasBatch, real.positions(kept(positions), model));
    }

    private int positionAxis(String name) {
        return point(name).positionAxis() - (hasBatch ? 0 : 1);
    }

    /**
     * Chosen positions of something that has an entry for each position of this cache's run, and the batch in front if the
     * cache has it. As {@link Tensor#get}, but one position counted from the end is that of each sequence's real tokens: −1
     * is the last real token, whatever padding stands behind it.
     *
     * @param axis where the positions are; −1 for the last axis
     * @param positions the axis is dropped for {@link Index.One}
     * @throws IndexOutOfBoundsException if a sequence has no such position
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tensor atPositions(Tensor tensor, int axis, Index positions) {
        int place = axis < 0 ? axis + tensor.rank() : axis;
        boolean one = positions instanceof Index.One;
        long[] fromEnd = real.fromEnd(positions);
        if (fromEnd.length == 0) {
            Object[] indices = new Object[place + 1];
            Arrays.fill(indices, Index.all());
            indices[place] = positions;
            return tensor.get(indices);
        } else if (!hasBatch) {
            Tensor picked = tensor.pick(place, fromEnd[0]);
            return one ? picked.squeeze(place) : picked;
        } else if (tensor.size(0) != fromEnd.length) {
            throw new IllegalArgumentException("The cache is of a batch of " + fromEnd.length + ", but positions of "
                    + tensor.describe() + " were asked for");
        }
        List<Tensor> rows = new ArrayList<>();
        for (int row = 0; row < fromEnd.length; row++) {
            rows.add(tensor.pick(0, row).pick(place, fromEnd[row]));
        }
        Tensor picked = Tensor.concat(0, rows);
        return one ? picked.squeeze(place) : picked;
    }

    private HookPoint point(String fullName) {
        return names().either(fullName).orElseGet(() -> names().resolve(fullName));
    }

    /** Copies on another backend. */
    public ActivationCache to(Backend backend) {
        return new ActivationCache(model, transform(tensor -> tensor.to(backend)), hasBatch, real);
    }

    /**
     * Copies on another device of the same backend: {@code cache.to("cpu")}. What lies there already is in both caches.
     *
     * @param device {@code cpu}, {@code cuda} (the first one) or {@code cuda:N}
     * @throws dev.loupe.backend.BackendUnavailableException if the backend has no such device; names it
     */
    public ActivationCache to(String device) {
        return new ActivationCache(model, transform(tensor -> tensor.to(device)), hasBatch, real);
    }

    private Map<String, Tensor> transform(UnaryOperator<Tensor> function) {
        Map<String, Tensor> result = new LinkedHashMap<>();
        IdentityHashMap<Tensor, Tensor> done = new IdentityHashMap<>();
        activations.forEach((name, tensor) -> result.put(name, done.computeIfAbsent(tensor, function)));
        return result;
    }

    /** Writes every activation under its full name to a safetensors file. */
    public void save(Path file) {
        SafetensorsWriter writer = new SafetensorsWriter();
        writer.metadata("loupe.has_batch_dim", Boolean.toString(hasBatch));
        writer.metadata("loupe.model", model.config().modelName());
        if (real.hasPadding()) {
            writer.metadata("loupe.real_positions", real.toText());
        }
        activations.forEach((name, tensor) -> writer.add(name, tensor.dtype(), tensor.shape(), tensor::toHost));
        writer.write(file);
    }

    /**
     * Reads a cache that {@link #save} wrote.
     *
     * @param model the model that it came from
     * @throws UnknownHookException if the file has a name that the model doesn't have
     * @throws IllegalArgumentException if an activation hasn't as many axes as its point
     */
    public static ActivationCache load(Path file, HookedTransformer model) {
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            boolean hasBatch = !"false".equals(stored.metadata().get("loupe.has_batch_dim"));
            Map<String, Tensor> found = new LinkedHashMap<>();
            for (String name : stored.names()) {
                HookPoint point = model.hookNames()
                        .either(name)
                        .orElseGet(() -> model.hookNames().resolve(name));
                HostTensor values = stored.read(name);
                int axes = point.axes().size() - (hasBatch ? 0 : 1);
                if (values.shape().rank() != axes) {
                    throw new IllegalArgumentException(file + ": '" + name + "' is " + values.shape() + ", but "
                            + point.name() + " of '" + model.config().modelName() + "' has " + axes + " axes, "
                            + point.axes()
                                    .subList(hasBatch ? 0 : 1, point.axes().size())
                            + ": an axis was dropped, or another model made the file."
                            + " Keep positions as an axis of size 1.");
                }
                found.put(point.name(), model.tensors().of(values));
            }
            Map<String, Tensor> ordered = new LinkedHashMap<>();
            model.hookNames().points().forEach(point -> {
                Tensor tensor = found.get(point.name());
                if (tensor != null) {
                    ordered.put(point.name(), tensor);
                }
            });
            found.forEach(ordered::putIfAbsent);
            String text = stored.metadata().get("loupe.real_positions");
            return new ActivationCache(model, ordered, hasBatch, RealPositions.of(text, file));
        }
    }

    /** Frees every activation. */
    @Override
    public void close() {
        activations.values().forEach(Tensor::close);
    }

    @Override
    public String toString() {
        return "ActivationCache of " + model.config().modelName() + ": " + activations.size() + " activations";
    }
}
