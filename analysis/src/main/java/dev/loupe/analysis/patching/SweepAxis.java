package dev.loupe.analysis.patching;

import org.apiguardian.api.API;

/** What an index of a patch counts. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum SweepAxis {
    /** Which of several sweeps that are stacked. */
    KIND("kind"),
    /** Layers. */
    LAYER("layer"),
    /** Positions. */
    POS("pos"),
    /** Heads; key/value heads where the activation has those. */
    HEAD("head"),
    /** Positions that attend: rows of an attention pattern. */
    DEST_POS("dest_pos"),
    /** Positions that are attended to: columns of an attention pattern. */
    SRC_POS("src_pos");

    private final String label;

    SweepAxis(String label) {
        this.label = label;
    }

    /** The original's name of the axis. */
    public String label() {
        return label;
    }

    /** Whether it counts positions. */
    boolean isPosition() {
        return this == POS || this == DEST_POS || this == SRC_POS;
    }
}
