package dev.loupe.model;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/**
 * Logits, activations and derivatives of one run.
 *
 * @param logits [batch, pos, d_vocab]
 * @param cache the observed activations
 * @param gradients derivatives of the metric with respect to what leaves the observed points
 * @param metric what was differentiated: a scalar, or one number for each sequence [batch]
 */
@API(status = API.Status.STABLE, since = "0.1")
public record GradientRun(Tensor logits, ActivationCache cache, GradientCache gradients, Tensor metric)
        implements AutoCloseable {

    /** Frees all of them. */
    @Override
    public void close() {
        logits.close();
        cache.close();
        gradients.close();
        metric.close();
    }
}
