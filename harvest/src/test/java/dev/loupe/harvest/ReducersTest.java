package dev.loupe.harvest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.array.HostTensor;
import dev.loupe.harvest.job.AttentionStatistic;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.reduce.Examples;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.Sources;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What reducers make, against the same computed at once from all that was harvested. */
class ReducersTest {

    private static final String POINT = "blocks.0.mlp.hook_post";
    private static final String SMALL = "blocks.0.hook_resid_pre";

    private static HookedTransformer model;

    @TempDir
    static Path folder;

    private static final List<float[]> VECTORS = new ArrayList<>();
    private static final List<float[]> SMALL_VECTORS = new ArrayList<>();
    private static final List<long[]> PLACES = new ArrayList<>();

    @BeforeAll
    static void harvest() {
        model = HookedTransformer.fromPretrained("toy-gpt2", HarvestTest.REFERENCE);
        HarvestJob job = HarvestTest.job(POINT, SMALL)
                .withSizes(100, 30)
                .withReducers(List.of("statistics", "covariance", "histogram:-1:1:4", "top:2"));
        Harvest.of(job, Sources.of("rows", HarvestTest.rows(25, 8)))
                .model(model)
                .into(folder.resolve("out"))
                .run();
        for (HarvestedActivations.ShardFile shard : HarvestedActivations.open(folder.resolve("out"))) {
            try (shard) {
                for (int i = 0; i < shard.tokens(); i++) {
                    VECTORS.add(shard.floats(POINT, i, 1));
                    SMALL_VECTORS.add(shard.floats(SMALL, i, 1));
                    PLACES.add(
                            new long[] {shard.documents()[i], shard.rows()[i], shard.positions()[i], shard.ids()[i]});
                }
            }
        }
        assertThat(VECTORS).hasSizeGreaterThan(60);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static Map<String, HostTensor> results(String reducer) {
        return HarvestedActivations.results(folder.resolve("out"), reducer);
    }

    private static double mean(List<float[]> vectors, int unit) {
        return vectors.stream().mapToDouble(vector -> vector[unit]).average().orElseThrow();
    }

    private static double covariance(List<float[]> vectors, int a, int b) {
        double sum = 0;
        for (float[] vector : vectors) {
            sum += (vector[a] - mean(vectors, a)) * (vector[b] - mean(vectors, b));
        }
        return sum / (vectors.size() - 1);
    }

    @Test
    void statisticsAreThoseOfAllTokensAtOnce() {
        Map<String, HostTensor> found = results("statistics");
        assertThat(found.get(POINT + "/count").toLongArray()).containsExactly(VECTORS.size());
        for (int unit : new int[] {0, 7, 100, 511}) {
            assertThat(found.get(POINT + "/mean").getDouble(unit)).isCloseTo(mean(VECTORS, unit), within(1e-9));
            assertThat(found.get(POINT + "/variance").getDouble(unit))
                    .isCloseTo(covariance(VECTORS, unit, unit), within(1e-9));
            int best = IntStream.range(0, VECTORS.size())
                    .boxed()
                    .max(Comparator.comparingDouble(i -> VECTORS.get(i)[unit]))
                    .orElseThrow();
            assertThat(found.get(POINT + "/max").getDouble(unit)).isEqualTo(VECTORS.get(best)[unit]);
            assertThat(found.get(POINT + "/max_row").toLongArray()[unit]).isEqualTo(PLACES.get(best)[1]);
            assertThat(found.get(POINT + "/max_position").toLongArray()[unit]).isEqualTo(PLACES.get(best)[2]);
        }
    }

    @Test
    void covarianceIsThatOfAllTokensAtOnce() {
        HostTensor found = results("covariance").get(SMALL + "/covariance");
        assertThat(found.shape().toArray()).containsExactly(128, 128);
        for (int[] pair : new int[][] {{0, 0}, {3, 90}, {90, 3}, {127, 126}}) {
            assertThat(found.getDouble(pair[0] * 128L + pair[1]))
                    .isCloseTo(covariance(SMALL_VECTORS, pair[0], pair[1]), within(1e-9));
        }
    }

    @Test
    void aHistogramCountsEveryNumberOnce() {
        long[] counts = results("histogram:-1:1:4").get(SMALL + "/counts").toLongArray();
        for (int unit : new int[] {0, 64}) {
            long[] expected = new long[6];
            for (float[] vector : SMALL_VECTORS) {
                double x = vector[unit];
                expected[x < -1 ? 0 : x < -0.5 ? 1 : x < 0 ? 2 : x < 0.5 ? 3 : x < 1 ? 4 : 5]++;
            }
            for (int bin = 0; bin < 6; bin++) {
                assertThat(counts[unit * 6 + bin]).as("bin %d", bin).isEqualTo(expected[bin]);
            }
        }
    }

    @Test
    void topExamplesAreTheHighestWithTheirTokens() {
        Map<String, HostTensor> found = results("top:2");
        for (int unit : new int[] {3, 77, 500}) {
            List<Integer> best = IntStream.range(0, VECTORS.size())
                    .boxed()
                    .filter(i -> VECTORS.get(i)[unit] > 0)
                    .sorted(Comparator.comparingDouble(i -> -VECTORS.get(i)[unit]))
                    .limit(2)
                    .toList();
            assertThat(found.get(POINT + "/count").getDouble(unit)).isEqualTo(best.size());
            for (int n = 0; n < best.size(); n++) {
                int at = unit * 2 + n;
                assertThat(found.get(POINT + "/value").getDouble(at)).isEqualTo(VECTORS.get(best.get(n))[unit]);
                assertThat(found.get(POINT + "/row").toLongArray()[at]).isEqualTo(PLACES.get(best.get(n))[1]);
                long[] context = found.get(POINT + "/context").toLongArray();
                int width = Examples.BEFORE + 1 + Examples.AFTER;
                assertThat(context[at * width + Examples.BEFORE]).isEqualTo(PLACES.get(best.get(n))[3]);
            }
        }
    }

    @Test
    void aStatisticOfAttentionIsThatOfThePattern() {
        long[] ids = {5, 6, 7, 8, 9};
        Tensor pattern = model.runWithCache(Tokens.of(ids)).cache().get("pattern", 2);
        double[] numbers = pattern.toDoubleArray();
        for (AttentionStatistic statistic : AttentionStatistic.values()) {
            HarvestJob job = HarvestTest.job("pattern2").withAttention(statistic);
            Path out = folder.resolve(statistic.toString());
            // A longer row beside it, so that there is padding.
            Harvest.of(
                            job,
                            Sources.of(
                                    "rows",
                                    List.of(Document.tokens(0, "a", ids), Document.tokens(1, "b", new long[9]))))
                    .model(model)
                    .into(out)
                    .run();
            try (HarvestedActivations.ShardFile shard =
                    HarvestedActivations.open(out).iterator().next()) {
                float[] found = shard.floats("blocks.2.attn.hook_pattern", 0, 5);
                for (int q = 0; q < 5; q++) {
                    for (int head = 0; head < 4; head++) {
                        int at = (head * 5 + q) * 5;
                        double expected = 0;
                        double largest = 0;
                        for (int k = 0; k <= q; k++) {
                            expected -= numbers[at + k] > 0 ? numbers[at + k] * Math.log(numbers[at + k]) : 0;
                            largest = Math.max(largest, numbers[at + k]);
                        }
                        double wanted = switch (statistic) {
                            case ENTROPY -> expected;
                            case MAX -> largest;
                            case FIRST -> numbers[at];
                            case SELF -> numbers[at + q];
                            case PREVIOUS -> q == 0 ? 0 : numbers[at + q - 1];
                        };
                        assertThat((double) found[q * 4 + head])
                                .as("%s", statistic)
                                .isCloseTo(wanted, within(1e-4));
                    }
                }
            }
        }
        assertThatThrownBy(() -> Harvest.of(
                                HarvestTest.job("attn_scores2").withAttention(AttentionStatistic.ENTROPY),
                                Sources.of("rows", List.of(Document.tokens(0, "a", ids))))
                        .model(model)
                        .into(folder.resolve("scores"))
                        .run())
                .hasMessageContaining("Entropy is of probabilities");
    }

    @Test
    void aReducerThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> Harvest.of(
                                HarvestTest.job(SMALL).withReducers(List.of("mean")), Sources.texts(List.of("Hello")))
                        .model(model)
                        .into(folder.resolve("none"))
                        .run())
                .hasMessageContaining("'mean'")
                .hasMessageContaining("statistics, covariance");
        assertThat(folder.resolve("none")).doesNotExist();
    }
}
