package dev.loupe.harvest.shard;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.AttentionStatistic;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntConsumer;

/** Runs the rows of a shard, those of about one length together, and puts what they give in the shard's order. */
final class Batches {

    private final HookedTransformer model;
    private final HarvestJob job;
    private final Layout layout;

    Batches(HookedTransformer model, HarvestJob job, Layout layout) {
        this.model = model;
        this.job = job;
        this.layout = layout;
    }

    void run(Shard shard, IntConsumer progress) {
        List<TokenRow> rows = shard.tokenRows();
        List<Integer> byLength = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            byLength.add(i);
        }
        byLength.sort(Comparator.comparingInt(i -> rows.get(i).length()));
        List<Integer> batch = new ArrayList<>();
        for (int row : byLength) {
            long padded = (batch.size() + 1L) * rows.get(row).length();
            if (!batch.isEmpty() && padded > job.batchTokens()) {
                run(shard, rows, batch, progress);
                batch.clear();
            }
            batch.add(row);
        }
        run(shard, rows, batch, progress);
    }

    private void run(Shard shard, List<TokenRow> rows, List<Integer> batch, IntConsumer progress) {
        List<long[]> ids = batch.stream().map(row -> rows.get(row).ids()).toList();
        // What stands at padded places means nothing; every model has a token 0.
        RunRequest request = RunRequest.of(Tokens.pad(ids, 0, false))
                .observe(HookFilter.names(
                        layout.points().stream().map(Layout.Point::name).toList()))
                .hooks(job.interventions())
                .returns(Returns.NONE)
                .build();
        int tokens = 0;
        try (RunResult run = model.run(request)) {
            for (Layout.Point point : layout.points()) {
                Tensor tensor = run.cache().get(point.name());
                HostTensor numbers = tensor.toHost();
                HostTensor target = shard.values(point.name());
                for (int i = 0; i < batch.size(); i++) {
                    TokenRow row = rows.get(batch.get(i));
                    long first = shard.firstOfRow(batch.get(i));
                    AttentionStatistic statistic = point.attention();
                    if (statistic == null) {
                        long positions = numbers.shape().size(1);
                        long from = (i * positions + row.begin()) * point.width();
                        copy(numbers, from, target, first * point.width(), (long) row.kept() * point.width());
                    } else {
                        reduce(statistic, numbers, i, row, target, first);
                    }
                }
            }
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "Rows " + rows.get(batch.get(0)).number() + " and others can't be harvested: " + e.getMessage(), e);
        }
        for (int row : batch) {
            tokens += rows.get(row).kept();
        }
        progress.accept(tokens);
    }

    /** Numbers [batch, head, query, key], one statistic for each query and head. */
    private static void reduce(
            AttentionStatistic statistic, HostTensor numbers, int batch, TokenRow row, HostTensor target, long first) {
        int heads = (int) numbers.shape().size(1);
        int positions = (int) numbers.shape().size(2);
        double[] keys = new double[positions];
        for (int head = 0; head < heads; head++) {
            for (int query = row.begin(); query < row.end(); query++) {
                long at = (((long) batch * heads + head) * positions + query) * positions;
                for (int key = 0; key <= query; key++) {
                    keys[key] = numbers.getDouble(at + key);
                }
                target.setDouble((first + query - row.begin()) * heads + head, statistic.of(keys, query + 1));
            }
        }
    }

    /** Copies elements, converting them if the types differ. */
    static void copy(HostTensor from, long at, HostTensor to, long target, long count) {
        DType type = from.dtype();
        if (type != to.dtype()) {
            for (long i = 0; i < count; i++) {
                to.setDouble(target + i, from.getDouble(at + i));
            }
            return;
        }
        long done = 0;
        while (done < count) {
            ByteBuffer source = from.from(at + done);
            ByteBuffer room = to.from(target + done);
            int bytes = (int) Math.min((count - done) * type.bytes(), Math.min(source.remaining(), room.remaining()));
            room.put(source.limit(bytes));
            done += bytes / type.bytes();
        }
    }
}
