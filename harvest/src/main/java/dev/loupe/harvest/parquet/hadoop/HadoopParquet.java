package dev.loupe.harvest.parquet.hadoop;

import com.google.auto.service.AutoService;
import dev.loupe.harvest.parquet.ParquetSupport;
import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.harvest.source.DocumentSource;
import java.nio.file.Path;
import org.apiguardian.api.API;

/** Parquet by way of Hadoop's client. */
@AutoService(ParquetSupport.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class HadoopParquet implements ParquetSupport {

    /** For {@link java.util.ServiceLoader}. */
    public HadoopParquet() {}

    @Override
    public DocumentSource column(Path file, String column) {
        return new ParquetSource(file, column);
    }

    @Override
    public ShardSink shards() {
        return new ParquetSink();
    }
}
