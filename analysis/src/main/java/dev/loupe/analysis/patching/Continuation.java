package dev.loupe.analysis.patching;

import dev.loupe.hook.HookNames;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What a run needs besides a patched activation to go on from there: what flows past the point, and its siblings. The
 * rest of the model above the point isn't run again. The lists hold for every block whose points have the standard
 * names; of a point that isn't known here, the whole block is run again.
 */
final class Continuation {

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

    private Continuation() {}

    /** Full names of the points that are fed along with a patched one. */
    static List<String> fedBeside(HookNames names, String point) {
        if (!point.startsWith("blocks.")) {
            return point.equals("ln_final.hook_scale")
                    ? List.of(names.resolve("resid_post", -1).name())
                    : List.of();
        }
        int end = point.indexOf('.', "blocks.".length()) + 1;
        String block = point.substring(0, end);
        String part = point.substring(end);
        List<String> fed = new ArrayList<>();
        boolean middle = names.has(block + "hook_resid_mid");
        boolean inMlp = part.startsWith("mlp.") || part.startsWith("ln2.") || part.startsWith("hook_mlp_");
        if (part.equals("hook_resid_pre") || part.equals("hook_resid_mid") || part.equals("hook_resid_post")) {
            return List.of();
        }
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
        return fed;
    }
}
