package dev.loupe.harvest.spark;

import dev.loupe.harvest.HarvestIndex;
import dev.loupe.harvest.HarvestParts;
import dev.loupe.harvest.job.HarvestJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Runs a job over a {@code Dataset}. Each executor opens the model once, by its name; what goes over the network are
 * the job's text, documents and results. A partition is harvested by one task from its beginning, so it is what is done again when a task is
 * lost; give it the same records in the same order each time (files do; sort what comes from a shuffle).
 *
 * <pre>{@code
 * Dataset<Row> corpus = spark.read().parquet("…");
 * HarvestJob job = HarvestJob.of("gpt2-small", "blocks.6.hook_resid_post").withPacking(Packing.truncated(256));
 * SparkHarvest harvest = SparkHarvest.of(job, corpus, "text");
 * harvest.activations().write().parquet("…");   // as a Dataset
 * harvest.into(Path.of("/shared/harvest"));     // or as shards on a file system that all see
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class SparkHarvest {

    /**
     * What {@link #activations} has: a record for each token and point. {@code point} is the full name, {@code vector} the
     * point's numbers, head after head.
     */
    public static final StructType SCHEMA = new StructType()
            .add("point", DataTypes.StringType, false)
            .add("document", DataTypes.LongType, false)
            .add("row", DataTypes.LongType, false)
            .add("position", DataTypes.IntegerType, false)
            .add("token", DataTypes.IntegerType, false)
            .add("vector", DataTypes.createArrayType(DataTypes.FloatType, false), false);

    private static final int BITS_IN_PARTITION = 33;

    private final HarvestJob job;
    private final Dataset<Row> documents;
    private final Columns columns;
    private final boolean resume;
    private final boolean shards;

    private SparkHarvest(HarvestJob job, Dataset<Row> documents, Columns columns, boolean resume, boolean shards) {
        this.job = job;
        this.documents = documents;
        this.columns = columns;
        this.resume = resume;
        this.shards = shards;
    }

    /**
     * A harvest of a column.
     *
     * @param column texts, or arrays of token ids
     * @throws IllegalArgumentException if there is no such column, or it has something else
     */
    public static SparkHarvest of(HarvestJob job, Dataset<Row> documents, String column) {
        return of(job, documents, column, null);
    }

    /**
     * A harvest of a column, with documents numbered by another.
     *
     * @param id int or bigint; null to number documents by partition, as {@code monotonically_increasing_id} does
     */
    public static SparkHarvest of(HarvestJob job, Dataset<Row> documents, String column, @Nullable String id) {
        return new SparkHarvest(job, documents, Columns.of(documents.schema(), column, id), false, true);
    }

    /** The same, going on with what is in the folder: partitions that are there are compared, not harvested again. */
    public SparkHarvest resume(boolean value) {
        return new SparkHarvest(job, documents, columns, value, shards);
    }

    /** The same with shards or without: without, only the job's reducers are fed. */
    public SparkHarvest shards(boolean value) {
        return new SparkHarvest(job, documents, columns, resume, value);
    }

    /** The first number of a partition's documents and rows. */
    static long first(int partition) {
        return (long) partition << BITS_IN_PARTITION;
    }

    /** The activations, {@link #SCHEMA}; computed when they are asked for, and again each time unless they are kept. */
    public Dataset<Row> activations() {
        return documents.mapPartitions(new ActivationRows(job.toJson(), columns), Encoders.row(SCHEMA));
    }

    /**
     * Harvests into a folder that the driver and every executor see under this path. Each partition becomes a folder {@code
     * part-NNNNN} in it; {@code index.json}, written last, names all shards, and results of reducers lie beside it.
     *
     * @return what is in the folder then; {@link dev.loupe.harvest.HarvestedActivations} reads it
     * @throws IllegalArgumentException if something else is in the folder
     */
    public HarvestIndex into(Path folder) {
        Path absolute = folder.toAbsolutePath();
        JavaRDD<Row> records = documents.javaRDD();
        int partitions = records.getNumPartitions();
        List<Path> parts = new ArrayList<>();
        for (int i = 0; i < partitions; i++) {
            parts.add(absolute.resolve(PartHarvest.name(i)));
        }
        try {
            HarvestParts.begin(absolute, parts, job, resume);
            records.mapPartitions(new PartHarvest(job.toJson(), columns, absolute.toString(), shards))
                    .collect();
            return HarvestParts.join(absolute, parts);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't harvest into " + folder + ": " + e.getMessage(), e);
        }
    }
}
