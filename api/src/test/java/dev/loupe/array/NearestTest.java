package dev.loupe.array;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NearestTest {

    private static final List<String> NAMES = List.of(
            "hook_embed",
            "blocks.0.attn.hook_pattern",
            "blocks.0.hook_mlp_out",
            "blocks.11.attn.hook_pattern",
            "other");

    @Test
    void aMisspeltNameFindsTheRightOne() {
        assertThat(Nearest.to("blocks.0.attn.hook_patern", NAMES, 1)).containsExactly("blocks.0.attn.hook_pattern");
        assertThat(Nearest.to("Hook_Embde", NAMES, 1)).containsExactly("hook_embed");
    }

    @Test
    void aMisspeltPatternFindsWhatItWouldHaveMatched() {
        assertThat(Nearest.to("*.hook_patern", NAMES, 2))
                .containsExactly("blocks.0.attn.hook_pattern", "blocks.11.attn.hook_pattern");
        assertThat(Nearest.to("block.?.hook_mlp*", NAMES, 1)).containsExactly("blocks.0.hook_mlp_out");
        assertThat(Nearest.to("blocks.??.attn.hook_patern", NAMES, 1)).containsExactly("blocks.11.attn.hook_pattern");
    }

    @Test
    void equalsComeInAlphabeticalOrder() {
        assertThat(Nearest.to("*", NAMES, 9)).isSorted().hasSameSizeAs(NAMES);
    }
}
