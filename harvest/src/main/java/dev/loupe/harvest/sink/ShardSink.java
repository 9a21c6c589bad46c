package dev.loupe.harvest.sink;

import dev.loupe.harvest.shard.Shard;
import java.nio.file.Path;
import org.apiguardian.api.API;

/**
 * Writes shards to files. It is called by one thread, one shard after the other, and again for the same shard if the
 * harvest was interrupted before the shard was entered in the index.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface ShardSink {

    /** What tells the format from others in the index: {@code safetensors}. */
    String format();

    /** What the files' names end in, with the dot. */
    String suffix();

    /**
     * Writes a shard: the file is there as a whole when this returns, and isn't there as a part at any time.
     *
     * @param file where; is replaced if it is there
     * @throws java.io.UncheckedIOException if it can't be written
     */
    void write(Shard shard, Path file);
}
