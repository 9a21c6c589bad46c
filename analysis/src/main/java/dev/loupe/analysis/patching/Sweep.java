package dev.loupe.analysis.patching;

import static dev.loupe.analysis.patching.Axis.DEST_POS;
import static dev.loupe.analysis.patching.Axis.HEAD;
import static dev.loupe.analysis.patching.Axis.LAYER;
import static dev.loupe.analysis.patching.Axis.POS;
import static dev.loupe.analysis.patching.Axis.SRC_POS;

import dev.loupe.array.Nearest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The sweeps that have a name: which activation is patched, and over what. The original's {@code get_act_patch_…}. */
@SuppressWarnings("ImmutableEnumChecker") // The setters have no state, and the lists are unmodifiable.
public enum Sweep {
    /** The residual stream entering a layer, at one position: [layer, pos]. */
    RESID_PRE("resid_pre", PatchSetter.layerPos(), LAYER, POS),
    /** The residual stream between attention and MLP, at one position: [layer, pos]. */
    RESID_MID("resid_mid", PatchSetter.layerPos(), LAYER, POS),
    /** What attention writes, at one position: [layer, pos]. */
    ATTN_OUT("attn_out", PatchSetter.layerPos(), LAYER, POS),
    /** What the MLP writes, at one position: [layer, pos]. */
    MLP_OUT("mlp_out", PatchSetter.layerPos(), LAYER, POS),
    /** One head's output, at one position: [layer, pos, head]. */
    ATTN_HEAD_OUT_BY_POS("z", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One head's queries, at one position: [layer, pos, head]. */
    ATTN_HEAD_Q_BY_POS("q", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One key head's keys, at one position: [layer, pos, kv_head]. */
    ATTN_HEAD_K_BY_POS("k", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One value head's values, at one position: [layer, pos, kv_head]. */
    ATTN_HEAD_V_BY_POS("v", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One row of a head's pattern: [layer, head, dest_pos]. */
    ATTN_HEAD_PATTERN_BY_POS("pattern", PatchSetter.layerHeadPosPattern(), LAYER, HEAD, DEST_POS),
    /** One entry of a head's pattern: [layer, head, dest_pos, src_pos]. */
    ATTN_HEAD_PATTERN_DEST_SRC_POS("pattern", PatchSetter.layerHeadDestSrcPosPattern(), LAYER, HEAD, DEST_POS, SRC_POS),
    /** One head's output at all positions: [layer, head]. */
    ATTN_HEAD_OUT_ALL_POS("z", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One head's queries at all positions: [layer, head]. */
    ATTN_HEAD_Q_ALL_POS("q", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One key head's keys at all positions: [layer, kv_head]. */
    ATTN_HEAD_K_ALL_POS("k", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One value head's values at all positions: [layer, kv_head]. */
    ATTN_HEAD_V_ALL_POS("v", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One head's whole pattern: [layer, head]. */
    ATTN_HEAD_PATTERN_ALL_POS("pattern", PatchSetter.layerHeadPattern(), LAYER, HEAD),
    /** Output, queries, keys, values and pattern of each head: [5, layer, head]. */
    ATTN_HEAD_ALL_POS_EVERY(
            ATTN_HEAD_OUT_ALL_POS,
            ATTN_HEAD_Q_ALL_POS,
            ATTN_HEAD_K_ALL_POS,
            ATTN_HEAD_V_ALL_POS,
            ATTN_HEAD_PATTERN_ALL_POS),
    /** Output, queries, keys, values and rows of the pattern of each head: [5, layer, pos, head]. */
    ATTN_HEAD_BY_POS_EVERY(
            ATTN_HEAD_OUT_BY_POS, ATTN_HEAD_Q_BY_POS, ATTN_HEAD_K_BY_POS, ATTN_HEAD_V_BY_POS, ATTN_HEAD_PATTERN_BY_POS),
    /** Residual stream, attention and MLP, at one position: [3, layer, pos]. */
    BLOCK_EVERY(RESID_PRE, ATTN_OUT, MLP_OUT);

    private final String activation;
    private final PatchSetter setter;
    private final List<Axis> axes;
    private final List<Sweep> members;

    Sweep(String activation, PatchSetter setter, Axis... axes) {
        this.activation = activation;
        this.setter = setter;
        this.axes = List.of(axes);
        this.members = List.of();
    }

    Sweep(Sweep... members) {
        this.activation = "";
        this.setter = members[0].setter;
        this.axes = members[0].axes;
        this.members = List.of(members);
    }

    /** The name: {@code resid_pre}, {@code attn_head_out_by_pos}, … */
    public String id() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The sweep of a name.
     *
     * @throws IllegalArgumentException if there is none; lists them
     */
    public static Sweep of(String id) {
        for (Sweep sweep : values()) {
            if (sweep.id().equals(id)) {
                return sweep;
            }
        }
        List<String> known = Arrays.stream(values()).map(Sweep::id).toList();
        throw new IllegalArgumentException("There is no sweep '" + id + "'. The nearest are "
                + String.join(", ", Nearest.to(id, known, 3)) + "; there are " + String.join(", ", known));
    }

    /** Short name of the activation that is patched; empty if there are several. */
    String activation() {
        return activation;
    }

    PatchSetter setter() {
        return setter;
    }

    /** What the indices count; of several sweeps stacked, without the axis KIND. */
    List<Axis> axes() {
        return axes;
    }

    /** The sweeps that this one stacks; none if it is a plain one. */
    List<Sweep> members() {
        return members;
    }
}
