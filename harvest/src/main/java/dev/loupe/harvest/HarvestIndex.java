package dev.loupe.harvest;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.JobJson;
import dev.loupe.harvest.reduce.Reducer;
import dev.loupe.harvest.shard.Cursor;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.source.DocumentChain;
import dev.loupe.io.IoFailures;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What is in the folder of a harvest, {@code index.json}. A shard belongs to the harvest when it stands here.
 *
 * @param format {@code loupe-harvest}
 * @param version of the format
 * @param job what is harvested
 * @param jobSha256 what tells the job from others
 * @param source the data set's name
 * @param shardFormat {@code safetensors}, {@code parquet}, or {@code none} if only reducers are fed
 * @param layout what there is for each token; null before the model was asked
 * @param reducers ids of the reducers
 * @param shards what is done
 * @param tokens of all shards
 * @param documents how many the data set has; 0 before its end was reached
 * @param documentsSha256 what tells them from others; empty before its end was reached
 * @param complete whether the harvest has ended: with its source, or with as many tokens as it was to have
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record HarvestIndex(
        String format,
        int version,
        HarvestJob job,
        String jobSha256,
        String source,
        String shardFormat,
        Layout layout,
        List<String> reducers,
        List<Entry> shards,
        long tokens,
        long documents,
        String documentsSha256,
        boolean complete) {

    /** The name of the file. */
    public static final String FILE = "index.json";

    static final String FORMAT = "loupe-harvest";
    static final int VERSION = 1;

    /**
     * A shard.
     *
     * @param file its name in the folder; null if only reducers are fed
     * @param bytes the file's size
     * @param rows how many rows
     * @param tokens how many tokens
     * @param next where the shard after it begins
     * @param documentsSha256 what tells the documents before that place from others
     * @param whole false if the harvest was to stop in it, after a number of tokens
     * @param state the file with what the reducers knew after it; null if there are none
     */
    public record Entry(
            @Nullable String file,
            long bytes,
            long rows,
            long tokens,
            Cursor next,
            String documentsSha256,
            boolean whole,
            @Nullable String state) {}

    /** Copies the lists. */
    public HarvestIndex {
        reducers = List.copyOf(reducers);
        shards = List.copyOf(shards);
    }

    /** An index without shards. */
    static HarvestIndex begin(HarvestJob job, String source, String shardFormat, Layout layout, List<String> reducers) {
        return new HarvestIndex(
                FORMAT, VERSION, job, job.digest(), source, shardFormat, layout, reducers, List.of(), 0, 0, "", false);
    }

    HarvestIndex with(List<Entry> entries, boolean ended) {
        long sum = entries.stream().mapToLong(Entry::tokens).sum();
        return new HarvestIndex(
                format, version, job, jobSha256, source, shardFormat, layout, reducers, entries, sum, 0, "", ended);
    }

    /** The same, with the data set's end reached after so many documents. */
    HarvestIndex ended(long count, String sum) {
        return new HarvestIndex(
                format,
                version,
                job,
                jobSha256,
                source,
                shardFormat,
                layout,
                reducers,
                shards,
                tokens,
                count,
                sum,
                complete);
    }

    HarvestIndex plus(Entry entry) {
        List<Entry> more = new ArrayList<>(shards);
        more.add(entry);
        return with(more, false);
    }

    /** The shard that was written last; null if there is none. */
    @Nullable
    Entry last() {
        return shards.isEmpty() ? null : shards.get(shards.size() - 1);
    }

    /**
     * Passes over the documents that the harvest has read.
     *
     * @throws IllegalArgumentException if there are fewer, or others
     */
    void skip(DocumentChain from, String name) throws IOException {
        Entry last = last();
        if (documents > 0) {
            from.skip(documents, documentsSha256, name);
        } else if (last != null) {
            from.skip(last.next().document(), last.documentsSha256(), name);
        }
    }

    /** Gives reducers back what they knew after the last shard. */
    void restore(Path folder, List<Reducer> into) {
        Entry last = last();
        String state = last == null ? null : last.state();
        if (state == null) {
            return;
        }
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve(state))) {
            for (Reducer reducer : into) {
                reducer.merge(Harvest.read(file, reducer.id() + "/"));
            }
        }
    }

    void write(Path folder) {
        try {
            byte[] json = JobJson.mapper()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(this)
                    .getBytes(StandardCharsets.UTF_8);
            OutputFile.write(folder.resolve(FILE), json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("The index can't be written as JSON: " + e.getOriginalMessage(), e);
        }
    }

    /**
     * Reads the index of a folder.
     *
     * @throws IllegalArgumentException if there is none, or it isn't one; says what is wrong
     * @throws UncheckedIOException if it can't be read
     */
    public static HarvestIndex read(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    (Files.isDirectory(folder) ? folder + " has no " + FILE : "There is no folder " + folder)
                            + "; a harvest is a folder that 'loupe harvest --out' made");
        }
        HarvestIndex index;
        try {
            index = JobJson.mapper().readValue(file.toFile(), HarvestIndex.class);
        } catch (JsonMappingException e) {
            throw new IllegalArgumentException(file + " is no index of a harvest: " + JobJson.reason(e), e);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(file + " is no index of a harvest: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read " + file + ": " + IoFailures.reason(e), e);
        }
        index.check(file);
        return index;
    }

    @SuppressWarnings("ConstantValue") // what is read may lack anything
    private void check(Path file) {
        if (job == null || layout == null || source == null || shardFormat == null || documentsSha256 == null) {
            throw new IllegalArgumentException(
                    file + " is no index of a harvest: it lacks job, layout, source or shard_format");
        }
        if (!FORMAT.equals(format)) {
            throw new IllegalArgumentException(
                    file + " is no index of a harvest: its format is '" + format + "', expected '" + FORMAT + "'");
        }
        if (version != VERSION) {
            throw new IllegalArgumentException(
                    file + " has version " + version + " of the format; this Loupe reads version " + VERSION);
        }
        long sum = 0;
        for (Entry entry : shards) {
            String name = entry.file();
            if (name != null
                    && (!Path.of(name).equals(Path.of(name).normalize())
                            || Path.of(name).isAbsolute()
                            || Path.of(name).startsWith(".."))) {
                throw new IllegalArgumentException(file + " names a shard outside of the folder: " + name);
            }
            if (entry.tokens() < 1 || entry.rows() < 1) {
                throw new IllegalArgumentException(file + " names a shard without tokens: " + entry);
            }
            sum = Math.addExact(sum, entry.tokens());
        }
        if (sum != tokens) {
            throw new IllegalArgumentException(
                    file + " speaks of " + tokens + " tokens, but its shards have " + sum + " together");
        }
        if (!job.digest().equals(jobSha256)) {
            throw new IllegalArgumentException(
                    file + " was changed by hand: its job isn't the one that its check sum was made of");
        }
    }
}
