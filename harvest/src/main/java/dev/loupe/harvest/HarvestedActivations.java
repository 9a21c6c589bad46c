package dev.loupe.harvest;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.array.safetensors.SafetensorsFile;
import dev.loupe.array.safetensors.StoredTensor;
import dev.loupe.harvest.HarvestIndex.Entry;
import dev.loupe.harvest.shard.Layout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apiguardian.api.API;

/**
 * A harvest, read back: shard by shard, and of a shard only what is asked for. Shards come in the order of the data set.
 *
 * <pre>{@code
 * HarvestedActivations harvested = HarvestedActivations.open(folder);
 * for (HarvestedActivations.ShardFile shard : harvested) {
 *   try (shard) {
 *     HostTensor residual = shard.read("blocks.2.hook_resid_post"); // [tokens, d_model]
 *     long[] documents = shard.documents();
 *   }
 * }
 * }</pre>
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class HarvestedActivations implements Iterable<HarvestedActivations.ShardFile> {

    private final Path folder;
    private final HarvestIndex index;

    private HarvestedActivations(Path folder, HarvestIndex index) {
        this.folder = folder;
        this.index = index;
    }

    /**
     * Opens a folder. A harvest that isn't complete can be read as far as it is.
     *
     * @throws IllegalArgumentException if there is no harvest in it, or its shards aren't safetensors files
     */
    public static HarvestedActivations open(Path folder) {
        HarvestIndex index = HarvestIndex.read(folder);
        if (!index.shardFormat().equals("safetensors")) {
            throw new IllegalArgumentException("The shards in " + folder + " are "
                    + (index.shardFormat().equals("none")
                            ? "none: the harvest fed reducers only, whose results lie beside the index"
                            : index.shardFormat() + " files; read them with a library for that format, or harvest into"
                                    + " safetensors"));
        }
        return new HarvestedActivations(folder, index);
    }

    /** The index. */
    public HarvestIndex index() {
        return index;
    }

    /** What there is for each token. */
    public List<Layout.Point> points() {
        return index.layout().points();
    }

    /**
     * A point by its full name.
     *
     * @throws IllegalArgumentException if it wasn't harvested
     */
    public Layout.Point point(String name) {
        return points().stream()
                .filter(point -> point.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("'" + name + "' isn't in " + folder + "; near it are "
                        + Nearest.to(
                                name, points().stream().map(Layout.Point::name).toList(), 3)));
    }

    /** Tokens of all shards. */
    public long tokens() {
        return index.tokens();
    }

    /** Whether the harvest has come to its end. */
    public boolean isComplete() {
        return index.complete();
    }

    /** The shards, each opened when its turn comes; whoever takes one closes it. */
    @Override
    public Iterator<ShardFile> iterator() {
        Iterator<Entry> entries = index.shards().iterator();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return entries.hasNext();
            }

            @Override
            public ShardFile next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                return open(entries.next());
            }
        };
    }

    private ShardFile open(Entry entry) {
        String name = entry.file();
        if (name == null) {
            throw new IllegalArgumentException("The index in " + folder + " names no file for a shard");
        }
        Path path = folder.resolve(name);
        if (!Files.isRegularFile(path)) {
            throw new IllegalArgumentException("The harvest in " + folder + " is damaged: " + name + " is missing");
        }
        SafetensorsFile file = SafetensorsFile.open(path);
        try {
            long[] perToken = {entry.tokens()};
            for (String array : List.of("document", "row", "position", "token")) {
                check(file, array, perToken);
            }
            for (Layout.Point point : points()) {
                check(file, point.name(), point.shapeOf(entry.tokens()).toArray());
                if (file.dtype(point.name()) != point.dtype()) {
                    throw new IllegalArgumentException(path + ": '" + point.name() + "' is " + file.dtype(point.name())
                            + ", the index says " + point.dtype());
                }
            }
            return new ShardFile(file, Math.toIntExact(entry.tokens()), this);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static void check(SafetensorsFile file, String name, long[] sizes) {
        StoredTensor stored = file.tensor(name);
        if (!java.util.Arrays.equals(stored.shape().toArray(), sizes)) {
            throw new IllegalArgumentException(file.source() + ": '" + name + "' is " + stored.shape()
                    + ", the index says " + java.util.Arrays.toString(sizes));
        }
    }

    /**
     * What a reducer made.
     *
     * @param reducer its id: {@code statistics}
     * @return arrays by name
     * @throws IllegalArgumentException if the harvest had no such reducer
     * @throws IllegalStateException if the harvest isn't complete
     */
    public static Map<String, HostTensor> results(Path folder, String reducer) {
        HarvestIndex index = HarvestIndex.read(folder);
        if (!index.reducers().contains(reducer)) {
            throw new IllegalArgumentException(
                    "The harvest in " + folder + " had no reducer '" + reducer + "', but " + index.reducers());
        }
        if (!index.complete()) {
            throw new IllegalStateException("The harvest in " + folder + " isn't complete; go on with it first");
        }
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve(HarvestFolder.fileOf(reducer)))) {
            return Harvest.read(file, "");
        }
    }

    /** A shard, open. */
    public static final class ShardFile implements AutoCloseable {
        private final SafetensorsFile file;
        private final int tokens;
        private final HarvestedActivations owner;

        private ShardFile(SafetensorsFile file, int tokens, HarvestedActivations owner) {
            this.file = file;
            this.tokens = tokens;
            this.owner = owner;
        }

        /** How many tokens it has. */
        public int tokens() {
            return tokens;
        }

        /** The document of each token. */
        public long[] documents() {
            return file.read("document").toLongArray();
        }

        /** The row of each token, counted over the data set. */
        public long[] rows() {
            return file.read("row").toLongArray();
        }

        /** The position of each token in its row. */
        public int[] positions() {
            return ints("position");
        }

        /** The id of each token. */
        public int[] ids() {
            return ints("token");
        }

        private int[] ints(String name) {
            HostTensor stored = file.read(name);
            int[] numbers = new int[tokens];
            for (int i = 0; i < tokens; i++) {
                numbers[i] = (int) stored.getDouble(i);
            }
            return numbers;
        }

        /** All of a point's numbers, [tokens, …], as they are stored. */
        public HostTensor read(String point) {
            return read(point, 0, tokens);
        }

        /** Some tokens' numbers of a point, [count, …], as they are stored. */
        public HostTensor read(String point, int first, int count) {
            Layout.Point layout = owner.point(point);
            HostTensor target = HostTensor.allocate(layout.dtype(), layout.shapeOf(count));
            file.copy(point, (long) first * layout.width(), (long) count * layout.width(), target, 0);
            return target;
        }

        /** Some tokens' numbers of a point as floats, token by token. */
        public float[] floats(String point, int first, int count) {
            Layout.Point layout = owner.point(point);
            HostTensor target = HostTensor.allocateHeap(DType.FLOAT32, layout.shapeOf(count));
            file.copy(point, (long) first * layout.width(), (long) count * layout.width(), target, 0);
            return target.toFloatArray();
        }

        @Override
        public void close() {
            file.close();
        }
    }
}
