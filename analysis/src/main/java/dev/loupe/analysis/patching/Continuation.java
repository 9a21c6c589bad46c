package dev.loupe.analysis.patching;

import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a run needs besides a patched activation to go on from there: what flows past the point, and its siblings. The
 * rest of the model above the point isn't run again. The lists hold for every block whose points have the standard
 * names; of a point that isn't known here, the whole block is run again.
 *
 * @param point full name of the patched point
 * @param beside full names of the points that are fed along with it
 * @param layer the block that it stands in, 0 for the embedding; −1 behind the last block
 * @param local whether a change at one position stays there until the block's end: no other position's keys or values
 *     are made from it
 * @param pastAttention whether it stands behind the block's attention
 */
record Continuation(String point, List<String> beside, int layer, boolean local, boolean pastAttention) {

    /** Points of attention and, for each, the siblings with which it makes the heads' output. */
    private static final Map<String, List<String>> SIBLINGS = Map.of(
            "attn.hook_q", List.of("attn.hook_k", "attn.hook_v"),
            "attn.hook_k", List.of("attn.hook_q", "attn.hook_v"),
            "attn.hook_v", List.of("attn.hook_pattern"),
            "attn.hook_rot_q", List.of("attn.hook_rot_k", "attn.hook_v"),
            "attn.hook_rot_k", List.of("attn.hook_rot_q", "attn.hook_v"),
            "attn.hook_attn_scores", List.of("attn.hook_v"),
            "attn.hook_pattern", List.of("attn.hook_v"),
            "mlp.hook_pre", List.of("mlp.hook_pre_linear"),
            "mlp.hook_pre_linear", List.of("mlp.hook_pre"));

    private static final Set<String> LOCAL_IN_ATTENTION =
            Set.of("attn.hook_q", "attn.hook_rot_q", "attn.hook_attn_scores", "attn.hook_pattern");

    private static final Set<String> BEHIND_ATTENTION = Set.of(
            "attn.hook_z",
            "attn.hook_result",
            "hook_attn_out",
            "hook_resid_mid",
            "hook_mlp_in",
            "hook_mlp_out",
            "hook_resid_post");

    private static final String BLOCKS = "blocks.";

    /** How a run goes on from a point. */
    static Continuation from(HookNames names, String point) {
        if (!point.startsWith(BLOCKS)) {
            boolean embedding = point.equals("hook_embed") || point.equals("hook_pos_embed");
            List<String> beside = point.equals("ln_final.hook_scale")
                    ? List.of(names.resolve("resid_post", -1).name())
                    : List.of();
            return new Continuation(point, beside, embedding ? 0 : -1, false, false);
        }
        int end = point.indexOf('.', BLOCKS.length()) + 1;
        String block = point.substring(0, end);
        String part = point.substring(end);
        int layer = Integer.parseInt(point.substring(BLOCKS.length(), end - 1));
        boolean middle = names.has(block + "hook_resid_mid");
        boolean inMlp = part.startsWith("mlp.") || part.startsWith("ln2.") || part.startsWith("hook_mlp_");
        boolean behind = BEHIND_ATTENTION.contains(part) || inMlp;
        boolean local = behind || LOCAL_IN_ATTENTION.contains(part);
        List<String> fed = new ArrayList<>();
        if (!part.equals("hook_resid_pre") && !part.equals("hook_resid_mid") && !part.equals("hook_resid_post")) {
            if (inMlp && middle) {
                fed.add(block + "hook_resid_mid");
            } else {
                fed.add(block + "hook_resid_pre");
                if (inMlp) {
                    fed.add(block + "hook_attn_out");
                }
            }
            for (String sibling : SIBLINGS.getOrDefault(part, List.of())) {
                if (names.has(block + sibling)) {
                    fed.add(block + sibling);
                }
            }
        }
        return new Continuation(point, List.copyOf(fed), layer, local, behind);
    }

    /** Whether an activation spans earlier positions too when a run has a past: rotated keys do. */
    static boolean spansPast(HookPoint point) {
        return point.name().equals("blocks." + point.layer() + ".attn.hook_rot_k");
    }
}
