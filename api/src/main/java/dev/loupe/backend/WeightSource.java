package dev.loupe.backend;

import org.apiguardian.api.API;

/** Gives a backend the weights of a model, which it uploaded before. */
@FunctionalInterface
@API(status = API.Status.STABLE, since = "0.1")
public interface WeightSource {

    /**
     * The weight of that name. It stays open as long as the graphs prepared with it.
     *
     * @throws IllegalArgumentException if the model has no such weight
     */
    TensorHandle weight(String name);
}
