package dev.loupe.hook;

import dev.loupe.tensor.Tensor;

/** Activations of a run, by the names of their hook points. */
@FunctionalInterface
public interface Activations {

    /**
     * An activation.
     *
     * @param name full or short name
     * @throws IllegalArgumentException if it isn't there; lists what is
     */
    Tensor get(String name);
}
