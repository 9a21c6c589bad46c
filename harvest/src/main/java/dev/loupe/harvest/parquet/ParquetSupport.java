package dev.loupe.harvest.parquet;

import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.harvest.source.DocumentSource;
import java.nio.file.Path;
import org.apiguardian.api.API;

/** What reads and writes Parquet for {@link ParquetFiles}, found by {@link java.util.ServiceLoader}. */
@API(status = API.Status.INTERNAL, since = "0.1")
public interface ParquetSupport {

    /** A column as documents. */
    DocumentSource column(Path file, String column);

    /** Shards as files. */
    ShardSink shards();
}
