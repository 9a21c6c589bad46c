package dev.loupe.backend;

import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What a provider found out about whether it could open its backend here. */
@API(status = API.Status.STABLE, since = "0.1")
public sealed interface Availability {

    /**
     * The backend can be opened.
     *
     * @param detail versions and devices, for reports
     */
    record Available(String detail) implements Availability {}

    /**
     * The backend can't be opened.
     *
     * @param reason the kind of obstacle
     * @param detail what was found
     * @param remedy what to do about it: the artifact to add, the setting to change
     * @param cause the failure behind it, if there was one
     */
    record Unavailable(
            Reason reason,
            String detail,
            String remedy,
            @Nullable Throwable cause) implements Availability {}

    /** Kinds of obstacles. */
    enum Reason {
        /** A library that the backend needs is not there. */
        MISSING_LIBRARY,
        /** The libraries don't fit this operating system or processor. */
        UNSUPPORTED_PLATFORM,
        /** A version doesn't fit. */
        WRONG_VERSION,
        /** The provider itself failed to load or to answer. */
        BROKEN_PROVIDER
    }
}
