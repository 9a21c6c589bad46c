package dev.loupe.architectures.processing;

import dev.loupe.architecture.Checkpoint;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/** Weights on their way from the checkpoint to the model. */
final class WeightFlow {

    private final RawWeights raw;
    private final Checkpoint.WeightConsumer consumer;
    private final Set<String> handled = new HashSet<>();

    WeightFlow(RawWeights raw, Checkpoint.WeightConsumer consumer) {
        this.raw = raw;
        this.consumer = consumer;
    }

    boolean has(String name) {
        return raw.names().contains(name);
    }

    /** Reads a weight that is to be {@linkplain #push pushed} or dropped. */
    WeightMatrix pull(String name) {
        handled.add(name);
        return new WeightMatrix(raw.read(name));
    }

    /** Reads a weight if there is such a one. */
    Optional<WeightMatrix> pullIfThere(String name) {
        return has(name) ? Optional.of(pull(name)) : Optional.empty();
    }

    void push(String name, WeightMatrix weight) {
        consumer.accept(name, weight.tensor());
    }

    /** Pushes, as they are, the weights that nobody pulled. */
    void passOnTheRest() {
        for (String name : raw.names()) {
            if (!handled.contains(name)) {
                consumer.accept(name, raw.read(name));
            }
        }
    }
}
