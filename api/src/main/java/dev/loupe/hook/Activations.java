package dev.loupe.hook;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/** Activations of a run, by the names of their hook points. */
@FunctionalInterface
@API(status = API.Status.STABLE, since = "0.1")
public interface Activations {

    /**
     * An activation.
     *
     * @param name full or short name
     * @throws IllegalArgumentException if it isn't there; lists what is
     */
    Tensor get(String name);
}
