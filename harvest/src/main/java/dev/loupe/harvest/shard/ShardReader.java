package dev.loupe.harvest.shard;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.source.DocumentSource.Documents;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntConsumer;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Runs a model over documents, shard by shard. Where a shard ends depends on the rows alone, and a batch has rows of one
 * shard alone: so a shard's numbers are the same to the last bit wherever the harvest was begun.
 *
 * <p>At a time it has the memory of as many shards as haven't been closed, and of one batch.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ShardReader {

    /** Bytes of a shard, at most, if the job leaves the size open. */
    public static final long SHARD_BYTES = 64L << 20;

    /** Tokens of a shard, at most, if the job leaves the size open: what is computed again after a kill. */
    public static final long SHARD_TOKENS = 1L << 16;

    private final Layout layout;
    private final long shardTokens;
    private final RowReader rows;
    private final Batches batches;
    private final ConcurrentLinkedQueue<Map<String, HostTensor>> free = new ConcurrentLinkedQueue<>();

    private long left;
    private int number;
    private boolean ended;
    private @Nullable TokenRow ahead;

    /**
     * A reader.
     *
     * @param model the job's model, its dictionaries in it
     * @param documents opened at the cursor's document
     * @param from where to begin
     * @param number the number of the first shard
     * @param most how many tokens to give
     */
    public ShardReader(
            HookedTransformer model,
            HarvestJob job,
            Layout layout,
            Documents documents,
            Cursor from,
            int number,
            long most) {
        this.layout = layout;
        this.shardTokens = shardTokens(job, layout);
        this.rows = new RowReader(model, job, documents, from);
        this.batches = new Batches(model, job, layout);
        this.number = number;
        this.left = most;
    }

    /** Tokens of a shard of a job, at most. */
    public static long shardTokens(HarvestJob job, Layout layout) {
        return job.shardTokens() > 0
                ? job.shardTokens()
                : Math.max(1, Math.min(SHARD_TOKENS, SHARD_BYTES / layout.bytesPerToken()));
    }

    /** Whether the source has come to its end. */
    public boolean isEnded() {
        return ended;
    }

    /** How much of the source has been read, between 0 and 1; NaN if that isn't known. */
    public double fraction() {
        return rows.fraction();
    }

    /**
     * The next shard; null at the end.
     *
     * @param progress is told how many tokens were computed since it was told last
     * @throws IOException if the source can't be read; the message says why
     */
    public @Nullable Shard next(IntConsumer progress) throws IOException {
        List<TokenRow> chosen = new ArrayList<>();
        long count = 0;
        boolean whole = true;
        while (left > 0) {
            TokenRow row = ahead == null ? rows.next() : ahead;
            ahead = null;
            if (row == null) {
                ended = true;
                break;
            }
            if (row.kept() == 0) {
                continue;
            }
            if (count > 0 && count + row.kept() > shardTokens) {
                ahead = row;
                break;
            }
            if (row.kept() > left) {
                row = row.keeping((int) left);
            }
            chosen.add(row);
            count += row.kept();
            left -= row.kept();
            // With one token more the shard might have gone on.
            whole = left > 0;
            if (count > Integer.MAX_VALUE - Integer.MAX_VALUE / 4) {
                break;
            }
        }
        if (chosen.isEmpty()) {
            return null;
        }
        Map<String, HostTensor> room = room(count);
        Shard shard = new Shard(number++, layout, chosen, whole, room, free::add);
        try {
            batches.run(shard, progress);
        } catch (RuntimeException | Error e) {
            shard.close();
            throw e;
        }
        return shard;
    }

    private Map<String, HostTensor> room(long count) {
        Map<String, HostTensor> known = free.poll();
        if (known != null && known.values().iterator().next().shape().size(0) >= count) {
            return known;
        }
        Map<String, HostTensor> fresh = new LinkedHashMap<>();
        for (Layout.Point point : layout.points()) {
            fresh.put(point.name(), Layout.room(point, Math.max(1, count)));
        }
        return fresh;
    }
}
