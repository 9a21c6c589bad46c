package dev.loupe.graph;

import org.apiguardian.api.API;

/** What an axis of an activation counts. */
@API(status = API.Status.STABLE, since = "0.1")
public enum Axis {
    /** Sequences of a run. */
    BATCH,
    /** Positions of a sequence: those that are new in the run, or all of them where a key/value cache is used. */
    POS,
    /** The position that looks, in scores and patterns. */
    QUERY,
    /** The position that is looked at, in scores and patterns. */
    KEY,
    /** Attention heads. */
    HEAD,
    /** Heads of keys and values, which may be fewer. */
    KV_HEAD,
    /** The residual stream. */
    D_MODEL,
    /** What is within a head. */
    D_HEAD,
    /** Neurons of an MLP. */
    D_MLP,
    /** Tokens of the vocabulary. */
    D_VOCAB,
    /** Features of a dictionary. */
    D_SAE,
    /** An axis of size 1, kept so that shapes broadcast. */
    SINGLE,
    /** Something else. */
    OTHER;

    /** Whether the axis counts positions that read: {@link #POS} or {@link #QUERY}. */
    public boolean isPosition() {
        return this == POS || this == QUERY;
    }

    /** Whether the axis counts heads of either kind. */
    public boolean isHead() {
        return this == HEAD || this == KV_HEAD;
    }
}
