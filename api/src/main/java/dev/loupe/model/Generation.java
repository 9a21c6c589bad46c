package dev.loupe.model;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Texts in the making: each {@link #next} runs the model once and gives the next token of every sequence. Made by
 * {@link HookedTransformer#stream(Tokens, GenerateOptions)}; not safe for several threads.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Generation implements Iterator<long[]>, AutoCloseable {

    /** Where embeddings of tokens leave the embedding, before positions are added. */
    private static final String EMBEDDINGS = "hook_embed";

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

    /** What the next run reads: tokens, or what was embedded. */
    private @Nullable Tokens pending;

    private @Nullable Tensor embedded;
    private boolean ownsEmbedded;
    private double @Nullable [][] lastLogits;
    private int steps;

    /**
     * What ends a sequence.
     *
     * @param ids the tokens that do
     * @param filler what stands behind the end
     */
    record Ends(Set<Long> ids, long filler) {}

    private Generation(HookedTransformer model, int batch, int longest, GenerateOptions options, Ends ends) {
        this.model = model;
        this.options = options;
        this.sampler = options.sampling().sampler();
        this.filler = ends.filler();
        this.ends = options.stopAtEos() ? ends.ids() : Set.of();
        this.counts = new int[batch][model.config().dVocab()];
        for (int row = 0; row < batch; row++) {
            rows.add(new ArrayList<>());
        }
        int limit = model.config().nCtx();
        if (longest + (long) options.maxNewTokens() > limit) {
            throw new IllegalArgumentException("The context is too long: " + longest + " tokens of prompt and "
                    + options.maxNewTokens() + " new ones, but n_ctx of '"
                    + model.config().modelName() + "' is " + limit);
        }
        this.finished = new boolean[batch];
        // The last token is made, but never run.
        state.put(Reach.class.getName(), new Reach(longest + options.maxNewTokens() - 1L));
        this.cache = options.useKeyValueCache() ? model.newKeyValueCache(batch) : null;
    }

    /** Texts that go on from tokens. */
    static Generation of(HookedTransformer model, Tokens prompt, GenerateOptions options, Ends ends) {
        List<long[]> real = new ArrayList<>();
        int longest = 0;
        for (int row = 0; row < prompt.batch(); row++) {
            long[] tokens = prompt.realTokens(row);
            longest = Math.max(longest, tokens.length);
            for (int sample = 0; sample < options.samples(); sample++) {
                real.add(tokens);
            }
        }
        Generation generation = new Generation(model, real.size(), longest, options, ends);
        for (int row = 0; row < real.size(); row++) {
            for (long id : real.get(row)) {
                generation.rows.get(row).add(id);
                if (id >= 0 && id < generation.counts[row].length) {
                    generation.counts[row][(int) id]++;
                }
            }
        }
        generation.pending = Tokens.pad(real, ends.filler(), true);
        return generation;
    }

    /** Texts that go on from embeddings [batch, pos, d_model]. */
    static Generation of(HookedTransformer model, Tensor embeddings, GenerateOptions options, Ends ends) {
        if (embeddings.rank() != 3 || embeddings.size(2) != model.config().dModel()) {
            throw new IllegalArgumentException("Embeddings to start from should be [batch, pos, d_model], d_model "
                    + model.config().dModel() + "; found " + embeddings.describe());
        } else if (embeddings.size(0) == 0 || embeddings.size(1) == 0) {
            throw new IllegalArgumentException("The prompt is empty: embeddings " + embeddings.shape());
        }
        int batch = Math.toIntExact(embeddings.size(0) * options.samples());
        Generation generation = new Generation(model, batch, Math.toIntExact(embeddings.size(1)), options, ends);
        generation.embedded = embeddings;
        if (options.samples() > 1) {
            long[] repeated = new long[batch];
            Arrays.setAll(repeated, row -> row / options.samples());
            generation.embedded = embeddings.pick(0, repeated);
            generation.ownsEmbedded = true;
        }
        return generation;
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
        double[][] logits = run();
        lastLogits = logits;
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
        goOn(chosen);
        return chosen;
    }

    private double[][] run() {
        RunRequest.Builder request = pending != null
                ? RunRequest.of(pending)
                : RunRequest.builder().feed(EMBEDDINGS, Objects.requireNonNull(embedded));
        request.logitsAt(-1)
                .returns(Returns.LOGITS)
                .keyValueCache(cache)
                .hooks(options.hooks())
                .state(state);
        try (RunResult result = model.run(request.build())) {
            double[] flat = result.logits().toDoubleArray();
            int width = flat.length / rows.size();
            double[][] split = new double[rows.size()][];
            Arrays.setAll(split, row -> Arrays.copyOfRange(flat, row * width, (row + 1) * width));
            return split;
        }
    }

    private void goOn(long[] chosen) {
        long[][] ids = new long[chosen.length][];
        Arrays.setAll(ids, row -> new long[] {chosen[row]});
        Tokens column = Tokens.of(ids);
        if (cache != null) {
            forgetEmbedded();
            pending = column;
        } else if (pending != null) {
            pending = grown(pending, chosen);
        } else {
            Tensor before = Objects.requireNonNull(embedded);
            try (RunResult result = model.run(RunRequest.of(column)
                    .observe(EMBEDDINGS)
                    .returns(Returns.NONE)
                    .modelHooks(false)
                    .build())) {
                Tensor grown = Tensor.concat(1, before, result.cache().get(EMBEDDINGS));
                forgetEmbedded();
                embedded = grown;
                ownsEmbedded = true;
            }
        }
    }

    private void forgetEmbedded() {
        if (ownsEmbedded && embedded != null) {
            embedded.close();
        }
        embedded = null;
        ownsEmbedded = false;
    }

    private static Tokens grown(Tokens before, long[] chosen) {
        long[][] ids = before.ids();
        boolean[][] mask = before.mask();
        for (int row = 0; row < ids.length; row++) {
            ids[row] = Arrays.copyOf(ids[row], ids[row].length + 1);
            mask[row] = Arrays.copyOf(mask[row], mask[row].length + 1);
            ids[row][ids[row].length - 1] = chosen[row];
            mask[row][mask[row].length - 1] = true;
        }
        return Tokens.of(ids, mask);
    }

    /**
     * Prompt and new tokens of each sequence so far, without padding; of one that began with embeddings the new tokens
     * alone.
     */
    public List<long[]> tokens() {
        return rows.stream()
                .map(row -> row.stream().mapToLong(Long::longValue).toArray())
                .toList();
    }

    /**
     * The logits from which the last tokens were chosen, before temperature and penalties [batch, d_vocab].
     *
     * @throws IllegalStateException if no token has been chosen yet
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public Tensor logits() {
        double[][] last = lastLogits;
        if (last == null) {
            throw new IllegalStateException("No token has been chosen yet: call next() first");
        }
        HostTensor host = HostTensor.allocate(model.dtype(), Shape.of(last.length, last[0].length));
        for (int row = 0; row < last.length; row++) {
            for (int i = 0; i < last[row].length; i++) {
                host.setDouble((long) row * last[row].length + i, last[row][i]);
            }
        }
        return model.tensors().of(host);
    }

    /** Logits of no token [batch, 0, d_vocab]. */
    Tensor noLogits() {
        return model.tensors()
                .zeros(model.dtype(), rows.size(), 0, model.config().dVocab());
    }

    /** Frees the key/value cache. */
    @Override
    public void close() {
        forgetEmbedded();
        if (cache != null) {
            cache.close();
        }
    }
}
