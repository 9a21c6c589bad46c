package dev.loupe.harvest;

import dev.loupe.array.HostTensor;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.harvest.HarvestIndex.Entry;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.reduce.Reducer;
import dev.loupe.harvest.reduce.Reducers;
import dev.loupe.harvest.shard.Cursor;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import dev.loupe.harvest.shard.ShardReader;
import dev.loupe.harvest.sink.SafetensorsSink;
import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.harvest.source.DocumentChain;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.harvest.source.DocumentSource.Documents;
import dev.loupe.io.IoFailures;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Runs a job over a data set into a folder.
 *
 * <pre>{@code
 * HarvestJob job = HarvestJob.of("toy-gpt2", "blocks.*.hook_resid_post");
 * Harvest.of(job, Sources.lines(corpus)).into(folder).run();
 * try (HarvestedActivations harvested = HarvestedActivations.open(folder)) { … }
 * }</pre>
 *
 * <p>While a shard is computed, the one before it is written; the one after it waits until that is done. A shard counts when
 * it stands in {@code index.json}. A harvest that ended for whatever reason, the process killed included, is gone on with by
 * {@link Builder#resume}, and what is in the folder in the end is the same to the last bit as if nothing had happened.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Harvest {

    private final HarvestJob job;
    private final DocumentSource source;
    private final Path folder;
    private final boolean resume;
    private final long mostTokens;
    private final Optional<ShardSink> sink;
    private final List<Reducer> ownReducers;
    private final HarvestListener listener;
    private final @Nullable HookedTransformer given;
    private final boolean givenSpliced;
    private final long firstRow;

    private Harvest(Builder b, Path folder) {
        this.job = b.job;
        this.source = b.source;
        this.folder = folder;
        this.resume = b.resume;
        this.mostTokens = b.mostTokens;
        this.sink = Optional.ofNullable(b.sink);
        this.ownReducers = List.copyOf(b.own);
        this.listener = b.listener;
        this.given = b.model;
        this.givenSpliced = b.spliced;
        this.firstRow = b.firstRow;
    }

    /** A harvest of a data set. */
    public static Builder of(HarvestJob job, DocumentSource source) {
        return new Builder(job, source);
    }

    /** Says how to harvest. */
    public static final class Builder {
        private final HarvestJob job;
        private final DocumentSource source;
        private @Nullable Path folder;
        private boolean resume;
        private long mostTokens = Long.MAX_VALUE;
        private @Nullable ShardSink sink = new SafetensorsSink();
        private final List<Reducer> own = new ArrayList<>();
        private HarvestListener listener = HarvestListener.none();
        private @Nullable HookedTransformer model;
        private boolean spliced;
        private long firstRow;

        private Builder(HarvestJob job, DocumentSource source) {
            this.job = job;
            this.source = source;
        }

        /** The folder for shards and index; made if it isn't there. */
        public Builder into(Path value) {
            folder = value;
            return this;
        }

        /** Goes on with what is in the folder; begins if nothing is there. */
        public Builder resume(boolean value) {
            resume = value;
            return this;
        }

        /** Stops after so many tokens. A harvest that was stopped so is gone on with by a higher number. */
        public Builder maxTokens(long value) {
            if (value < 1) {
                throw new IllegalArgumentException("A harvest has 1 token or more, asked for " + value);
            }
            mostTokens = value;
            return this;
        }

        /** Another format than safetensors; null to write no shards and feed reducers only. */
        public Builder sink(@Nullable ShardSink value) {
            sink = value;
            return this;
        }

        /** Adds a reducer of one's own to the job's. A fresh one: to go on, it is given what it knew. */
        public Builder reducer(Reducer value) {
            own.add(value);
            return this;
        }

        /** Who is told how it goes on. */
        public Builder listener(HarvestListener value) {
            listener = value;
            return this;
        }

        /** A model that is loaded already, as the job says, without its dictionaries; it stays open. */
        public Builder model(HookedTransformer value) {
            model = value;
            spliced = false;
            return this;
        }

        /** A model that is loaded already, the job's dictionaries in it; it stays open. */
        public Builder splicedModel(HookedTransformer value) {
            model = value;
            spliced = true;
            return this;
        }

        /** The number of the first row, where a data set is harvested in parts; see {@link HarvestParts}. */
        public Builder firstRow(long value) {
            firstRow = value;
            return this;
        }

        /**
         * Harvests.
         *
         * @return what is in the folder then
         * @throws IllegalArgumentException if the folder has another harvest, or the job or a document doesn't fit the
         *     model; says what to do
         * @throws UncheckedIOException if something can't be read or written. What was written before stays, and {@link
         *     #resume} goes on there
         */
        public HarvestIndex run() {
            Path where = folder;
            if (where == null) {
                throw new IllegalStateException("Say where to: into(folder)");
            }
            return new Harvest(this, where).run();
        }
    }

    private HarvestIndex run() {
        try (Documents readable = source.open()) {
            // A data set that isn't there is said before a model is loaded.
            readable.fraction();
        } catch (IOException e) {
            throw new UncheckedIOException(message(e), e);
        }
        HarvestFolder.refuseOther(folder, resume);
        HookedTransformer base = given == null ? job.openModel() : given;
        try {
            HookedTransformer model = givenSpliced ? base : job.spliced(base);
            try {
                Layout layout = Layout.of(model, job);
                return run(model, layout);
            } finally {
                if (model != base) {
                    model.close();
                }
            }
        } finally {
            if (given == null) {
                base.close();
            }
        }
    }

    private HarvestIndex run(HookedTransformer model, Layout layout) {
        List<Reducer> reducers = new ArrayList<>(Reducers.of(job.reducers(), layout));
        reducers.addAll(ownReducers);
        HarvestIndex asked = HarvestIndex.begin(
                job,
                source.name(),
                sink.map(ShardSink::format).orElse("none"),
                layout,
                reducers.stream().map(Reducer::id).toList());
        try (HarvestFolder open = HarvestFolder.open(folder, asked, resume, mostTokens)) {
            HarvestIndex index = open.index();
            long perShard = ShardReader.shardTokens(job, layout);
            listener.begun(new HarvestPlan(
                    layout,
                    perShard,
                    Math.multiplyExact(2, perShard * layout.bytesPerToken()),
                    index.shards().size(),
                    index.tokens()));
            try (DocumentChain documents = new DocumentChain(source.open())) {
                index.skip(documents, source.name());
                if (index.complete()) {
                    refuseMore(index, documents);
                    return index;
                }
                index.restore(folder, reducers);
                Entry last = index.last();
                Cursor from = last == null ? new Cursor(firstRow, 0, 0) : last.next();
                ShardReader shards = new ShardReader(
                        model, job, layout, documents, from, index.shards().size(), mostTokens - index.tokens());
                compute(shards, documents, open, reducers, index.tokens());
                return shards.isEnded()
                        ? open.finish(reducers, documents.count(), documents.sum(documents.count()))
                        : open.finish(reducers, 0, "");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(message(e) + kept(), e);
        }
    }

    /** Throws if a complete harvest came to its data set's end, and there are documents behind it now. */
    private void refuseMore(HarvestIndex index, DocumentChain documents) throws IOException {
        if (index.documents() > 0 && documents.next() != null) {
            throw new IllegalArgumentException("The harvest in " + folder + " is complete with the "
                    + index.documents() + " documents that " + source.name()
                    + " had; now there are more. Harvest those into another folder");
        }
    }

    private static String message(IOException e) {
        return IoFailures.reason(e);
    }

    private String kept() {
        try {
            HarvestIndex index = HarvestIndex.read(folder);
            return String.format(
                    Locale.ROOT,
                    ". %,d tokens in %d shards are in %s; once this is mended, the harvest goes on there with --resume",
                    index.tokens(),
                    index.shards().size(),
                    folder);
        } catch (IllegalArgumentException | UncheckedIOException e) {
            return "";
        }
    }

    private void compute(
            ShardReader shards, DocumentChain documents, HarvestFolder open, List<Reducer> reducers, long before)
            throws IOException {
        Meter meter = new Meter(before, mostTokens, shards, listener);
        ExecutorService writer = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "loupe-harvest-writer");
            thread.setDaemon(true);
            return thread;
        });
        try {
            Future<?> writing = null;
            while (true) {
                // One shard is computed while the one before it is written.
                Shard shard = shards.next(meter::computed);
                if (writing != null) {
                    await(writing, shard);
                }
                if (shard == null) {
                    return;
                }
                String passed = documents.sum(shard.next().document());
                writing = writer.submit(() -> {
                    try (shard) {
                        open.add(shard, passed, sink, reducers, listener);
                    }
                });
            }
        } finally {
            // What is being written is finished, so that the folder isn't left while somebody writes into it.
            finish(writer);
        }
    }

    private static void finish(ExecutorService writer) {
        writer.shutdown();
        boolean interrupted = false;
        boolean ended = false;
        while (!ended) {
            try {
                ended = writer.awaitTermination(1, TimeUnit.MINUTES);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void await(Future<?> writing, @Nullable Shard next) {
        try {
            writing.get();
        } catch (ExecutionException e) {
            if (next != null) {
                next.close();
            }
            Throwable cause = Objects.requireNonNullElse(e.getCause(), e);
            if (cause instanceof RuntimeException failed) {
                throw failed;
            }
            if (cause instanceof Error failed) {
                throw failed;
            }
            throw new IllegalStateException(cause);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("The harvest was interrupted while it waited for a shard to be written", e);
        }
    }

    /** Reads what a reducer saved. */
    static Map<String, HostTensor> read(SafetensorsFile file, String prefix) {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        for (String name : file.names()) {
            if (name.startsWith(prefix)) {
                arrays.put(name.substring(prefix.length()), file.read(name));
            }
        }
        return arrays;
    }

    /** Writes arrays of a reducer. */
    static void write(SafetensorsWriter writer, String prefix, Map<String, HostTensor> arrays) {
        arrays.forEach((name, array) -> writer.add(prefix + name, array));
    }
}
