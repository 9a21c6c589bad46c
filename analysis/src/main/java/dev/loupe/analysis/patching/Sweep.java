package dev.loupe.analysis.patching;

import static dev.loupe.analysis.patching.SweepAxis.DEST_POS;
import static dev.loupe.analysis.patching.SweepAxis.HEAD;
import static dev.loupe.analysis.patching.SweepAxis.LAYER;
import static dev.loupe.analysis.patching.SweepAxis.POS;
import static dev.loupe.analysis.patching.SweepAxis.SRC_POS;

import dev.loupe.array.Nearest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apiguardian.api.API;

/** The sweeps that have a name: which activation is patched, and over what. The original's {@code get_act_patch_…}. */
@SuppressWarnings("ImmutableEnumChecker") // The setters have no state, and the lists are unmodifiable.
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum Sweep {
    /** The residual stream entering a layer, at one position: [layer, pos]. */
    RESID_PRE(
            "resid_pre", "the residual stream before each layer at each position", PatchSetter.layerPos(), LAYER, POS),
    /** The residual stream between attention and MLP, at one position: [layer, pos]. */
    RESID_MID(
            "resid_mid",
            "the residual stream between attention and MLP at each position",
            PatchSetter.layerPos(),
            LAYER,
            POS),
    /** What attention writes, at one position: [layer, pos]. */
    ATTN_OUT("attn_out", "each layer's attention output at each position", PatchSetter.layerPos(), LAYER, POS),
    /** What the MLP writes, at one position: [layer, pos]. */
    MLP_OUT("mlp_out", "each MLP's output at each position", PatchSetter.layerPos(), LAYER, POS),
    /** One head's output, at one position: [layer, pos, head]. */
    ATTN_HEAD_OUT_BY_POS(
            "z", "each head's output at each position", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One head's queries, at one position: [layer, pos, head]. */
    ATTN_HEAD_Q_BY_POS("q", "each head's queries at each position", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One key head's keys, at one position: [layer, pos, kv_head]. */
    ATTN_HEAD_K_BY_POS("k", "each head's keys at each position", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One value head's values, at one position: [layer, pos, kv_head]. */
    ATTN_HEAD_V_BY_POS("v", "each head's values at each position", PatchSetter.layerPosHeadVector(), LAYER, POS, HEAD),
    /** One row of a head's pattern: [layer, head, dest_pos]. */
    ATTN_HEAD_PATTERN_BY_POS(
            "pattern",
            "each head's attention from each position",
            PatchSetter.layerHeadPosPattern(),
            LAYER,
            HEAD,
            DEST_POS),
    /** One entry of a head's pattern: [layer, head, dest_pos, src_pos]. */
    ATTN_HEAD_PATTERN_DEST_SRC_POS(
            "pattern",
            "each head's attention from each position to each",
            PatchSetter.layerHeadDestSrcPosPattern(),
            LAYER,
            HEAD,
            DEST_POS,
            SRC_POS),
    /** One head's output at all positions: [layer, head]. */
    ATTN_HEAD_OUT_ALL_POS("z", "each head's output at all positions", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One head's queries at all positions: [layer, head]. */
    ATTN_HEAD_Q_ALL_POS("q", "each head's queries at all positions", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One key head's keys at all positions: [layer, kv_head]. */
    ATTN_HEAD_K_ALL_POS("k", "each head's keys at all positions", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One value head's values at all positions: [layer, kv_head]. */
    ATTN_HEAD_V_ALL_POS("v", "each head's values at all positions", PatchSetter.layerHeadVector(), LAYER, HEAD),
    /** One head's whole pattern: [layer, head]. */
    ATTN_HEAD_PATTERN_ALL_POS(
            "pattern", "each head's attention from all positions", PatchSetter.layerHeadPattern(), LAYER, HEAD),
    /** Output, queries, keys, values and pattern of each head: [5, layer, head]. */
    ATTN_HEAD_ALL_POS_EVERY(
            "each head's output, queries, keys, values and attention, at all positions",
            ATTN_HEAD_OUT_ALL_POS,
            ATTN_HEAD_Q_ALL_POS,
            ATTN_HEAD_K_ALL_POS,
            ATTN_HEAD_V_ALL_POS,
            ATTN_HEAD_PATTERN_ALL_POS),
    /** Output, queries, keys, values and rows of the pattern of each head: [5, layer, pos, head]. */
    ATTN_HEAD_BY_POS_EVERY(
            "each head's output, queries, keys, values and attention, at each position",
            ATTN_HEAD_OUT_BY_POS,
            ATTN_HEAD_Q_BY_POS,
            ATTN_HEAD_K_BY_POS,
            ATTN_HEAD_V_BY_POS,
            ATTN_HEAD_PATTERN_BY_POS),
    /** Residual stream, attention and MLP, at one position: [3, layer, pos]. */
    BLOCK_EVERY(
            "the residual stream, attention outputs and MLP outputs, at each position", RESID_PRE, ATTN_OUT, MLP_OUT);

    private final String activation;
    private final String words;
    private final PatchSetter setter;
    private final List<SweepAxis> axes;
    private final List<Sweep> members;

    Sweep(String activation, String words, PatchSetter setter, SweepAxis... axes) {
        this.activation = activation;
        this.words = words;
        this.setter = setter;
        this.axes = List.of(axes);
        this.members = List.of();
    }

    Sweep(String words, Sweep... members) {
        this.activation = "";
        this.words = words;
        this.setter = members[0].setter;
        this.axes = members[0].axes;
        this.members = List.of(members);
    }

    /** The name: {@code resid_pre}, {@code attn_head_out_by_pos}, … */
    public String id() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** What is patched, in words: {@code each head's output, at all positions}. */
    public String words() {
        return words;
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
    List<SweepAxis> axes() {
        return axes;
    }

    /** The sweeps that this one stacks; none if it is a plain one. */
    List<Sweep> members() {
        return members;
    }
}
