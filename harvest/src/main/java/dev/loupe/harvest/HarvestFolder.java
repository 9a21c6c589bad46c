package dev.loupe.harvest;

import com.fasterxml.jackson.databind.JsonNode;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.harvest.HarvestIndex.Entry;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.JobJson;
import dev.loupe.harvest.reduce.Reducer;
import dev.loupe.harvest.shard.Shard;
import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.io.IoFailures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a harvest, open for writing by one process. The index is written last, and what it doesn't name doesn't
 * count: a kill at any place leaves the folder as it was after the shard before.
 */
final class HarvestFolder implements AutoCloseable {

    static final String LOCK = "harvest.lock";

    private static final Pattern OURS = Pattern.compile("(shard|state)-\\d{5,}\\.[a-z]+");
    /** As {@link dev.loupe.io.OutputFile} calls files that aren't finished. */
    private static final Pattern UNFINISHED = Pattern.compile("\\.loupe-[0-9a-f-]{36}\\.tmp");

    private final Path folder;
    private final FileChannel channel;
    private volatile HarvestIndex index;

    private HarvestFolder(Path folder, FileChannel channel, HarvestIndex index) {
        this.folder = folder;
        this.channel = channel;
        this.index = index;
    }

    /**
     * Says at once, before a model is loaded, that there is something else in the folder.
     *
     * @return the harvest to go on with; null if one may begin there
     */
    static @Nullable HarvestIndex refuseOther(Path folder, boolean resume) {
        return refuseOther(folder, resume, name -> false);
    }

    /** The same, where files of some names may be. */
    static @Nullable HarvestIndex refuseOther(Path folder, boolean resume, Predicate<String> expected) {
        if (!Files.exists(folder)) {
            return null;
        }
        if (!Files.isDirectory(folder)) {
            throw new IllegalArgumentException(
                    folder + " isn't a folder; a harvest is written into a folder of its own");
        }
        try {
            if (Files.exists(folder.resolve(HarvestIndex.FILE))) {
                HarvestIndex there = HarvestIndex.read(folder);
                if (isBarelyBegun(there)) {
                    return null;
                }
                if (!resume) {
                    throw new IllegalArgumentException(String.format(
                            Locale.ROOT,
                            "%s has a harvest already, %s, of %,d tokens; go on with it (--resume), or choose another"
                                    + " folder",
                            folder,
                            there.complete() ? "complete" : "not complete",
                            there.tokens()));
                }
                return there;
            }
            if (!isEmpty(folder, expected)) {
                throw new IllegalArgumentException(folder + " has files in it, but no " + HarvestIndex.FILE
                        + "; a harvest is written into a folder of its own");
            }
            return null;
        } catch (IOException e) {
            throw new UncheckedIOException("Can't look into " + folder + ": " + IoFailures.reason(e), e);
        }
    }

