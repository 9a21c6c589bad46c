package dev.loupe.harvest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.Packing;
import dev.loupe.harvest.reduce.Reducer;
import dev.loupe.harvest.shard.Shard;
import dev.loupe.harvest.sink.SafetensorsSink;
import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.harvest.source.Sources;
import dev.loupe.io.OutputFile;
import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A harvest that ends in the middle, for whatever reason, and is gone on with, leaves what an undisturbed one leaves. */
class ResumeTest {

    private static HookedTransformer model;

    @TempDir
    private Path folder;

    @BeforeAll
    static void open() {
        model = HookedTransformer.fromPretrained("toy-gpt2", HarvestTest.REFERENCE);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static HarvestJob job() {
        return HarvestTest.job("blocks.0.hook_resid_post", "pattern0")
                .withAttention(dev.loupe.harvest.job.AttentionStatistic.ENTROPY)
                .withSizes(48, 60)
                .withReducers(List.of("statistics", "covariance", "histogram:-2:2:8", "top:3"));
    }

    private static List<Document> rows() {
        return HarvestTest.rows(45, 5);
    }

    private static DocumentSource source() {
        return Sources.of("rows", rows());
    }

    private Harvest.Builder harvest(String name) {
        return Harvest.of(job(), source())
                .model(model)
                .into(folder.resolve(name))
                .resume(true);
    }

    /** Every file's bytes, by name; what isn't of the harvest counts too. */
    private static Map<String, String> contents(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                all.put(
                        file.getFileName().toString(),
                        HexFormat.of()
                                .formatHex(
                                        dev.loupe.harvest.source.Sha256.digest().digest(Files.readAllBytes(file))));
            }
        }
        return all;
    }

    private static final class Kill extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    /** Throws when it has counted so many steps. */
    private static final class Bomb {
        private final int at;
        private int steps;

        Bomb(int at) {
            this.at = at;
        }

        synchronized void step() {
            if (++steps == at) {
                throw new Kill();
            }
        }
    }

    /** Calls the bomb at each step of a harvest: documents, batches, before and after each file. */
    private Harvest.Builder mined(Bomb bomb) {
        DocumentSource source = Sources.of("rows", () -> {
            var rows = rows().iterator();
            return new java.util.Iterator<>() {
                @Override
                public boolean hasNext() {
                    return rows.hasNext();
                }

                @Override
                public Document next() {
                    bomb.step();
                    return rows.next();
                }
            };
        });
        ShardSink sink = new ShardSink() {
            private final ShardSink real = new SafetensorsSink();

            @Override
            public String format() {
                return real.format();
            }

            @Override
            public String suffix() {
                return real.suffix();
            }

            @Override
            public void write(Shard shard, Path file) {
                bomb.step();
                real.write(shard, file);
                bomb.step();
            }
        };
        Reducer reducer = new Reducer() {
            private long sum;

            @Override
            public String id() {
                return "own";
            }

            @Override
            public void accept(Shard shard) {
                bomb.step();
                sum += shard.tokens();
            }

            @Override
            public Map<String, HostTensor> save() {
                bomb.step();
                return Map.of("sum", HostTensor.of(dev.loupe.array.Shape.of(1), sum));
            }

            @Override
            public void merge(Map<String, HostTensor> saved) {
                HostTensor known = saved.get("sum");
                sum += known == null ? 0 : known.toLongArray()[0];
            }
        };
        HarvestListener listener = new HarvestListener() {
            @Override
            public void begun(HarvestPlan plan) {
                bomb.step();
            }

            @Override
            public void progress(HarvestProgress progress) {
                bomb.step();
            }

            @Override
            public void written(HarvestIndex.Entry shard) {
                bomb.step();
            }
        };
        return Harvest.of(job(), source)
                .model(model)
                .into(folder.resolve("out"))
                .resume(true)
                .sink(sink)
                .reducer(reducer)
                .listener(listener);
    }

    @Test
    void killedAtAnyStepAndGoneOnWithItLeavesTheSameFiles() throws IOException {
        Bomb none = new Bomb(-1);
        mined(none).run();
        Map<String, String> expected = contents(folder.resolve("out"));
        assertThat(expected).containsKeys("own.safetensors", "top-3.safetensors");
        int steps = none.steps;
        assertThat(steps).isGreaterThan(60);
        int killed = 0;
        for (int step = 1; step <= steps; step += step < 60 ? 17 : 3) {
            delete(folder.resolve("out"));
            Harvest.Builder first = mined(new Bomb(step));
            try {
                first.run();
            } catch (Kill e) {
                killed++;
            }
            // Killed once more on the way, at another place.
            try {
                mined(new Bomb(50)).run();
            } catch (Kill e) {
                killed++;
            }
            mined(new Bomb(-1)).run();
            assertThat(contents(folder.resolve("out")))
                    .as("killed at step %d", step)
                    .isEqualTo(expected);
        }
        assertThat(killed).isGreaterThan(5);
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void aProcessThatIsKilledLosesNothing(int shards) throws Exception {
        Path rows = folder.resolve("rows.txt");
        List<String> lines = new ArrayList<>();
        for (Document row : rows()) {
            StringBuilder line = new StringBuilder();
            long[] ids = row.tokens();
            for (long id : ids == null ? new long[0] : ids) {
                line.append(line.isEmpty() ? "" : " ").append(id);
            }
            lines.add(line.toString());
        }
        Files.write(rows, lines);
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx300m",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Killed.class.getName(),
                        rows.toString(),
                        folder.resolve("killed").toString(),
                        Integer.toString(shards))
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(said).isEqualTo(Killed.CODE);
        assertThat(HarvestIndex.read(folder.resolve("killed")).shards()).hasSize(shards);

        Harvest.of(job(), Sources.tokens(rows))
                .model(model)
                .into(folder.resolve("killed"))
                .resume(true)
                .run();
        Harvest.of(job(), Sources.tokens(rows))
                .model(model)
                .into(folder.resolve("whole"))
                .run();
        assertThat(contents(folder.resolve("killed"))).isEqualTo(contents(folder.resolve("whole")));
    }

    /** A process that is gone without a word, with a file half written, before its n-th shard stands in the index. */
    static final class Killed {
        static final int CODE = 77;

        private Killed() {}

        public static void main(String[] args) {
            int most = Integer.parseInt(args[2]);
            ShardSink sink = new ShardSink() {
                private final ShardSink real = new SafetensorsSink();

                @Override
                public String format() {
                    return real.format();
                }

                @Override
                public String suffix() {
                    return real.suffix();
                }

                @Override
                public void write(Shard shard, Path file) {
                    real.write(shard, file);
                    if (shard.number() == most) {
                        OutputFile.write(file, channel -> {
                            OutputFile.writeFully(channel, ByteBuffer.allocate(100));
                            Runtime.getRuntime().halt(CODE);
                        });
                    }
                }
            };
            Harvest.of(job(), Sources.tokens(Path.of(args[0])))
                    .into(Path.of(args[1]))
                    .sink(sink)
                    .run();
        }
    }

    @Test
    void aFullDiskIsSaidAndTheHarvestGoesOnWhenThereIsRoom() throws IOException {
        ShardSink full = new ShardSink() {
            private final SafetensorsSink real = new SafetensorsSink();

            @Override
            public String format() {
                return real.format();
            }

            @Override
            public String suffix() {
                return real.suffix();
            }

            @Override
            public void write(Shard shard, Path file) {
                if (shard.number() < 2) {
                    real.write(shard, file);
                    return;
                }
                OutputFile.write(file, new OutputFile.Content() {
                    @Override
                    public void writeTo(WritableByteChannel channel) throws IOException {
                        OutputFile.writeFully(channel, ByteBuffer.allocate(1000));
                        throw new IOException("No space left on device");
                    }
                });
            }
        };
        assertThatThrownBy(() -> harvest("out").sink(full).run())
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("shard-00002.safetensors: No space left on device");
        assertThat(HarvestIndex.read(folder.resolve("out")).shards()).hasSize(2);
        assertThat(contents(folder.resolve("out"))).doesNotContainKey("shard-00002.safetensors");
        harvest("out").run();
        harvest("whole").run();
        assertThat(contents(folder.resolve("out"))).isEqualTo(contents(folder.resolve("whole")));
    }

    @Test
    void aSourceThatFailsInTheMiddleLosesNothingAndMayBeMendedBehindIt() throws IOException {
        Path file = folder.resolve("rows.jsonl");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            lines.add("{\"text\": [1, 2, 3, 4, 5, 6, 7, 8, " + i + "]}");
        }
        List<String> broken = new ArrayList<>(lines);
        broken.set(20, "{\"text\": [1, 2");
        Files.write(file, broken);
        Harvest.Builder harvest = Harvest.of(job(), Sources.jsonLines(file, "text"))
                .model(model)
                .into(folder.resolve("out"))
                .resume(true);
        assertThatThrownBy(harvest::run)
                .hasMessageContaining("rows.jsonl, line 21 is no JSON")
                .hasMessageContaining("162 tokens in 3 shards are in")
                .hasMessageContaining("--resume");
        Files.write(file, lines);
        assertThat(harvest.run().tokens()).isEqualTo(270);
        Harvest.of(job(), Sources.jsonLines(file, "text"))
                .model(model)
                .into(folder.resolve("whole"))
                .run();
        assertThat(contents(folder.resolve("out"))).isEqualTo(contents(folder.resolve("whole")));
    }

    @Test
    void otherDocumentsOrAnotherJobAreNotGoneOnWith() {
        harvest("out").maxTokens(100).run();
        List<Document> others = rows();
        others.set(1, Document.tokens(1, "row 1", 9, 9, 9));
        assertThatThrownBy(() -> Harvest.of(job(), Sources.of("rows", others))
                        .model(model)
                        .into(folder.resolve("out"))
                        .resume(true)
                        .run())
                .hasMessageContaining("aren't those that the harvest has read");
        assertThatThrownBy(() -> Harvest.of(job().withSizes(48, 61), source())
                        .model(model)
                        .into(folder.resolve("out"))
                        .resume(true)
                        .run())
                .hasMessageContaining("shard_tokens, 60 there, 61 now");
        assertThatThrownBy(() -> harvest("out").resume(false).run()).hasMessageContaining("has a harvest already");
    }

    @Test
    void aCompleteHarvestIsOfItsDocumentsAndOfNoOthers() {
        harvest("out").run();
        assertThat(harvest("out").run().complete()).isTrue();
        List<Document> others = rows();
        others.set(1, Document.tokens(1, "row 1", 9, 9, 9));
        assertThatThrownBy(() -> Harvest.of(job(), Sources.of("rows", others))
                        .model(model)
                        .into(folder.resolve("out"))
                        .resume(true)
                        .run())
                .hasMessageContaining("aren't those that the harvest has read");
        List<Document> more = rows();
        more.add(Document.tokens(more.size(), "one more", 1, 2, 3));
        assertThatThrownBy(() -> Harvest.of(job(), Sources.of("rows", more))
                        .model(model)
                        .into(folder.resolve("out"))
                        .resume(true)
                        .run())
                .hasMessageContaining("is complete with the 45 documents")
                .hasMessageContaining("another folder");
    }

    @Test
    void aFolderInWhichAHarvestFailedBeforeItsFirstShardMayBeTakenByAnother() {
        List<Document> bad = rows();
        bad.set(0, Document.tokens(0, "row 0", 999_999));
        assertThatThrownBy(() -> Harvest.of(job(), Sources.of("rows", bad))
                        .model(model)
                        .into(folder.resolve("out"))
                        .run())
                .hasMessageContaining("999999");
        HarvestIndex index = Harvest.of(job().withSizes(48, 61), source())
                .model(model)
                .into(folder.resolve("out"))
                .run();
        assertThat(index.complete()).isTrue();
    }

    @Test
    void stoppedAfterSomeTokensAndGoneOnWithItIsTheSame() throws IOException {
        HarvestIndex some = harvest("out").maxTokens(100).run();
        assertThat(some.tokens()).isEqualTo(100);
        assertThat(some.complete()).isTrue();
        assertThat(harvest("out").maxTokens(200).run().tokens()).isEqualTo(200);
        harvest("out").run();
        harvest("whole").run();
        assertThat(contents(folder.resolve("out"))).isEqualTo(contents(folder.resolve("whole")));
    }

    @Test
    void joinedDocumentsGoOnInTheMiddleOfOne() throws IOException {
        HarvestJob joined =
                job().withPacking(Packing.concatenated(7).withPrependBos(true)).withSizes(48, 21);
        List<Document> rows = HarvestTest.rows(20, 9);
        for (String name : List.of("out", "whole")) {
            for (int most = name.equals("out") ? 25 : 1000; most <= 1000; most = most < 100 ? most + 25 : most * 10) {
                Harvest.of(joined, Sources.of("rows", rows))
                        .model(model)
                        .into(folder.resolve(name))
                        .resume(true)
                        .maxTokens(most)
                        .run();
            }
        }
        assertThat(contents(folder.resolve("out"))).isEqualTo(contents(folder.resolve("whole")));
    }

    @Test
    void twoHarvestsDoNotWriteIntoOneFolder() {
        @Nullable Throwable[] seen = new Throwable[1];
        harvest("out")
                .listener(new HarvestListener() {
                    @Override
                    public void begun(HarvestPlan plan) {
                        try {
                            harvest("out").run();
                        } catch (IllegalArgumentException e) {
                            seen[0] = e;
                        }
                    }
                })
                .run();
        assertThat(seen[0]).hasMessageContaining("Another harvest is writing");
    }
}
