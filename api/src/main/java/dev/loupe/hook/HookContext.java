package dev.loupe.hook;

import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * What a hook may know of the run that it is in, and a place for state that lives as long as that run: the original's
 * {@code hook.ctx}, emptied by itself. A generation is one run of several steps. Each run and each generation has a
 * context of its own, which all its hooks share.
 */
@API(status = API.Status.STABLE, since = "0.1")
public interface HookContext {

    /** Number of sequences. */
    int batch();

    /** Number of positions of this step, padding included. */
    int positions();

    /** Number of positions before those of this step, whose keys and values are in a key/value cache. */
    int past();

    /**
     * Whether a position of this step holds a real token.
     *
     * @param row counted from 0
     * @param position counted from 0 among the positions of this step
     */
    boolean isReal(int row, int position);

    /**
     * The run's state of that name, made at the first call.
     *
     * @param name such as the name of the class that keeps it
     * @param first makes it; called once for a run
     * @throws IllegalStateException if there is state of another type by that name
     */
    <T> T state(String name, Class<T> type, Supplier<? extends T> first);
}
