package dev.loupe.harvest.parquet;

import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.harvest.source.DocumentSource;
import java.nio.file.Path;
import java.util.ServiceLoader;
import org.apiguardian.api.API;

/** Parquet files, as shards and as data sets. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ParquetFiles {

    private ParquetFiles() {}

    /**
     * A column with texts, or with lists of token ids; a document's number is that of its record, from 0.
     *
     * @throws IllegalStateException if the libraries for Parquet aren't on the class path; says which
     */
    public static DocumentSource column(Path file, String column) {
        return support().column(file, column);
    }

    /**
     * Shards as Parquet files: a record for each token, with {@code document} and {@code row} (int64), {@code position} and
     * {@code token} (int32), and for each point a list of its numbers in a column of its name. Numbers of 16 bits are
     * written as the float32 that they are; the shapes stand in the file's metadata.
     *
     * @throws IllegalStateException if the libraries for Parquet aren't on the class path; says which
     */
    public static ShardSink shards() {
        return support().shards();
    }

    private static ParquetSupport support() {
        ClassLoader loader = ParquetFiles.class.getClassLoader();
        try {
            Class.forName("org.apache.parquet.hadoop.ParquetWriter", false, loader);
            Class.forName("org.apache.hadoop.conf.Configuration", false, loader);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(
                    "Parquet needs more on the class path: org.apache.parquet:parquet-hadoop,"
                            + " org.apache.hadoop:hadoop-client-api and hadoop-client-runtime",
                    e);
        }
        return ServiceLoader.load(ParquetSupport.class, loader)
                .findFirst()
                .orElseThrow(
                        () -> new IllegalStateException(
                                "This loupe-harvest was built without Parquet (-Dparquet=later): build it with"
                                        + " -Dparquet=now, as ./loupe does where a file *.parquet or --format parquet is said"));
    }
}
