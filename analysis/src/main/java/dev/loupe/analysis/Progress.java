package dev.loupe.analysis;

import org.apiguardian.api.API;

/** Told how far a long analysis has come. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface Progress {

    /** Nobody is told. */
    Progress NONE = (done, total) -> {};

    /**
     * Some more has been done. Called on the thread that does the work, never twice with the same number.
     *
     * @param done steps that are done
     * @param total all steps
     */
    void update(long done, long total);
}
