package dev.loupe.model;

import dev.loupe.tensor.DType;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Keys and values of positions that were run before, so that a run on the next ones needn't repeat them. A run that
 * is given one extends it. Made by {@link HookedTransformer#newKeyValueCache}; not safe for several threads.
 *
 * <p>Keys are kept as they left {@code hook_k}, before rotation.
 */
public final class KeyValueCache implements AutoCloseable {

    private final int batch;
    private List<Tensor> keys;
    private List<Tensor> values;
    private boolean[][] mask;

    KeyValueCache(TransformerConfig config, DType dtype, int batch, TensorFactory factory) {
        this.batch = batch;
        this.keys = new ArrayList<>();
        this.values = new ArrayList<>();
        this.mask = new boolean[batch][0];
        for (int layer = 0; layer < config.nLayers(); layer++) {
            long[] empty = {batch, 0, config.nKeyValueHeads(), config.dHead()};
            keys.add(factory.zeros(dtype, empty));
            values.add(factory.zeros(dtype, empty));
        }
    }

    /** Number of sequences. */
    public int batch() {
        return batch;
    }

    /** Number of positions so far, padding included. */
    public int positions() {
        return mask[0].length;
    }

    /** Keys of a layer [batch, positions, kv_heads, d_head], before rotation. */
    public Tensor keys(int layer) {
        return keys.get(layer);
    }

    /** Values of a layer [batch, positions, kv_heads, d_head]. */
    public Tensor values(int layer) {
        return values.get(layer);
    }

    int layers() {
        return keys.size();
    }

    /** Which positions hold real tokens, [batch][positions]. */
    boolean[][] mask() {
        return mask;
    }

    /** The mask with that of new positions behind it. */
    boolean[][] maskWith(boolean[][] next) {
        boolean[][] joined = new boolean[batch][];
        for (int i = 0; i < batch; i++) {
            joined[i] = Arrays.copyOf(mask[i], mask[i].length + next[i].length);
            System.arraycopy(next[i], 0, joined[i], mask[i].length, next[i].length);
        }
        return joined;
    }

    void replace(List<Tensor> newKeys, List<Tensor> newValues, boolean[][] newMask) {
        close();
        keys = newKeys;
        values = newValues;
        mask = newMask;
    }

    /** Frees keys and values. */
    @Override
    public void close() {
        keys.forEach(Tensor::close);
        values.forEach(Tensor::close);
    }
}
