package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsWriter;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CacheTest {

    private static final HookedTransformer MODEL = TinyModels.gpt2();
    private static final ActivationCache CACHE =
            MODEL.runWithCache(TinyModels.tokens()).cache();

    @AfterAll
    static void close() {
        MODEL.close();
    }

    @Test
    void shortNamesMeanTheSameAsFullOnes() {
        assertThat(CACHE.get("resid_post", 1)).isSameAs(CACHE.get("blocks.1.hook_resid_post"));
        assertThat(CACHE.get("resid_post1")).isSameAs(CACHE.get("blocks.1.hook_resid_post"));
        assertThat(CACHE.get("attn", 2)).isSameAs(CACHE.get("blocks.2.attn.hook_pattern"));
        assertThat(CACHE.get("mlp_post", 2)).isSameAs(CACHE.get("blocks.2.mlp.hook_post"));
        assertThat(CACHE.get("scale", 1, "ln2")).isSameAs(CACHE.get("blocks.1.ln2.hook_scale"));
        assertThat(CACHE.get("scale")).isSameAs(CACHE.get("ln_final.hook_scale"));
        assertThat(CACHE.get("pos_embed")).isSameAs(CACHE.get("hook_pos_embed"));
    }

    @Test
    void namesStandInTheOrderInWhichThePointsFire() {
        assertThat(CACHE.keys())
                .containsExactlyElementsOf(MODEL.hookNames().points().stream()
                        .filter(point -> !point.optional())
                        .map(point -> point.name())
                        .toList());
    }

    @Test
    void whatWasNotObservedIsNamedTogetherWithTheWayToObserveIt() {
        assertThatThrownBy(() -> CACHE.get("result", 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("HookFilter.names(\"blocks.0.attn.hook_result\")");
        assertThatThrownBy(() -> CACHE.get("rezult", 0)).isInstanceOf(UnknownHookException.class);
        assertThat(CACHE.has("result0")).isFalse();
        assertThat(CACHE.has("nonsense")).isFalse();
        assertThat(CACHE.has("z0")).isTrue();
    }

    @Test
    void theBatchAxisGoesOnlyFromABatchOfOne() {
        assertThatThrownBy(CACHE::removeBatchDim)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("[2, 6, 24]");
        ActivationCache single =
                MODEL.runWithCache(Tokens.of(new long[] {1, 2, 3})).cache().removeBatchDim();
        assertThat(single.get("pattern", 0).shape()).isEqualTo(Shape.of(3, 3, 3));
        assertThat(single.removeBatchDim()).isSameAs(single);
    }

    @Test
    void positionsAreCutAlongTheQueryAxis() {
        ActivationCache last = CACHE.slicePositions(Index.from(-2));
        assertThat(last.get("resid_pre", 0).shape()).isEqualTo(Shape.of(2, 2, 24));
        assertThat(last.get("q", 0).shape()).isEqualTo(Shape.of(2, 2, 3, 8));
        assertThat(last.get("pattern", 0).shape()).isEqualTo(Shape.of(2, 3, 2, 6));
        assertThat(CACHE.batchRow(1)
                        .get("embed")
                        .maxAbsDifference(CACHE.get("embed").slice(0, 1, 2)))
                .isZero();
    }

    @Test
    void oneChosenPositionKeepsItsAxis(@TempDir Path folder) {
        ActivationCache last = CACHE.slicePositions(new Index.One(-1));
        ActivationCache observed = MODEL.runWithCache(TinyModels.tokens(), HookFilter.standard(), new Index.One(-1))
                .cache();
        Path file = folder.resolve("last.safetensors");
        last.slicePositions(new Index.One(0)).save(file);
        for (ActivationCache cache : List.of(last, observed, ActivationCache.load(file, MODEL))) {
            assertThat(cache.get("resid_pre", 0).shape()).isEqualTo(Shape.of(2, 1, 24));
            assertThat(cache.get("pattern", 0).shape()).isEqualTo(Shape.of(2, 3, 1, 6));
            assertThat(cache.get("resid_pre", 2)
                            .maxAbsDifference(CACHE.get("resid_pre", 2).slice(1, 5, 6)))
                    .isLessThan(1e-5);
        }
    }

    @Test
    void aFileThatLacksAnAxisIsRefused(@TempDir Path folder) {
        Path file = folder.resolve("lacking.safetensors");
        Tensor row = CACHE.get("resid_pre", 0).select(1, -1);
        new SafetensorsWriter()
                .add("blocks.0.hook_resid_pre", row.dtype(), row.shape(), row::toHost)
                .write(file);
        assertThatThrownBy(() -> ActivationCache.load(file, MODEL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("lacking.safetensors")
                .hasMessageContaining("[2, 24]")
                .hasMessageContaining("3 axes");
    }

    @Test
    void savingAndLoadingGivesTheSameNumbers(@TempDir Path folder) {
        Path file = folder.resolve("cache.safetensors");
        CACHE.save(file);
        ActivationCache loaded = ActivationCache.load(file, MODEL);
        assertThat(loaded.keys()).containsExactlyElementsOf(CACHE.keys());
        CACHE.items()
                .forEach((name, tensor) -> assertThat(loaded.get(name).maxAbsDifference(tensor))
                        .as(name)
                        .isZero());
    }

    @Test
    void patternsChooseNamesAndOptionalOnesOnlyWhenAskedFor() {
        assertThat(keys(HookFilter.glob("*hook_z"))).hasSize(3);
        assertThat(keys(HookFilter.glob("blocks.0.*"))).noneMatch(name -> name.endsWith("hook_result"));
        assertThat(keys(HookFilter.glob("*hook_result,hook_embed"))).hasSize(4);
        assertThat(keys(HookFilter.matching(name -> name.endsWith("hook_q")))).hasSize(3);
        assertThat(keys(HookFilter.matching(name -> name.endsWith("hook_result"))))
                .isEqualTo(keys(HookFilter.glob("*hook_result")))
                .isNotEmpty();
        assertThat(keys(HookFilter.matchingAll(name -> name.startsWith("blocks.0."))))
                .anyMatch(name -> name.endsWith("hook_result"));
        assertThat(keys(HookFilter.none())).isEmpty();
    }

    @Test
    void aConditionThatHoldsForNothingIsAnError() {
        for (HookFilter filter : java.util.List.of(
                HookFilter.matching(name -> name.endsWith("hook_nothing")),
                HookFilter.matchingAll(name -> name.endsWith("hook_nothing")))) {
            assertThatThrownBy(() -> keys(filter))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("holds for none")
                    .hasMessageContaining("hook_embed");
        }
    }

    private static java.util.Set<String> keys(HookFilter filter) {
        return MODEL.runWithCache(TinyModels.tokens(), filter).cache().keys();
    }

    @Test
    void someSequencesOfTheBatchKeepTheBatchAxis() {
        ActivationCache second = CACHE.batchSlice(new Index.One(-1));
        assertThat(second.hasBatchDim()).isTrue();
        assertThat(second.get("resid_post", 1)
                        .maxAbsDifference(CACHE.get("resid_post", 1).slice(0, 1, 2)))
                .isZero();
        assertThat(CACHE.batchSlice(Index.pick(1, 0))
                        .get("pattern", 2)
                        .select(0, 1)
                        .maxAbsDifference(CACHE.get("pattern", 2).select(0, 0)))
                .isZero();
        assertThat(CACHE.batchSlice(Index.range(0, 1))
                        .removeBatchDim()
                        .get("resid_post", 0)
                        .rank())
                .isEqualTo(2);
        assertThatThrownBy(() -> second.removeBatchDim().batchSlice(Index.all()))
                .hasMessageContaining("no batch axis");
        assertThatThrownBy(() -> CACHE.batchSlice(new Index.One(2))).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void theLastPositionIsEachSequencesLastRealTokenAfterSavingAndLoadingToo(@TempDir Path directory) {
        Tokens right = Tokens.pad(List.of(new long[] {1, 2, 3}, new long[] {4, 5, 6, 7, 8}), 0, false);
        ActivationCache whole = MODEL.runWithCache(right).cache();
        Path file = directory.resolve("padded.safetensors");
        whole.save(file);
        ActivationCache inTheRun = MODEL.runWithCache(right, HookFilter.standard(), new Index.One(-1))
                .cache();
        for (ActivationCache cache : List.of(whole, ActivationCache.load(file, MODEL), whole.batchSlice(Index.all()))) {
            ActivationCache last = cache.slicePositions(new Index.One(-1));
            Tensor residual = last.get("resid_post", 2);
            assertThat(residual.shape()).isEqualTo(Shape.of(2, 1, 24));
            assertThat(residual.maxAbsDifference(inTheRun.get("resid_post", 2))).isZero();
            for (int row = 0; row < 2; row++) {
                Tensor expected = whole.get("resid_post", 2).get(row, right.lastReal(row));
                assertThat(residual.get(row, 0).maxAbsDifference(expected)).isZero();
                Tensor pattern = whole.get("pattern", 1).get(row, Index.all(), right.lastReal(row));
                assertThat(last.get("pattern", 1).get(row, Index.all(), 0).maxAbsDifference(pattern))
                        .isZero();
            }
            // A second time it is the one position that is left.
            assertThat(last.slicePositions(new Index.One(-1))
                            .get("resid_post", 2)
                            .maxAbsDifference(residual))
                    .isZero();
        }
        assertThatThrownBy(() -> whole.slicePositions(new Index.One(-4)))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessageContainingAll("-4", "sequence 0");
    }

    @Test
    void aDamagedMaskIsRefusedWithTheFile(@TempDir Path directory) {
        for (String damaged : List.of("", "11,1", "12", "1,,1")) {
            Path file = directory.resolve("damaged.safetensors");
            SafetensorsWriter writer = new SafetensorsWriter();
            writer.metadata("loupe.has_batch_dim", "true");
            writer.metadata("loupe.real_positions", damaged);
            writer.write(file);
            assertThatThrownBy(() -> ActivationCache.load(file, MODEL))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContainingAll("damaged.safetensors", "loupe.real_positions");
        }
    }
}
