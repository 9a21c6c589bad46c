package dev.loupe.backend;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** A backend that was asked for can't be opened. The message says what was found and what to do. */
@API(status = API.Status.STABLE, since = "0.1")
public class BackendUnavailableException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** With a message that says what was asked, what was found and what to do. */
    public BackendUnavailableException(String message) {
        super(message);
    }

    /** With a message and the failure behind it. */
    public BackendUnavailableException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
