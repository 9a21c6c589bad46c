package dev.loupe.hook;

/**
 * What happens to activations at hook points: Java code ({@link Hook}), which may do anything, or data ({@link
 * Intervention}), which becomes part of the run's graph. Both run at the same points, in the order in which they were
 * given.
 */
public sealed interface Edit permits Hook, Intervention {

    /** Where it happens. */
    HookFilter points();
}
