package dev.loupe.model;

import dev.loupe.tensor.Tensor;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** What a run gave back. Asking for something that wasn't requested throws {@link IllegalStateException}. */
@API(status = API.Status.STABLE, since = "0.1")
public final class RunResult implements AutoCloseable {

    static final String NO_LOSS = "There is no loss: it is that of predicting each next token, and no sequence has two"
            + " tokens one after the other. Give at least two tokens, or prepend the BOS token";

    private final @Nullable Tensor logits;
    private final @Nullable Tensor lossPerToken;
    private final @Nullable Double loss;
    private final @Nullable Tensor residual;
    private final ActivationCache cache;
    private final @Nullable GradientCache gradients;
    private final @Nullable Tensor metric;

    RunResult(
            @Nullable Tensor logits,
            @Nullable Tensor lossPerToken,
            @Nullable Double loss,
            @Nullable Tensor residual,
            ActivationCache cache,
            @Nullable GradientCache gradients,
            @Nullable Tensor metric) {
        this.logits = logits;
        this.lossPerToken = lossPerToken;
        this.loss = loss;
        this.residual = residual;
        this.cache = cache;
        this.gradients = gradients;
        this.metric = metric;
    }

    /** Logits [batch, pos, d_vocab], or at the chosen positions. */
    public Tensor logits() {
        return require(logits, "logits", "returns(LOGITS)");
    }

    /** Cross-entropy of each next token [batch, pos−1]; 0 where either side is padding. */
    public Tensor lossPerToken() {
        return require(lossPerToken, "the loss", "returns(LOSS)");
    }

    /**
     * Mean cross-entropy, in nats, over positions where both tokens are real.
     *
     * @throws IllegalStateException if there are none: nothing was predicted
     */
    public double loss() {
        require(lossPerToken, "the loss", "returns(LOSS)");
        if (loss == null) {
            throw new IllegalStateException(NO_LOSS);
        }
        return loss;
    }

    /** The residual stream [batch, pos, d_model] that would enter the layer at which the run stopped. */
    public Tensor residual() {
        return require(residual, "the residual", "stopAtLayer(…)");
    }

    /** The observed activations. */
    public ActivationCache cache() {
        return cache;
    }

    /** Derivatives of the metric. */
    public GradientCache gradients() {
        return require(gradients, "derivatives", "gradients(…)");
    }

    /** What was differentiated: a scalar, or one number for each sequence [batch]. */
    public Tensor metric() {
        return require(metric, "a metric", "gradients(…)");
    }

    /** What there is: shapes, not numbers. */
    @Override
    public String toString() {
        StringBuilder text =
                new StringBuilder("RunResult: ").append(cache.size()).append(" activations");
        if (logits != null) {
            text.append(", logits ").append(logits.shape());
        }
        if (residual != null) {
            text.append(", residual ").append(residual.shape());
        }
        if (loss != null) {
            text.append(", loss ").append(loss);
        }
        if (gradients != null) {
            text.append(", derivatives at ").append(gradients.size()).append(" points");
        }
        return text.toString();
    }

    private static <T> T require(@Nullable T value, String what, String how) {
        if (value == null) {
            throw new IllegalStateException("This run wasn't asked for " + what + "; ask with " + how);
        }
        return value;
    }

    /** Frees everything that was returned. */
    @Override
    public void close() {
        for (Tensor tensor : new @Nullable Tensor[] {logits, lossPerToken, residual, metric}) {
            if (tensor != null) {
                tensor.close();
            }
        }
        cache.close();
        if (gradients != null) {
            gradients.close();
        }
    }
}