    static HarvestFolder open(Path folder, HarvestIndex asked, boolean resume, long mostTokens) throws IOException {
        Files.createDirectories(folder);
        FileChannel channel =
                FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (lock(channel) == null) {
                throw new IllegalArgumentException("Another harvest is writing into " + folder + " at the moment");
            }
            HarvestIndex there = refuseOther(folder, resume);
            HarvestIndex index = asked;
            if (there != null) {
                refuseDifferent(folder, there, asked);
                index = cut(there, mostTokens);
                checkFiles(folder, index);
            } else {
                index.write(folder);
            }
            HarvestFolder open = new HarvestFolder(folder, channel, index);
            open.deleteLeftOvers();
            return open;
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    /** Whether a harvest failed before its first shard: nothing is lost if another takes the folder. */
    private static boolean isBarelyBegun(HarvestIndex there) {
        return !there.complete() && there.shards().isEmpty();
    }

    private static boolean isEmpty(Path folder, Predicate<String> expected) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .allMatch(name -> name.equals(LOCK) || name.startsWith(".") || expected.test(name));
        }
    }

    private static @Nullable FileLock lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    private static void refuseDifferent(Path folder, HarvestIndex there, HarvestIndex asked) {
        List<String> differences = new ArrayList<>();
        if (!there.jobSha256().equals(asked.jobSha256())) {
            differences.add(differences(there.job(), asked.job()));
        }
        if (!there.shardFormat().equals(asked.shardFormat())) {
            differences.add("the format, " + there.shardFormat() + " there, " + asked.shardFormat() + " now");
        }
        if (!there.reducers().equals(asked.reducers())) {
            differences.add("the reducers, " + there.reducers() + " there, " + asked.reducers() + " now");
        }
        if (differences.isEmpty() && !there.layout().equals(asked.layout())) {
            differences.add("the model: it has other points, " + there.layout() + " there, " + asked.layout() + " now");
        }
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException(
                    "The harvest in " + folder + " is another one, and can't be gone on with."
                            + " What differs is " + String.join("; ", differences)
                            + ". Ask as it was asked, or choose another folder");
        }
    }

    /** What differs between two jobs, in words. */
    static String differences(HarvestJob there, HarvestJob asked) {
        List<String> differences = new ArrayList<>();
        JsonNode old = JobJson.mapper().valueToTree(there);
        JsonNode now = JobJson.mapper().valueToTree(asked);
        compare("", old, now, differences);
        return String.join("; ", differences);
    }

    private static void compare(String path, JsonNode old, JsonNode now, List<String> differences) {
        if (old.isObject() && now.isObject()) {
            Iterator<String> names = now.fieldNames();
            while (names.hasNext()) {
                String name = names.next();
                compare(path.isEmpty() ? name : path + "." + name, old.path(name), now.path(name), differences);
            }
        } else if (!old.equals(now)) {
            differences.add(path + ", " + old + " there, " + now + " now");
        }
    }

    /** The index without a last shard in which the harvest was to stop, if it is to go on now. */
    private static HarvestIndex cut(HarvestIndex index, long mostTokens) {
        if (mostTokens < index.tokens()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "There are %,d tokens already, more than the %,d that are asked for; ask for more, or for all",
                    index.tokens(),
                    mostTokens));
        }
        Entry last = index.last();
        if (last == null || mostTokens == index.tokens() || last.whole()) {
            return index;
        }
        List<Entry> shards = index.shards();
        return index.with(shards.subList(0, shards.size() - 1), false);
    }

    private static void checkFiles(Path folder, HarvestIndex index) throws IOException {
        for (Entry entry : index.shards()) {
            String name = entry.file();
            if (name == null) {
                continue;
            }
            Path file = folder.resolve(name);
            if (!Files.isRegularFile(file) || Files.size(file) != entry.bytes()) {
                throw new IllegalArgumentException("The harvest in " + folder + " is damaged: " + name
                        + (Files.exists(file)
                                ? " has " + Files.size(file) + " bytes, the index says " + entry.bytes()
                                : " is missing")
                        + ". Harvest into another folder, or bring the file back");
            }
        }
    }

    HarvestIndex index() {
        return index;
    }

    /** Deletes what a killed process left behind: files that were being written, and what the index doesn't name. */
    void deleteLeftOvers() throws IOException {
        Set<@Nullable String> named = new HashSet<>();
        List<Entry> shards = index.shards();
        for (int i = 0; i < shards.size(); i++) {
            named.add(shards.get(i).file());
            // Of what reducers knew, the last is needed; and the one before it, if the last shard may be done again.
            if (i >= shards.size() - (shards.get(shards.size() - 1).whole() ? 1 : 2)) {
                named.add(shards.get(i).state());
            }
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                boolean ours = OURS.matcher(name).matches() && !named.contains(name);
                if (ours || UNFINISHED.matcher(name).matches()) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    /** Writes a shard, and what reducers know after it, and enters both in the index. */
    void add(
            Shard shard, String documents, Optional<ShardSink> sink, List<Reducer> reducers, HarvestListener listener) {
        String name = null;
        long bytes = 0;
        if (sink.isPresent()) {
            name = String.format(
                    Locale.ROOT, "shard-%05d%s", shard.number(), sink.get().suffix());
            sink.get().write(shard, folder.resolve(name));
            bytes = size(folder.resolve(name));
        }
        String state = null;
        if (!reducers.isEmpty()) {
            reducers.forEach(reducer -> reducer.accept(shard));
            state = String.format(Locale.ROOT, "state-%05d.safetensors", shard.number());
            SafetensorsWriter writer = new SafetensorsWriter();
            for (Reducer reducer : reducers) {
                Harvest.write(writer, reducer.id() + "/", reducer.save());
            }
            writer.write(folder.resolve(state));
        }
        HarvestIndex before = index;
        Entry entry =
                new Entry(name, bytes, shard.rows(), shard.tokens(), shard.next(), documents, shard.isWhole(), state);
        HarvestIndex after = before.plus(entry);
        after.write(folder);
        index = after;
        listener.written(entry);
        if (shard.isWhole()) {
            // What they knew before is needed no more; before a shard that isn't whole the harvest may go on.
            deleteStatesBefore(after.shards().size() - 1);
        }
    }

    private void deleteStatesBefore(int last) {
        for (int i = Math.max(0, last - 2); i < last; i++) {
            String state = index.shards().get(i).state();
            if (state != null) {
                try {
                    Files.deleteIfExists(folder.resolve(state));
                } catch (IOException e) {
                    throw new UncheckedIOException(
                            "Can't delete " + folder.resolve(state) + ": " + IoFailures.reason(e), e);
                }
            }
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't look at " + file + ": " + IoFailures.reason(e), e);
        }
    }

    /**
     * Writes what reducers made, and says in the index that the harvest is complete.
     *
     * @param documents how many the data set has; 0 if its end wasn't reached
     */
    HarvestIndex finish(List<Reducer> reducers, long documents, String sum) {
        writeResults(folder, reducers);
        HarvestIndex ended = index.with(index.shards(), true).ended(documents, sum);
        ended.write(folder);
        index = ended;
        return ended;
    }

    static void writeResults(Path folder, List<Reducer> reducers) {
        for (Reducer reducer : reducers) {
            SafetensorsWriter writer = new SafetensorsWriter();
            writer.metadata("loupe.harvest.reducer", reducer.id());
            Harvest.write(writer, "", reducer.results());
            writer.write(folder.resolve(fileOf(reducer.id())));
        }
    }

    /** The file of a reducer's results: {@code top:10} has {@code top-10.safetensors}. */
    static String fileOf(String reducer) {
        return reducer.replaceAll("[^A-Za-z0-9._+-]", "-") + ".safetensors";
    }

    @Override
    public void close() throws IOException {
        // The file stays: whoever waits for it must not lock one that is gone.
        channel.close();
    }
}
