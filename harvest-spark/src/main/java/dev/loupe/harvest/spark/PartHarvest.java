package dev.loupe.harvest.spark;

import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestParts;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.sink.SafetensorsSink;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;

/**
 * Harvests a partition into a folder of its own. It is written under another name, and gets its own when it is complete: a
 * task that fails leaves nothing that counts, and of two attempts at one partition the first to end wins.
 */
final class PartHarvest implements FlatMapFunction<Iterator<Row>, String> {

    private static final long serialVersionUID = 1;

    private final String job;
    private final Columns columns;
    private final String folder;
    private final boolean shards;

    PartHarvest(String job, Columns columns, String folder, boolean shards) {
        this.job = job;
        this.columns = columns;
        this.folder = folder;
        this.shards = shards;
    }

    static String name(int partition) {
        return String.format(Locale.ROOT, "part-%05d", partition);
    }

    @Override
    public Iterator<String> call(Iterator<Row> records) throws IOException {
        TaskContext context = TaskContext.get();
        int partition = context.partitionId();
        HarvestJob parsed = HarvestJob.fromJson(job);
        PartitionDocuments documents = new PartitionDocuments(records, columns, partition);
        Path part = Path.of(folder, name(partition));
        if (Files.exists(part)) {
            HarvestParts.checkComplete(part, parsed, documents);
            return List.of(part.getFileName().toString()).iterator();
        }
        Path attempt = Path.of(folder, "." + name(partition) + ".attempt-" + context.taskAttemptId());
        try (ExecutorModels.Lease lease = ExecutorModels.lease(parsed)) {
            Harvest.of(parsed, documents)
                    .splicedModel(lease.model())
                    .firstRow(SparkHarvest.first(partition))
                    .sink(shards ? new SafetensorsSink() : null)
                    .into(attempt)
                    .run();
            publish(attempt, part);
        } catch (IOException | RuntimeException | Error e) {
            HarvestParts.delete(attempt);
            throw e;
        }
        return List.of(part.getFileName().toString()).iterator();
    }

    private static void publish(Path attempt, Path part) throws IOException {
        try {
            Files.move(attempt, part, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
            // Another attempt at the same partition has ended meanwhile, with the same in it.
            HarvestParts.delete(attempt);
        }
    }
}
