package dev.loupe.hook;

import org.apiguardian.api.API;

/** A hook that was added to a model. Closing it removes it; closing it again does nothing. */
@FunctionalInterface
@API(status = API.Status.STABLE, since = "0.1")
public interface HookHandle extends AutoCloseable {

    /** Removes the hook. Runs that have begun keep it. */
    @Override
    void close();
}
