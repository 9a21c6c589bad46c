package dev.loupe.harvest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.AttentionStatistic;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.Packing;
import dev.loupe.harvest.job.Positions;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.harvest.source.Sources;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is in a harvest's shards. */
class HarvestTest {

    static final LoadOptions REFERENCE = LoadOptions.defaults().withBackend("reference");
    static final String POINT = "blocks.1.hook_resid_post";

    private static HookedTransformer model;

    @TempDir
    private Path folder;

    @BeforeAll
    static void open() {
        model = HookedTransformer.fromPretrained("toy-gpt2", REFERENCE);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    static HarvestJob job(String... points) {
        return HarvestJob.of("toy-gpt2", points).withOptions(REFERENCE);
    }

    /** Rows of many lengths, some of them empty. */
    static List<Document> rows(int count, long seed) {
        Random random = new Random(seed);
        List<Document> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long[] ids = new long[new int[] {0, 1, 3, 8, 15}[random.nextInt(5)]];
            for (int j = 0; j < ids.length; j++) {
                ids[j] = random.nextInt(1389);
            }
            rows.add(Document.tokens(i, "row " + i, ids));
        }
        return rows;
    }

    private HarvestIndex harvest(HarvestJob job, DocumentSource source) {
        return Harvest.of(job, source).model(model).into(folder.resolve("out")).run();
    }

    @Test
    void everyTokenOfEveryRowIsThereOnceInOrderAndAsASingleRunGivesIt() {
        List<Document> rows = rows(40, 3);
        HarvestJob job = job(POINT, "z0").withSizes(64, 50);
        HarvestIndex index = harvest(job, Sources.of("rows", rows));
        assertThat(index.shards()).hasSizeGreaterThan(3).allMatch(shard -> shard.tokens() <= 50);
        assertThat(index.complete()).isTrue();

        List<Document> expected =
                rows.stream().filter(row -> tokens(row).length > 0).toList();
        int row = 0;
        int position = 0;
        HostTensor[] alone = single(expected.get(0));
        for (HarvestedActivations.ShardFile shard : HarvestedActivations.open(folder.resolve("out"))) {
            try (shard) {
                float[] residuals = shard.floats(POINT, 0, shard.tokens());
                long[] documents = shard.documents();
                long[] rowNumbers = shard.rows();
                int[] positions = shard.positions();
                int[] tokens = shard.ids();
                HostTensor z = shard.read("blocks.0.attn.hook_z");
                assertThat(z.shape().toArray()).containsExactly(shard.tokens(), 4, 32);
                for (int i = 0; i < shard.tokens(); i++) {
                    long[] ids = tokens(expected.get(row));
                    assertThat(documents[i]).isEqualTo(expected.get(row).id());
                    assertThat(rowNumbers[i]).isEqualTo(row);
                    assertThat(positions[i]).isEqualTo(position);
                    assertThat(tokens[i]).isEqualTo((int) ids[position]);
                    for (int d = 0; d < 128; d++) {
                        double residual = alone[0].getDouble(position * 128L + d);
                        double head = alone[1].getDouble(position * 128L + d);
                        if (Math.abs(residuals[i * 128 + d] - residual) > 1e-4
                                || Math.abs(z.getDouble(i * 128L + d) - head) > 1e-4) {
                            fail("row %d, position %d, number %d", row, position, d);
                        }
                    }
                    position++;
                    if (position == ids.length) {
                        position = 0;
                        row++;
                        alone = row < expected.size() ? single(expected.get(row)) : alone;
                    }
                }
            }
        }
        assertThat(row).isEqualTo(expected.size());
    }

    private static long[] tokens(Document row) {
        long[] ids = row.tokens();
        return ids == null ? new long[0] : ids;
    }

    private static HostTensor[] single(Document row) {
        var cache = model.runWithCache(Tokens.of(tokens(row)), HookFilter.names(POINT, "z0"))
                .cache();
        return new HostTensor[] {cache.get(POINT).toHost(), cache.get("z0").toHost()};
    }

