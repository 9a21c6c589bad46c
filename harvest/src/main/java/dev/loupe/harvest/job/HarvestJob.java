package dev.loupe.harvest.job;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.dictionaries.Dictionaries;
import dev.loupe.dictionaries.SplicedDictionary;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.model.HookedTransformer;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What is to be harvested. A job is data: it goes through {@linkplain #toJson JSON} to another process or machine, and
 * two jobs are the same if their JSON is.
 *
 * @param model a bundled model, a directory, an alias or a repository on the Hub
 * @param options how it is loaded
 * @param dictionaries sparse autoencoders or transcoders spliced into it with their error term, so that their features
 *     can be harvested and everything else stays as it is
 * @param points names or patterns of hook points; optional ones as in {@link HookFilter#glob}
 * @param attention what is written of points with an axis of keys; null to refuse them
 * @param interventions what is changed while the model runs
 * @param packing how documents become rows
 * @param positions which positions of each row are kept
 * @param dtype the type in which activations are written
 * @param batchTokens tokens of a batch, padding included, at most; a longer row is a batch of its own
 * @param shardTokens tokens of a shard at most; 0 for 65,536, or as many as take 64 MiB. A longer row is a shard of its own
 * @param reducers what is made of the activations: {@code statistics}, {@code covariance}, {@code histogram:LOW:HIGH:BINS},
 *     {@code top:K}
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record HarvestJob(
        String model,
        LoadOptions options,
        List<String> dictionaries,
        List<String> points,
        @Nullable AttentionStatistic attention,
        List<Intervention> interventions,
        Packing packing,
        Positions positions,
        DType dtype,
        int batchTokens,
        long shardTokens,
        List<String> reducers) {

    /** Tokens of a batch unless told otherwise. */
    public static final int BATCH_TOKENS = 2048;

    /** Copies the lists and checks the numbers. */
    public HarvestJob {
        dictionaries = List.copyOf(dictionaries);
        points = List.copyOf(points);
        interventions = List.copyOf(interventions);
        reducers = List.copyOf(reducers);
        if (points.isEmpty()) {
            throw new IllegalArgumentException(
                    "A harvest needs hook points, by name or pattern: 'blocks.*.hook_resid_post'");
        }
        if (!dtype.isFloating()) {
            throw new IllegalArgumentException(
                    "Activations can't be written as " + dtype + "; take float32, float16, bfloat16 or float64");
        }
        if (batchTokens < 1 || shardTokens < 0) {
            throw new IllegalArgumentException("A batch needs 1 token or more (found " + batchTokens
                    + "), a shard too, or 0 for a size of Loupe's choice (found " + shardTokens + ")");
        }
        if (options.tokenizer() != null) {
            throw new IllegalArgumentException("A job is data, and a tokenizer given as an object isn't; harvest token"
                    + " ids, or a model directory that has the tokenizer in it");
        }
    }

    /** A job with everything else as it is by default: each document a row, all positions, float32. */
    public static HarvestJob of(String model, String... points) {
        return new HarvestJob(
                model,
                LoadOptions.defaults(),
                List.of(),
                Arrays.asList(points),
                null,
                List.of(),
                Packing.documents(),
                Positions.all(),
                DType.FLOAT32,
                BATCH_TOKENS,
                0,
                List.of());
    }

    /** The same job with the model loaded otherwise. */
    public HarvestJob withOptions(LoadOptions value) {
        Copy copy = new Copy(this);
        copy.options = value;
        return copy.job();
    }

    /** The same job with dictionaries spliced in. */
    public HarvestJob withDictionaries(List<String> value) {
        Copy copy = new Copy(this);
        copy.dictionaries = value;
        return copy.job();
    }

    /** The same job with a statistic of attention in the place of what has an axis of keys. */
    public HarvestJob withAttention(@Nullable AttentionStatistic value) {
        Copy copy = new Copy(this);
        copy.attention = value;
        return copy.job();
    }

    /** The same job with changes of activations. */
    public HarvestJob withInterventions(List<Intervention> value) {
        Copy copy = new Copy(this);
        copy.interventions = value;
        return copy.job();
    }

    /** The same job with documents packed otherwise. */
    public HarvestJob withPacking(Packing value) {
        Copy copy = new Copy(this);
        copy.packing = value;
        return copy.job();
    }

    /** The same job with other positions kept. */
    public HarvestJob withPositions(Positions value) {
        Copy copy = new Copy(this);
        copy.positions = value;
        return copy.job();
    }

    /** The same job written in another type. */
    public HarvestJob withDType(DType value) {
        Copy copy = new Copy(this);
        copy.dtype = value;
        return copy.job();
    }

    /** The same job with other batches and shards. */
    public HarvestJob withSizes(int tokensOfABatch, long tokensOfAShard) {
        Copy copy = new Copy(this);
        copy.batchTokens = tokensOfABatch;
        copy.shardTokens = tokensOfAShard;
        return copy.job();
    }

    /** The same job with reducers. */
    public HarvestJob withReducers(List<String> value) {
        Copy copy = new Copy(this);
        copy.reducers = value;
        return copy.job();
    }

    /**
     * Loads the model. Dictionaries and interventions aren't on it yet, see {@link #spliced}.
     *
     * @throws IllegalArgumentException if there is no such model, or it can't be understood
     */
    public HookedTransformer openModel() {
        return HookedTransformer.fromPretrained(model, options);
    }

    /** A model with the job's dictionaries in it, sharing everything with the one that is given; itself if there are none. */
    public HookedTransformer spliced(HookedTransformer loaded) {
        if (dictionaries.isEmpty()) {
            return loaded;
        }
        return loaded.with(dictionaries.stream()
                .map(name -> Dictionaries.load(name, null, options.listener())
                        .spliced()
                        .withErrorTerm())
                .toArray(SplicedDictionary[]::new));
    }

    /** Which points, as a filter. */
    public HookFilter filter() {
        return HookFilter.glob(String.join(",", points));
    }

    /**
     * The job as JSON, from which {@link #fromJson} makes it again.
     *
     * @throws IllegalStateException if an intervention can't be written: its action is a function, or a patch from memory
     */
    public String toJson() {
        return JobJson.write(this);
    }

    /**
     * Reads what {@link #toJson} wrote.
     *
     * @throws IllegalArgumentException if it is no job; says what is wrong
     */
    public static HarvestJob fromJson(String json) {
        return JobJson.read(json);
    }

    /** What tells the job from others: the SHA-256 of its JSON. */
    public String digest() {
        return JobJson.digest(this);
    }

    /** A job's parts, of which a method changes one. */
    private static final class Copy {
        private final HarvestJob from;
        private LoadOptions options;
        private List<String> dictionaries;
        private @Nullable AttentionStatistic attention;
        private List<Intervention> interventions;
        private Packing packing;
        private Positions positions;
        private DType dtype;
        private int batchTokens;
        private long shardTokens;
        private List<String> reducers;

        Copy(HarvestJob from) {
            this.from = from;
            options = from.options;
            dictionaries = from.dictionaries;
            attention = from.attention;
            interventions = from.interventions;
            packing = from.packing;
            positions = from.positions;
            dtype = from.dtype;
            batchTokens = from.batchTokens;
            shardTokens = from.shardTokens;
            reducers = from.reducers;
        }

        HarvestJob job() {
            return new HarvestJob(
                    from.model,
                    options,
                    dictionaries,
                    from.points,
                    attention,
                    interventions,
                    packing,
                    positions,
                    dtype,
                    batchTokens,
                    shardTokens,
                    reducers);
        }
    }
}
