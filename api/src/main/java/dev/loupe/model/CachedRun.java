package dev.loupe.model;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;

/**
 * Logits and activations of one run.
 *
 * @param logits [batch, pos, d_vocab]
 * @param cache the observed activations
 */
@API(status = API.Status.STABLE, since = "0.1")
public record CachedRun(Tensor logits, ActivationCache cache) implements AutoCloseable {

    /** Frees both. */
    @Override
    public void close() {
        logits.close();
        cache.close();
    }
}
