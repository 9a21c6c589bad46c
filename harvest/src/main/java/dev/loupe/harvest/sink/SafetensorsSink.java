package dev.loupe.harvest.sink;

import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.harvest.shard.Shard;
import java.nio.file.Path;
import org.apiguardian.api.API;

/**
 * A .safetensors file for each shard: {@code document} and {@code row} (int64), {@code position} and {@code token}
 * (int32), each [tokens], and every point under its full name, [tokens, …].
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SafetensorsSink implements ShardSink {

    @Override
    public String format() {
        return "safetensors";
    }

    @Override
    public String suffix() {
        return ".safetensors";
    }

    @Override
    public void write(Shard shard, Path file) {
        SafetensorsWriter writer = new SafetensorsWriter();
        writer.metadata("loupe.harvest.shard", Integer.toString(shard.number()));
        shard.arrays().forEach(writer::add);
        writer.write(file);
    }
}
