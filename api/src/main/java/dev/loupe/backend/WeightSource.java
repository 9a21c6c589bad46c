package dev.loupe.backend;

/** Gives a backend the weights of a model, which it uploaded before. */
@FunctionalInterface
public interface WeightSource {

    /**
     * The weight of that name. It stays open as long as the graphs prepared with it.
     *
     * @throws IllegalArgumentException if the model has no such weight
     */
    TensorHandle weight(String name);
}
