package dev.loupe.hook;

/** A hook that was added to a model. Closing it removes it; closing it again does nothing. */
@FunctionalInterface
public interface HookHandle extends AutoCloseable {

    /** Removes the hook. Runs that have begun keep it. */
    @Override
    void close();
}
