package dev.loupe.analysis.patching;

import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.KeyValueCache;
import dev.loupe.model.RunRequest;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * The run that others differ from: its activations where they start, and keys and values of the positions that they
 * leave as they are.
 */
final class BaseRun implements AutoCloseable {

    private final HookedTransformer model;
    private final Tokens tokens;
    private final Continuations continuations;
    private final ActivationCache cache;
    private final boolean keepsKeys;

    private BaseRun(
            HookedTransformer model,
            Tokens tokens,
            Continuations continuations,
            ActivationCache cache,
            boolean keepsKeys) {
        this.model = model;
        this.tokens = tokens;
        this.continuations = continuations;
        this.cache = cache;
        this.keepsKeys = keepsKeys;
    }

    /**
     * Makes the run.
     *
     * @param points names of the points that other runs start from
     * @param firstLayer the first whose keys and values are kept; the number of layers for none
     */
    static BaseRun of(
            HookedTransformer model,
            Tokens tokens,
            Continuations continuations,
            Collection<String> points,
            int firstLayer) {
        HookNames names = model.hookNames();
        Set<String> observed = new LinkedHashSet<>(points);
        int layers = model.config().nLayers();
        boolean known = true;
        Set<String> keysAndValues = new LinkedHashSet<>();
        for (int layer = firstLayer; layer < layers; layer++) {
            for (String name : new String[] {keys(layer), values(layer)}) {
                known &= names.has(name);
                keysAndValues.add(name);
            }
        }
        known &= names.has(residPre(layers - 1));
        if (known) {
            observed.addAll(keysAndValues);
        }
        return new BaseRun(
                model, tokens, continuations, observe(model, tokens, observed), known && firstLayer < layers);
    }

    static ActivationCache observe(HookedTransformer model, Tokens tokens, Collection<String> names) {
        RunRequest request = RunRequest.of(tokens)
                .observe(names.toArray(new String[0]))
                .returns(RunRequest.Returns.NONE)
                .build();
        return model.run(request).cache();
    }

    static String keys(int layer) {
        return "blocks." + layer + ".attn.hook_k";
    }

    static String values(int layer) {
        return "blocks." + layer + ".attn.hook_v";
    }

    static String residPre(int layer) {
        return "blocks." + layer + ".hook_resid_pre";
    }

    /** Whether other runs can start behind the first position. */
    boolean keepsKeys() {
        return keepsKeys;
    }

    ActivationCache cache() {
        return cache;
    }

    /** The batch from a position on, {@code count} times over. */
    Tokens tokens(int start, int count) {
        return repeat(tokens, start, tokens.positions(), count);
    }

    /** An activation as it enters runs that begin at a position. */
    Tensor from(String point, int start, int count) {
        return repeat(from(cache.get(point), point, start), count);
    }

    /** The part of an activation that enters runs that begin at a position. */
    Tensor from(Tensor activation, String name, int start) {
        HookPoint point = model.hookNames().resolve(name);
        int axis = point.positionAxis();
        return start == 0 || continuations.spansPast(point)
                ? activation
                : activation.slice(axis, start, activation.size(axis));
    }

    /** Keys and values of the positions before a position, of all layers from one on. */
    KeyValueCache past(int layer, int end, int count) {
        Map<Integer, Tensor> keys = new HashMap<>();
        Map<Integer, Tensor> values = new HashMap<>();
        for (int at = layer; at < model.config().nLayers(); at++) {
            keys.put(at, repeat(cache.get(keys(at)).slice(1, 0, end), count));
            values.put(at, repeat(cache.get(values(at)).slice(1, 0, end), count));
        }
        return KeyValueCache.frozen(mask(end, count), keys, values);
    }

    /** Which positions before one are real, {@code count} times over. */
    boolean[][] mask(int end, int count) {
        boolean[][] one = tokens.mask();
        boolean[][] mask = new boolean[one.length * count][];
        Arrays.setAll(mask, row -> Arrays.copyOf(one[row % one.length], end));
        return mask;
    }

    /** The batch, {@code count} times over. */
    static Tokens repeat(Tokens tokens, int count) {
        return repeat(tokens, 0, tokens.positions(), count);
    }

    private static Tokens repeat(Tokens tokens, int start, int end, int count) {
        long[][] oneIds = tokens.ids();
        boolean[][] oneMask = tokens.mask();
        long[][] ids = new long[tokens.batch() * count][];
        boolean[][] mask = new boolean[ids.length][];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = Arrays.copyOfRange(oneIds[i % oneIds.length], start, end);
            mask[i] = Arrays.copyOfRange(oneMask[i % oneIds.length], start, end);
        }
        return Tokens.of(ids, mask);
    }

    /** The batch, {@code count} times over. */
    static Tensor repeat(Tensor tensor, int count) {
        if (count == 1) {
            return tensor;
        }
        Tensor row = tensor.unsqueeze(0);
        long[] sizes = row.shape().toArray();
        sizes[0] = count;
        return row.expand(sizes).mergeAxes(0, 2);
    }

    @Override
    public void close() {
        cache.close();
    }
}
