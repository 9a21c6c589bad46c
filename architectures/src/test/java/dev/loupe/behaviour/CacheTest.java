package dev.loupe.behaviour;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.Index;
import dev.loupe.array.Shape;
import dev.loupe.graph.UnknownHookException;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import java.nio.file.Path;
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
}
