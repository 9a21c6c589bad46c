package dev.loupe.model;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * Keys and values of positions that were run before, so that a run on the next ones needn't repeat them. A run that
 * is given one made by {@link HookedTransformer#newKeyValueCache} extends it; a {@linkplain #freeze frozen} one it only
 * reads. One that is extended is not safe for several threads.
 *
 * <p>Keys are kept as they left {@code hook_k}, before rotation.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class KeyValueCache implements AutoCloseable {

    private volatile boolean frozen;

    /** Whether keys and values are this cache's to free, rather than those of whoever gave them. */
    private boolean owned;

    private SortedMap<Integer, Tensor> keys = new TreeMap<>();
    private SortedMap<Integer, Tensor> values = new TreeMap<>();
    private boolean[][] mask;

    /** Which tokens stand there, for those who look for one. */
    private long[][] ids;

    KeyValueCache(TransformerConfig config, DType dtype, int batch, TensorFactory factory) {
        this.owned = true;
        this.mask = new boolean[batch][0];
        this.ids = new long[batch][0];
        for (int layer = 0; layer < config.nLayers(); layer++) {
            long[] empty = {batch, 0, config.nKeyValueHeads(), config.dHead()};
            keys.put(layer, factory.zeros(dtype, empty));
            values.put(layer, factory.zeros(dtype, empty));
        }
    }

    private KeyValueCache(boolean[][] mask, Map<Integer, Tensor> keys, Map<Integer, Tensor> values) {
        this.frozen = true;
        this.mask = mask;
        this.ids = Geometry.unknown(mask.length, mask[0].length);
        this.keys.putAll(keys);
        this.values.putAll(values);
    }

    /**
     * What earlier runs recorded at {@code hook_k} and {@code hook_v}, for runs that go on from there, with the residual
     * stream of later positions fed at some layer, say. It needs the layers that these runs pass, and is not extended.
     *
     * @param mask which of the earlier positions hold real tokens, [batch][positions]
     * @param keys by layer, [batch, positions, kv_heads, d_head]
     * @param values likewise
     * @throws IllegalArgumentException if they aren't of the same layers, or a shape doesn't fit the mask
     */
    public static KeyValueCache frozen(boolean[][] mask, Map<Integer, Tensor> keys, Map<Integer, Tensor> values) {
        if (mask.length == 0) {
            throw new IllegalArgumentException("The mask of a key/value cache has no rows");
        }
        SortedSet<Integer> layers = new TreeSet<>(keys.keySet());
        if (!layers.equals(values.keySet())) {
            throw new IllegalArgumentException("A key/value cache was given keys of the layers " + layers
                    + " and values of " + new TreeSet<>(values.keySet()));
        }
        for (Map<Integer, Tensor> parts : List.of(keys, values)) {
            parts.forEach((layer, tensor) -> {
                if (tensor.rank() != 4 || tensor.size(0) != mask.length || tensor.size(1) != mask[0].length) {
                    throw new IllegalArgumentException("Keys and values of layer " + layer + " should be ["
                            + mask.length + ", " + mask[0].length + ", kv_heads, d_head], as the mask says; found "
                            + tensor.shape());
                }
            });
        }
        boolean[][] copy = new boolean[mask.length][];
        Arrays.setAll(copy, row -> mask[row].clone());
        return new KeyValueCache(copy, keys, values);
    }

    /**
     * From now on runs only read it: each goes on from the positions that it has now. The original's {@code freeze}.
     *
     * <pre>{@code
     * KeyValueCache prefix = model.newKeyValueCache(1);
     * model.run(RunRequest.of(promptTokens).keyValueCache(prefix).build());
     * prefix.freeze(); // and then any number of continuations
     * }</pre>
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public void freeze() {
        frozen = true;
    }

    /** From now on runs extend it again, and need all its layers. */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public void unfreeze() {
        frozen = false;
    }

    /** Whether runs only read it. */
    public boolean isFrozen() {
        return frozen;
    }

    /** Number of sequences. */
    public int batch() {
        return mask.length;
    }

    /** Number of positions so far, padding included. */
    public int positions() {
        return mask[0].length;
    }

    /** The layers that it has keys and values of. */
    public SortedSet<Integer> layers() {
        return new TreeSet<>(keys.keySet());
    }

    /**
     * Keys of a layer [batch, positions, kv_heads, d_head], before rotation.
     *
     * @throws IllegalArgumentException if it has none of that layer
     */
    public Tensor keys(int layer) {
        return of(keys, layer);
    }

    /**
     * Values of a layer [batch, positions, kv_heads, d_head].
     *
     * @throws IllegalArgumentException if it has none of that layer
     */
    public Tensor values(int layer) {
        return of(values, layer);
    }

    private static Tensor of(SortedMap<Integer, Tensor> parts, int layer) {
        Tensor part = parts.get(layer);
        if (part == null) {
            throw new IllegalArgumentException(
                    "This key/value cache has the layers " + parts.keySet() + ", not " + layer);
        }
        return part;
    }

    /** The mask with that of new positions behind it. */
    boolean[][] maskWith(boolean[][] next) {
        requireBatch(next.length);
        boolean[][] joined = new boolean[mask.length][];
        for (int i = 0; i < joined.length; i++) {
            joined[i] = Arrays.copyOf(mask[i], mask[i].length + next[i].length);
            System.arraycopy(next[i], 0, joined[i], mask[i].length, next[i].length);
        }
        return joined;
    }

    /** The tokens with those of new positions behind them. */
    long[][] idsWith(long[][] next) {
        requireBatch(next.length);
        long[][] joined = new long[ids.length][];
        for (int i = 0; i < joined.length; i++) {
            joined[i] = Arrays.copyOf(ids[i], ids[i].length + next[i].length);
            System.arraycopy(next[i], 0, joined[i], ids[i].length, next[i].length);
        }
        return joined;
    }

    private void requireBatch(int batch) {
        if (batch != mask.length) {
            throw new IllegalArgumentException(
                    "The key/value cache was made for a batch of " + mask.length + ", the run has a batch of " + batch);
        }
    }

    void replace(
            SortedMap<Integer, Tensor> newKeys,
            SortedMap<Integer, Tensor> newValues,
            boolean[][] newMask,
            long[][] newIds) {
        if (owned) {
            close();
        }
        owned = true;
        keys = newKeys;
        values = newValues;
        mask = newMask;
        ids = newIds;
    }

    /** Frees keys and values. */
    @Override
    public void close() {
        List<Tensor> all = new ArrayList<>(keys.values());
        all.addAll(values.values());
        all.forEach(Tensor::close);
    }
}
