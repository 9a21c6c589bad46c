package dev.loupe.model;

import dev.loupe.model.RunRequest.Returns;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A text in the making: each {@link #next} runs the model once and gives the next token of every sequence. Made by
 * {@link HookedTransformer#stream}; not safe for several threads.
 */
public final class Generation implements Iterator<long[]>, AutoCloseable {

    private final HookedTransformer model;
    private final GenerateOptions options;
    private final Sampler sampler;
    private final Set<Long> ends;
    private final long filler;
    private final List<List<Long>> rows = new ArrayList<>();
    private final int[][] counts;
    private final boolean[] finished;
    private final @Nullable KeyValueCache cache;
    private final Map<String, Object> state = new ConcurrentHashMap<>();
    private Tokens pending;
    private int steps;

    Generation(HookedTransformer model, Tokens prompt, GenerateOptions options, long filler, Set<Long> ends) {
        this.model = model;
        this.options = options;
        this.sampler = new Sampler(options);
        this.filler = filler;
        this.ends = options.stopAtEos() ? new HashSet<>(ends) : Set.of();
        int longest = 0;
        List<long[]> real = new ArrayList<>();
        counts = new int[prompt.batch()][model.config().dVocab()];
        for (int row = 0; row < prompt.batch(); row++) {
            long[] tokens = prompt.realTokens(row);
            real.add(tokens);
            longest = Math.max(longest, tokens.length);
            List<Long> list = new ArrayList<>();
            for (long id : tokens) {
                list.add(id);
                if (id >= 0 && id < counts[row].length) {
                    counts[row][(int) id]++;
                }
            }
            rows.add(list);
        }
        int limit = model.config().nCtx();
        if (longest + options.maxNewTokens() > limit) {
            throw new IllegalArgumentException("The context is too long: " + longest + " tokens of prompt and "
                    + options.maxNewTokens() + " new ones, but n_ctx of '"
                    + model.config().modelName() + "' is " + limit);
        }
        this.pending = Tokens.pad(real, filler, true);
        this.finished = new boolean[prompt.batch()];
        this.cache = options.useKeyValueCache() ? model.newKeyValueCache(prompt.batch()) : null;
    }

    /** Whether there are tokens to come: not all have been made, and not all sequences have ended. */
    @Override
    public boolean hasNext() {
        boolean open = false;
        for (boolean done : finished) {
            open |= !done;
        }
        return open && steps < options.maxNewTokens();
    }

    /** The next token of each sequence; EOS for those that have ended. */
    @Override
    public long[] next() {
        if (!hasNext()) {
            throw new NoSuchElementException("The generation has ended after " + steps + " tokens");
        }
        double[][] logits = lastLogits();
        long[] chosen = new long[rows.size()];
        for (int row = 0; row < chosen.length; row++) {
            if (finished[row]) {
                chosen[row] = filler;
            } else {
                chosen[row] = sampler.next(logits[row], counts[row]);
                counts[row][(int) chosen[row]]++;
                finished[row] = ends.contains(chosen[row]);
            }
            rows.get(row).add(chosen[row]);
        }
        steps++;
        pending = cache != null ? column(chosen) : grown(chosen);
        return chosen;
    }

    private double[][] lastLogits() {
        RunRequest request = RunRequest.of(pending)
                .logitsAt(-1)
                .returns(Returns.LOGITS)
                .keyValueCache(cache)
                .hooks(options.hooks())
                .state(state)
                .build();
        try (RunResult result = model.run(request);
                Tensor logits = result.logits()) {
            double[] flat = logits.toDoubleArray();
            int width = flat.length / rows.size();
            double[][] split = new double[rows.size()][];
            Arrays.setAll(split, row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width));
            return split;
        }
    }

    private static Tokens column(long[] chosen) {
        long[][] ids = new long[chosen.length][];
        Arrays.setAll(ids, row -> new long[] {chosen[row]});
        return Tokens.of(ids);
    }

    private Tokens grown(long[] chosen) {
        long[][] ids = pending.ids();
        boolean[][] mask = pending.mask();
        for (int row = 0; row < ids.length; row++) {
            ids[row] = Arrays.copyOf(ids[row], ids[row].length + 1);
            mask[row] = Arrays.copyOf(mask[row], mask[row].length + 1);
            ids[row][ids[row].length - 1] = chosen[row];
            mask[row][mask[row].length - 1] = true;
        }
        return Tokens.of(ids, mask);
    }

    /** Prompt and new tokens of each sequence so far, without padding. */
    public List<long[]> tokens() {
        return rows.stream()
                .map(row -> row.stream().mapToLong(Long::longValue).toArray())
                .toList();
    }

    /** Frees the key/value cache. */
    @Override
    public void close() {
        if (cache != null) {
            cache.close();
        }
    }
}
