package dev.loupe.harvest.reduce;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.shard.Shard;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Makes something small of activations while they pass. What it knows so far can be taken out as arrays and put in again:
 * so a harvest goes on after it was interrupted, and parts that were harvested apart are put together.
 *
 * <p>It is called by one thread, shard by shard, in the order of the data set.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface Reducer {

    /** What tells it and its settings from others, and names its file: {@code top:10} becomes {@code top-10.safetensors}. */
    String id();

    /** Takes in a shard. */
    void accept(Shard shard);

    /** All that it knows, as arrays by name. */
    Map<String, HostTensor> save();

    /**
     * Takes in what another one {@linkplain #save saved} of later rows. Taken into a fresh one, it is as if this had seen
     * those rows itself, to the last bit.
     */
    void merge(Map<String, HostTensor> saved);

    /** What is written in the end; what it knows, unless it makes something else of that. */
    default Map<String, HostTensor> results() {
        return save();
    }
}
