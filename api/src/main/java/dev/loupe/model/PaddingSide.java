package dev.loupe.model;

import org.apiguardian.api.API;

/** The end at which shorter texts of a batch are padded. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum PaddingSide {
    /** In front, so that all texts end together: what generation wants. */
    LEFT,
    /** Behind, so that all texts begin together. */
    RIGHT
}
