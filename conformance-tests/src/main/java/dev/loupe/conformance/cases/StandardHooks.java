package dev.loupe.conformance.cases;

import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.Dim;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/** The hook points that have standard names: their shapes, and the order in which they fire. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class StandardHooks {

    /** Points that are computed only when somebody asks. */
    private static final Set<String> OPTIONAL = Set.of(
            "hook_attn_in",
            "hook_q_input",
            "hook_k_input",
            "hook_v_input",
            "attn.hook_result",
            "hook_mlp_in",
            "mlp.hook_in");

    private StandardHooks() {}

    /** Every standard name of a model with the sizes of its activation in a plain run, in the order of firing. */
    public static Map<String, List<Dim>> of(TransformerConfig config) {
        Map<String, List<Dim>> hooks = new LinkedHashMap<>();
        Dim width = Dim.of(config.dModel());
        hooks.put("hook_embed", perPosition(width));
        hooks.put("hook_pos_embed", perPosition(width));
        for (int layer = 0; layer < config.nLayers(); layer++) {
            block(hooks, "blocks." + layer + ".", config);
        }
        hooks.put("ln_final.hook_scale", perPosition(Dim.of(1)));
        hooks.put("ln_final.hook_normalized", perPosition(width));
        hooks.put("unembed.hook_in", perPosition(width));
        hooks.put("unembed.hook_out", perPosition(Dim.of(config.dVocab())));
        return hooks;
    }

    private static void block(Map<String, List<Dim>> hooks, String block, TransformerConfig config) {
        Dim width = Dim.of(config.dModel());
        Dim heads = Dim.of(config.nHeads());
        Dim kvHeads = Dim.of(config.nKeyValueHeads());
        Dim head = Dim.of(config.dHead());
        Dim hidden = Dim.of(config.dMlp());
        List<Dim> square = List.of(StandardNames.BATCH, heads, StandardNames.POS, StandardNames.POS);
        hooks.put(block + "hook_resid_pre", perPosition(width));
        hooks.put(block + "hook_attn_in", perPosition(heads, width));
        hooks.put(block + "hook_q_input", perPosition(heads, width));
        hooks.put(block + "hook_k_input", perPosition(kvHeads, width));
        hooks.put(block + "hook_v_input", perPosition(kvHeads, width));
        hooks.put(block + "ln1.hook_scale", perPosition(Dim.of(1)));
        hooks.put(block + "ln1.hook_normalized", perPosition(width));
        hooks.put(block + "attn.hook_q", perPosition(heads, head));
        hooks.put(block + "attn.hook_k", perPosition(kvHeads, head));
        hooks.put(block + "attn.hook_v", perPosition(kvHeads, head));
        hooks.put(block + "attn.q_norm.hook_scale", perPosition(heads, Dim.of(1)));
        hooks.put(block + "attn.q_norm.hook_normalized", perPosition(heads, head));
        hooks.put(block + "attn.k_norm.hook_scale", perPosition(kvHeads, Dim.of(1)));
        hooks.put(block + "attn.k_norm.hook_normalized", perPosition(kvHeads, head));
        hooks.put(block + "attn.hook_rot_q", perPosition(heads, head));
        hooks.put(block + "attn.hook_rot_k", perPosition(kvHeads, head));
        hooks.put(block + "attn.hook_attn_scores", square);
        hooks.put(block + "attn.hook_pattern", square);
        hooks.put(block + "attn.hook_z", perPosition(heads, head));
        hooks.put(block + "attn.hook_result", perPosition(heads, width));
        hooks.put(block + "ln1_post.hook_scale", perPosition(Dim.of(1)));
        hooks.put(block + "ln1_post.hook_normalized", perPosition(width));
        hooks.put(block + "hook_attn_out", perPosition(width));
        hooks.put(block + "hook_resid_mid", perPosition(width));
        hooks.put(block + "hook_mlp_in", perPosition(width));
        hooks.put(block + "ln2.hook_scale", perPosition(Dim.of(1)));
        hooks.put(block + "ln2.hook_normalized", perPosition(width));
        hooks.put(block + "mlp.hook_in", perPosition(width));
        hooks.put(block + "mlp.hook_pre", perPosition(hidden));
        hooks.put(block + "mlp.hook_pre_linear", perPosition(hidden));
        hooks.put(block + "mlp.hook_post", perPosition(hidden));
        hooks.put(block + "ln2_post.hook_scale", perPosition(Dim.of(1)));
        hooks.put(block + "ln2_post.hook_normalized", perPosition(width));
        hooks.put(block + "hook_mlp_out", perPosition(width));
        hooks.put(block + "hook_resid_post", perPosition(width));
    }

    private static List<Dim> perPosition(Dim... rest) {
        List<Dim> dims = new ArrayList<>(List.of(StandardNames.BATCH, StandardNames.POS));
        dims.addAll(List.of(rest));
        return dims;
    }

    /** Whether the point of that name is one of those computed on demand. */
    public static boolean isOptional(String name) {
        String inBlock = name.replaceFirst("^blocks\\.\\d+\\.", "");
        return OPTIONAL.contains(inBlock);
    }
}
