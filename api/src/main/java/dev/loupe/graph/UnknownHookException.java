package dev.loupe.graph;

import org.apiguardian.api.API;

/** A hook point was asked for by a name that the model doesn't have. The message lists the nearest ones. */
@API(status = API.Status.STABLE, since = "0.1")
public class UnknownHookException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    /** With a message that says what was asked for and what comes near. */
    public UnknownHookException(String message) {
        super(message);
    }
}