    @ParameterizedTest
    @ValueSource(strings = {"1:", "-1", "2:5", "1:-1", "-3:"})
    void keptPositionsHaveTheNumbersOfThosePositions(String slice) {
        List<Document> rows = rows(12, 4);
        String pattern = "blocks.0.attn.hook_pattern";
        HarvestJob job = job(POINT, pattern)
                .withAttention(AttentionStatistic.FIRST)
                .withPositions(Positions.parse(slice))
                .withSizes(64, 20);
        harvest(job, Sources.of("rows", rows));
        List<double[]> found = new ArrayList<>();
        for (HarvestedActivations.ShardFile shard : HarvestedActivations.open(folder.resolve("out"))) {
            try (shard) {
                float[] residuals = shard.floats(POINT, 0, shard.tokens());
                HostTensor first = shard.read(pattern);
                for (int i = 0; i < shard.tokens(); i++) {
                    found.add(new double[] {
                        shard.documents()[i], shard.positions()[i], residuals[i * 128 + 5], first.getDouble(i * 4L + 3)
                    });
                }
            }
        }
        List<double[]> expected = new ArrayList<>();
        for (Document row : rows) {
            int length = tokens(row).length;
            for (int position = Positions.parse(slice).begin(length);
                    position < Positions.parse(slice).end(length);
                    position++) {
                var cache = model.runWithCache(Tokens.of(tokens(row)), HookFilter.names(POINT, pattern))
                        .cache();
                expected.add(new double[] {
                    row.id(),
                    position,
                    cache.get(POINT).toHost().getDouble(position * 128L + 5),
                    cache.get(pattern).toHost().getDouble(((long) 3 * length + position) * length)
                });
            }
        }
        assertThat(found).hasSameSizeAs(expected).hasSizeGreaterThan(5);
        for (int i = 0; i < expected.size(); i++) {
            assertThat(found.get(i))
                    .as("document, position, residual and attention to the first token, kept token %d", i)
                    .containsExactly(expected.get(i), within(1e-4));
        }
    }

    @Test
    void joinedDocumentsAreTheRowsOfTokenizeAndConcatenate() {
        List<String> texts = List.of("The capital of France is Paris.", "", "Monday, Tuesday, Wednesday.", "Hello");
        Tokens expected = model.tokenizeAndConcatenate(texts, 5, true);
        HarvestJob job = job("hook_embed")
                .withPacking(Packing.concatenated(5).withPrependBos(true))
                .withSizes(64, 7);
        harvest(job, Sources.texts(texts));
        List<Long> ids = new ArrayList<>();
        for (HarvestedActivations.ShardFile shard : HarvestedActivations.open(folder.resolve("out"))) {
            try (shard) {
                for (int id : shard.ids()) {
                    ids.add((long) id);
                }
            }
        }
        List<Long> wanted = new ArrayList<>();
        for (int i = 0; i < expected.batch(); i++) {
            for (long id : expected.row(i)) {
                wanted.add(id);
            }
        }
        assertThat(ids).isEqualTo(wanted).hasSizeGreaterThan(14);
    }

    @Test
    void aRowTooLongIsRefusedWithItsPlaceOrCutOff() {
        Document tooLong = Document.tokens(7, "tokens.txt, line 8", new long[4000]);
        DocumentSource source = Sources.of("rows", List.of(Document.tokens(1, "tokens.txt, line 2", 5, 6), tooLong));
        assertThatThrownBy(() -> harvest(job("hook_embed"), source))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tokens.txt, line 8 has 4000 tokens")
                .hasMessageContaining("--max-length");
        HarvestIndex index = Harvest.of(job("hook_embed").withPacking(Packing.truncated(10)), source)
                .model(model)
                .into(folder.resolve("cut"))
                .run();
        assertThat(index.tokens()).isEqualTo(12);
    }

    @Test
    void aPointWithKeysIsRefusedWithTheReason() {
        assertThatThrownBy(() -> harvest(job("pattern0"), Sources.texts(List.of("Hello"))))
                .hasMessageContaining("blocks.0.attn.hook_pattern")
                .hasMessageContaining("keys")
                .hasMessageContaining("entropy, max, first, self, previous");
        assertThat(folder.resolve("out")).doesNotExist();
    }
}
