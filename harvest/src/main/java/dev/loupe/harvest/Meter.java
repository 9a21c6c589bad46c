package dev.loupe.harvest;

import dev.loupe.harvest.shard.ShardReader;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Measures a harvest's pace. */
final class Meter {

    private final long before;
    private final long most;
    private final ShardReader shards;
    private final HarvestListener listener;
    private final long begun = System.nanoTime();
    private final double readBefore;
    private long tokens;

    Meter(long before, long most, ShardReader shards, HarvestListener listener) {
        this.before = before;
        this.most = most;
        this.shards = shards;
        this.listener = listener;
        this.readBefore = shards.fraction();
    }

    void computed(int count) {
        tokens += count;
        double seconds = Math.max(1e-9, (System.nanoTime() - begun) / 1e9);
        double read = shards.fraction();
        double ofMost = most == Long.MAX_VALUE ? Double.NaN : (double) (before + tokens) / most;
        // The source may end before there are so many tokens.
        double fraction = Double.isNaN(ofMost) ? read : Double.isNaN(read) ? ofMost : Math.max(ofMost, read);
        double start = fraction == ofMost ? (double) before / most : readBefore;
        listener.progress(
                new HarvestProgress(before + tokens, fraction, tokens / seconds, left(fraction, start, seconds)));
    }

    private static @Nullable Duration left(double fraction, double start, double seconds) {
        return Double.isNaN(fraction) || fraction <= start
                ? null
                : Duration.ofMillis((long) (1000 * seconds * (1 - fraction) / (fraction - start)));
    }
}
