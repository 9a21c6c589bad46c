package dev.loupe.harvest.spark;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.shard.Cursor;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import dev.loupe.harvest.shard.ShardReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;

/** A partition's documents as records of activations, made as they are asked for: one shard is in memory at a time. */
final class ActivationRows implements MapPartitionsFunction<Row, Row> {

    private static final long serialVersionUID = 1;

    private final String job;
    private final Columns columns;

    ActivationRows(String job, Columns columns) {
        this.job = job;
        this.columns = columns;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> records) {
        HarvestJob parsed = HarvestJob.fromJson(job);
        ExecutorModels.Lease lease = ExecutorModels.lease(parsed);
        TaskContext.get().addTaskCompletionListener(new TaskCompletionListener() {
            @Override
            public void onTaskCompletion(TaskContext context) {
                lease.close();
            }
        });
        int partition = TaskContext.getPartitionId();
        Layout layout = Layout.of(lease.model(), parsed);
        ShardReader shards = new ShardReader(
                lease.model(),
                parsed,
                layout,
                new PartitionDocuments(records, columns, partition).open(),
                new Cursor(SparkHarvest.first(partition), 0, 0),
                0,
                Long.MAX_VALUE);
        return new Records(shards, layout);
    }

    private static final class Records implements Iterator<Row> {
        private final ShardReader shards;
        private final Layout layout;
        private @Nullable Shard shard;
        private boolean ended;
        private int token;
        private int point;

        Records(ShardReader shards, Layout layout) {
            this.shards = shards;
            this.layout = layout;
        }

        @Override
        public boolean hasNext() {
            while (!ended && (shard == null || token == shard.tokens())) {
                if (shard != null) {
                    shard.close();
                }
                try {
                    shard = shards.next(tokens -> {});
                } catch (IOException e) {
                    throw new UncheckedIOException(e.getMessage(), e);
                }
                token = 0;
                point = 0;
                ended = shard == null;
            }
            return !ended;
        }

        @Override
        public Row next() {
            Shard here = hasNext() ? shard : null;
            if (here == null) {
                throw new NoSuchElementException();
            }
            Layout.Point of = layout.points().get(point);
            HostTensor values = here.values(of.name());
            float[] vector = new float[of.width()];
            long first = (long) token * vector.length;
            for (int i = 0; i < vector.length; i++) {
                vector[i] = (float) values.getDouble(first + i);
            }
            Row record = RowFactory.create(
                    of.name(),
                    here.document(token),
                    here.row(token),
                    here.position(token),
                    Math.toIntExact(here.id(token)),
                    vector);
            point++;
            if (point == layout.points().size()) {
                point = 0;
                token++;
            }
            return record;
        }
    }
}
