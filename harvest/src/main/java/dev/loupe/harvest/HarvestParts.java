package dev.loupe.harvest;

import dev.loupe.harvest.HarvestIndex.Entry;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.reduce.Reducer;
import dev.loupe.harvest.reduce.Reducers;
import dev.loupe.harvest.source.DocumentChain;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.io.IoFailures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A data set that was harvested in parts, each a harvest in a folder of its own inside of one folder: on a cluster, or on
 * several machines by hand, with {@link Harvest.Builder#firstRow} apart.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HarvestParts {

    private static final Pattern PART = Pattern.compile("part-\\d{5,}");
    private static final Pattern ATTEMPT = Pattern.compile("\\.part-\\d{5,}\\.attempt-\\d+");

    private HarvestParts() {}

    /**
     * Makes the folder, and checks what is in it.
     *
     * @param parts the folders of the parts, inside of it; those that aren't there are to be harvested
     * @param resume whether some may be there
     * @throws IllegalArgumentException if there is something else than parts of this job in it; says what
     */
    public static void begin(Path folder, List<Path> parts, HarvestJob job, boolean resume) throws IOException {
        HarvestFolder.refuseOther(folder, resume, name -> PART.matcher(name).matches());
        Files.createDirectories(folder);
        for (Path there : list(folder)) {
            String name = there.getFileName().toString();
            if (ATTEMPT.matcher(name).matches()) {
                delete(there);
            }
            if (!PART.matcher(name).matches()) {
                continue;
            }
            if (!resume) {
                throw new IllegalArgumentException(folder + " has parts of a harvest already, " + name
                        + " among them; go on with it (resume), or choose another folder");
            }
            if (!parts.contains(there)) {
                throw new IllegalArgumentException(folder + " has " + name + ", but the data set has only "
                        + parts.size() + " parts now. Divide it as before, or choose another folder");
            }
            sameJob(there, job);
        }
    }

    private static HarvestIndex sameJob(Path part, HarvestJob job) {
        HarvestIndex index = HarvestIndex.read(part);
        if (!index.jobSha256().equals(job.digest())) {
            throw new IllegalArgumentException("The harvest in " + part + " is of another job: "
                    + HarvestFolder.differences(index.job(), job) + ". Ask as it was asked, or choose another folder");
        }
        return index;
    }

    /**
     * Checks that a part is complete, and was made of these documents.
     *
     * @throws IllegalArgumentException if not; says how they differ
     */
    public static void checkComplete(Path part, HarvestJob job, DocumentSource source) throws IOException {
        HarvestIndex index = sameJob(part, job);
        if (!index.complete()) {
            throw new IllegalArgumentException("The harvest in " + part + " isn't complete; go on with it first");
        }
        try (DocumentChain documents = new DocumentChain(source.open())) {
            index.skip(documents, source.name());
            if (documents.next() != null) {
                throw new IllegalArgumentException(source.name() + " has more documents than the " + index.documents()
                        + " that " + part + " was made of. Is it the same data set, divided as before?");
            }
        }
    }

    /**
     * Puts complete parts together: an index of all shards, and what reducers made of all of them.
     *
     * @param parts in the order of the data set
     * @param own fresh reducers of one's own, if the parts had some
     * @return the index, which is in the folder too
     */
    public static HarvestIndex join(Path folder, List<Path> parts, Reducer... own) throws IOException {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("There are no parts to put together in " + folder);
        }
        HarvestIndex first = HarvestIndex.read(parts.get(0));
        List<Reducer> reducers = new ArrayList<>(Reducers.of(first.job().reducers(), first.layout()));
        reducers.addAll(List.of(own));
        List<Entry> entries = new ArrayList<>();
        long documents = 0;
        for (Path part : parts) {
            HarvestIndex index = sameJob(part, first.job());
            if (!index.complete() || !index.layout().equals(first.layout())) {
                throw new IllegalArgumentException("The harvest in " + part
                        + (index.complete() ? " has other points than that in " + parts.get(0) : " isn't complete"));
            }
            String name = folder.relativize(part).toString();
            for (Entry entry : index.shards()) {
                entries.add(inside(name, entry));
            }
            documents += index.documents();
            index.restore(part, reducers);
        }
        HarvestFolder.writeResults(folder, reducers);
        HarvestIndex joined = HarvestIndex.begin(
                        first.job(),
                        parts.size() + " parts",
                        first.shardFormat(),
                        first.layout(),
                        reducers.stream().map(Reducer::id).toList())
                .with(entries, true)
                .ended(documents, "");
        joined.write(folder);
        return joined;
    }

    private static Entry inside(String folder, Entry entry) {
        return new Entry(
                prefixed(folder, entry.file()),
                entry.bytes(),
                entry.rows(),
                entry.tokens(),
                entry.next(),
                entry.documentsSha256(),
                entry.whole(),
                prefixed(folder, entry.state()));
    }

    private static @Nullable String prefixed(String folder, @Nullable String file) {
        return file == null ? null : folder + "/" + file;
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    /** Deletes a folder and what is in it. */
    public static void delete(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("Can't delete " + folder + ": " + IoFailures.reason(e), e);
        }
    }
}
