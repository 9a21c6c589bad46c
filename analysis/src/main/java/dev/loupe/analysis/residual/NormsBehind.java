package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;

/**
 * What a norm behind attention or MLP (Gemma 2, Gemma 3) makes of one writer's share: centred if it is a layer norm,
 * divided by the scale of the run, times the norm's weight. At the run's own scale a norm is linear, so shares of what
 * was written sum to what was added to the residual stream. Without such a norm a share stays as it is.
 */
record NormsBehind(HookedTransformer model, ActivationCache cache) {

    /** The norm behind attention. */
    static final String ATTENTION = "ln1_post";
    /** The norm behind the MLP. */
    static final String MLP = "ln2_post";

    /** Whether there are norms behind the attention and the MLP of a layer. */
    boolean in(int layer) {
        return model.config().block(layer).norms().after();
    }

    /** The cached activation that {@link #share} needs. */
    String scaleName(int layer, String norm) {
        return model.hookNames().resolve("scale", layer, norm).name();
    }

    /**
     * A share of what was written, as it reached the residual stream; the norm's bias, if it has one, is nobody's share.
     *
     * @param written {@code [batch, pos, …, d_model]}, of the given positions
     */
    Tensor share(Tensor written, int layer, String norm, Index positions) {
        if (!in(layer)) {
            return written;
        }
        Tensor scale = scale(written.rank(), layer, norm, positions);
        Tensor centred = model.config().normalization().centres()
                ? written.sub(written.mean(-1).unsqueeze(-1))
                : written;
        return centred.div(scale).mul(model.weight(weightName(layer, norm, "w")));
    }

    /**
     * What the norm makes of vectors but for the division by the scale, which differs from position to position.
     *
     * @param vectors {@code […, d_model]}
     */
    Tensor unscaledShare(Tensor vectors, int layer, String norm) {
        if (!in(layer)) {
            return vectors;
        }
        Tensor centred = model.config().normalization().centres()
                ? vectors.sub(vectors.mean(-1).unsqueeze(-1))
                : vectors;
        return centred.mul(model.weight(weightName(layer, norm, "w")));
    }

    /** Divides by the norm's scale what {@link #unscaledShare} left of it. */
    Tensor scaled(Tensor written, int layer, String norm, Index positions) {
        return in(layer) ? written.div(scale(written.rank(), layer, norm, positions)) : written;
    }

    private Tensor scale(int rank, int layer, String norm, Index positions) {
        Tensor scale = cache.atPositions(cache.get(scaleName(layer, norm)), -2, positions);
        while (scale.rank() < rank) {
            scale = scale.unsqueeze(-2);
        }
        return scale;
    }

    /**
     * A bias {@code [d_model]} that was written before the norm, as it reached the residual stream, together with the
     * norm's own.
     *
     * @param like activations {@code [batch, pos, d_model]} of the given positions
     * @return of a shape that broadcasts to them
     */
    Tensor bias(Tensor bias, int layer, String norm, Tensor like, Index positions) {
        if (!in(layer)) {
            return bias;
        }
        Tensor shared = share(like.mul(0).add(bias), layer, norm, positions);
        String own = weightName(layer, norm, "b");
        return model.weightNames().contains(own) ? shared.add(model.weight(own)) : shared;
    }

    private static String weightName(int layer, String norm, String parameter) {
        return "blocks." + layer + "." + norm + "." + parameter;
    }
}
