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

    @Test
    void aNameWithoutItsPathFindsTheOneWhoseLastPartIsNear() {
        List<String> names = List.of(
                "hook_embed",
                "hook_pos_embed",
                "blocks.3.hook_resid_pre",
                "blocks.3.hook_q_input",
                "blocks.3.hook_mlp_in",
                "blocks.2.attn.hook_pattern",
                "blocks.3.attn.hook_pattern",
                "blocks.3.attn.hook_z",
                "ln_final.hook_scale");
        assertThat(Nearest.to("blocks.3.hook_patern", names, 2))
                .containsExactly("blocks.3.attn.hook_pattern", "blocks.2.attn.hook_pattern");
        assertThat(Nearest.to("patern", names, 1)).containsExactly("blocks.2.attn.hook_pattern");
        assertThat(Nearest.to("blocks.3.mlp.hook_zz", names, 1)).containsExactly("blocks.3.attn.hook_z");
    }

    @Test
    void aNameOfAMegabyteIsAnsweredAtOnce() {
        assertThat(Nearest.to("hook_" + "e".repeat(1 << 20), NAMES, 1)).hasSize(1);
    }
}
