package dev.loupe.harvest;

import org.apiguardian.api.API;

/** Is told how a harvest goes on. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface HarvestListener {

    /** Called by the harvest's own thread before the first shard is computed. */
    default void begun(HarvestPlan plan) {}

    /** Called by the harvest's own thread after each batch. */
    default void progress(HarvestProgress progress) {}

    /** Called by the thread that writes, when a shard stands in the index: from then on it isn't lost. */
    default void written(HarvestIndex.Entry shard) {}

    /** Hears of nothing. */
    static HarvestListener none() {
        return new HarvestListener() {};
    }
}
