package dev.loupe.architecture;

import dev.loupe.architecture.TransformerConfig.Rotary;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What one block of a decoder is made of: which parts, and their settings. Blocks of one model may differ.
 *
 * @param window how many positions back a query sees, itself included; null for all
 * @param rotary how queries and keys are rotated; null for not at all
 * @param attnScale what scores are divided by
 * @param scoreSoftCap scores x become {@code cap·tanh(x/cap)} before the mask; null for none
 * @param queryKeyNorms whether each head's queries and keys are normalised, before they are rotated
 * @param norms where the norms stand
 * @param parallel whether attention and MLP read the same residual stream, side by side
 * @param mlp kind of MLP
 */
@API(status = API.Status.STABLE, since = "0.1")
public record BlockSpec(
        @Nullable Integer window,
        @Nullable Rotary rotary,
        double attnScale,
        @Nullable Double scoreSoftCap,
        boolean queryKeyNorms,
        Norms norms,
        boolean parallel,
        Mlp mlp) {

    /** Where norms stand around attention and MLP. */
    public enum Norms {
        /** Before each of them: {@code ln1}, {@code ln2}. */
        BEFORE,
        /** After each of them alone: {@code ln1_post}, {@code ln2_post}; what reads the stream reads it as it is. */
        AFTER,
        /** Before and after: {@code ln1_post}, {@code ln2_post} too. */
        BEFORE_AND_AFTER;

        /** Whether attention and MLP read a normalised residual stream. */
        public boolean before() {
            return this != AFTER;
        }

        /** Whether what attention and MLP write is normalised before it is added to the stream. */
        public boolean after() {
            return this != BEFORE;
        }
    }

    /** Kinds of MLP. */
    public enum Mlp {
        /** {@code act(x·W_in)·W_out}. */
        PLAIN,
        /** {@code (act(x·W_gate)·(x·W_in))·W_out}. */
        GATED,
        /** No MLP at all. */
        NONE
    }

    /** Checks the settings. */
    public BlockSpec {
        if (window != null && window < 1) {
            throw new IllegalArgumentException("A sliding window is at least 1, got " + window);
        }
        if (!(attnScale > 0)) {
            throw new IllegalArgumentException("Scores are divided by a positive number, got " + attnScale);
        }
        if (scoreSoftCap != null && !(scoreSoftCap > 0)) {
            throw new IllegalArgumentException("A soft cap of scores is positive, got " + scoreSoftCap);
        }
    }

    /** The same with another window; null for none. */
    public BlockSpec withWindow(@Nullable Integer other) {
        return new BlockSpec(other, rotary, attnScale, scoreSoftCap, queryKeyNorms, norms, parallel, mlp);
    }

    /** The same with other rotary settings; null for no rotation. */
    public BlockSpec withRotary(@Nullable Rotary other) {
        return new BlockSpec(window, other, attnScale, scoreSoftCap, queryKeyNorms, norms, parallel, mlp);
    }

    /** The same with another divisor of scores. */
    public BlockSpec withAttnScale(double other) {
        return new BlockSpec(window, rotary, other, scoreSoftCap, queryKeyNorms, norms, parallel, mlp);
    }

    /** The same with another soft cap of scores; null for none. */
    public BlockSpec withScoreSoftCap(@Nullable Double other) {
        return new BlockSpec(window, rotary, attnScale, other, queryKeyNorms, norms, parallel, mlp);
    }

    /** The same with norms of queries and keys, or without. */
    public BlockSpec withQueryKeyNorms(boolean other) {
        return new BlockSpec(window, rotary, attnScale, scoreSoftCap, other, norms, parallel, mlp);
    }

    /** The same with norms elsewhere. */
    public BlockSpec withNorms(Norms other) {
        return new BlockSpec(window, rotary, attnScale, scoreSoftCap, queryKeyNorms, other, parallel, mlp);
    }
}
