package dev.loupe.harvest.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestIndex;
import dev.loupe.harvest.HarvestedActivations;
import dev.loupe.harvest.HarvestedActivations.ShardFile;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.Sources;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Spark in this process, with two cores and three attempts at a task. */
class SparkHarvestTest {

    private static final String POINT = "blocks.0.hook_resid_post";
    private static final HarvestJob JOB = HarvestJob.of("toy-gpt2", POINT)
            .withOptions(LoadOptions.defaults().withBackend("reference"))
            .withSizes(64, 40)
            .withReducers(List.of("statistics", "top:2"));
    private static final StructType SCHEMA =
            new StructType().add("id", DataTypes.LongType).add("tokens", DataTypes.createArrayType(DataTypes.LongType));

    @TempDir
    static Path single;

    private static Map<String, float[]> wanted;
    private static SparkSession spark;

    @TempDir
    private Path folder;

    @BeforeAll
    static void open() {
        spark = SparkSession.builder()
                .master("local[2,3]")
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.sql.shuffle.partitions", 2)
                .getOrCreate();
        wanted = expected();
    }

    @AfterAll
    static void close() {
        spark.stop();
    }

    private static long[] row(int i) {
        Random random = new Random(i);
        return random.longs(i % 7, 0, 1389).toArray();
    }

    private static final int ROWS = 40;

    /** Rows of 0 to 6 tokens in four partitions, numbered from 100. */
    private static Dataset<Row> rows() {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            rows.add(RowFactory.create(100L + i, row(i)));
        }
        return spark.createDataset(rows, Encoders.row(SCHEMA))
                .coalesce(4)
                .repartition(4)
                .sortWithinPartitions("id");
    }

    /** The same, failing in the middle of a partition at the first attempts. */
    private static Dataset<Row> failing(int attempts) {
        MapPartitionsFunction<Row, Row> fail = new Failing(attempts);
        return rows().mapPartitions(fail, Encoders.row(SCHEMA));
    }

    private record Failing(int attempts) implements MapPartitionsFunction<Row, Row> {
        @Override
        public Iterator<Row> call(Iterator<Row> records) {
            boolean fails =
                    TaskContext.getPartitionId() == 2 && TaskContext.get().attemptNumber() < attempts;
            return new Iterator<>() {
                private int count;

                @Override
                public boolean hasNext() {
                    return records.hasNext();
                }

                @Override
                public Row next() {
                    if (fails && ++count == 6) {
                        throw new IllegalStateException("the machine is gone");
                    }
                    return records.next();
                }
            };
        }
    }

    /** What one process harvests: numbers by document and position. */
    private static Map<String, float[]> expected() {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            documents.add(Document.tokens(100 + i, "row " + i, row(i)));
        }
        Harvest.of(JOB, Sources.of("rows", documents))
                .into(single.resolve("expected"))
                .run();
        return read(single.resolve("expected"));
    }

    private static Map<String, float[]> read(Path folder) {
        Map<String, float[]> all = new HashMap<>();
        for (ShardFile shard : HarvestedActivations.open(folder)) {
            try (shard) {
                long[] documents = shard.documents();
                int[] positions = shard.positions();
                for (int i = 0; i < shard.tokens(); i++) {
                    String place = documents[i] + ":" + positions[i];
                    assertThat(all.put(place, shard.floats(POINT, i, 1)))
                            .as(place)
                            .isNull();
                }
            }
        }
        return all;
    }

    private static void assertSame(Map<String, float[]> found, Map<String, float[]> expected) {
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        expected.forEach((place, numbers) -> {
            float[] here = found.get(place);
            for (int i = 0; i < numbers.length; i++) {
                assertThat(here[i]).as(place).isCloseTo(numbers[i], within(1e-4f));
            }
        });
    }

    @Test
    void aTaskKilledInTheMiddleLosesNothingAndDoublesNothing() {
        HarvestIndex index = SparkHarvest.of(JOB, failing(1), "tokens", "id").into(folder.resolve("out"));
        assertThat(index.complete()).isTrue();
        assertSame(read(folder.resolve("out")), wanted);
        assertThat(ExecutorModels.opened()).as("models opened in this process").isEqualTo(1);
        assertThat(folder.resolve("out").toFile().list())
                .containsExactlyInAnyOrder(
                        "index.json",
                        "part-00000",
                        "part-00001",
                        "part-00002",
                        "part-00003",
                        "statistics.safetensors",
                        "top-2.safetensors");
        Map<String, HostTensor> mine = HarvestedActivations.results(folder.resolve("out"), "statistics");
        HarvestedActivations.results(single.resolve("expected"), "statistics").forEach((name, numbers) -> {
            if (!name.endsWith("_row")) {
                for (int i = 0; i < numbers.shape().elements(); i++) {
                    assertThat(mine.get(name).getDouble(i)).as(name).isCloseTo(numbers.getDouble(i), within(1e-3));
                }
            }
        });
    }

    @Test
    void activationsAreADatasetWithEachTokenOnceWhenATaskIsKilled() {
        Map<String, float[]> found = new HashMap<>();
        for (Row record :
                SparkHarvest.of(JOB, failing(1), "tokens", "id").activations().collectAsList()) {
            assertThat(record.getString(0)).isEqualTo(POINT);
            List<Float> vector = record.getList(5);
            float[] numbers = new float[vector.size()];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = vector.get(i);
            }
            assertThat(found.put(record.getLong(1) + ":" + record.getInt(3), numbers))
                    .isNull();
        }
        assertSame(found, wanted);
    }

    @Test
    void aHarvestThatFailedIsGoneOnWithAtTheMissingPartitions() throws Exception {
        Path out = folder.resolve("out");
        assertThatThrownBy(
                        () -> SparkHarvest.of(JOB, failing(9), "tokens", "id").into(out))
                .hasStackTraceContaining("the machine is gone");
        assertThat(out.resolve("part-00002")).doesNotExist();
        assertThat(out.resolve("index.json")).doesNotExist();
        Path done = out.resolve("part-00000").resolve("index.json");
        FileTime before = Files.getLastModifiedTime(done);
        assertThatThrownBy(() -> SparkHarvest.of(JOB, rows(), "tokens", "id").into(out))
                .hasMessageContaining("part-00000")
                .hasMessageContaining("resume");
        assertThatThrownBy(() -> SparkHarvest.of(JOB.withSizes(64, 41), rows(), "tokens", "id")
                        .resume(true)
                        .into(out))
                .hasMessageContaining("shard_tokens");
        SparkHarvest.of(JOB, rows(), "tokens", "id").resume(true).into(out);
        assertThat(Files.getLastModifiedTime(done)).isEqualTo(before);
        assertSame(read(out), wanted);
        assertThatThrownBy(() -> SparkHarvest.of(JOB, rows().filter("id <> 104"), "tokens", "id")
                        .resume(true)
                        .into(out))
                .hasStackTraceContaining("Is it the same data set");
    }

    @Test
    void aColumnThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> SparkHarvest.of(JOB, rows(), "text")).hasMessageContaining("[id, tokens]");
        assertThatThrownBy(() -> SparkHarvest.of(JOB, rows(), "id")).hasMessageContaining("bigint");
    }
}
