package dev.loupe.hook;

import org.apiguardian.api.API;

/**
 * What happens to activations at hook points: Java code ({@link Hook}), which may do anything, or data ({@link
 * Intervention}), which becomes part of the run's graph. Both run at the same points, in the order in which they were
 * given.
 */
@API(status = API.Status.STABLE, since = "0.1")
public sealed interface Edit permits Hook, Intervention {

    /** Where it happens. */
    HookFilter points();
}
