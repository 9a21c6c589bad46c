package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;

/** The directions of the residual stream that raise the logits of tokens. */
final class TokenDirections {

    private final ActivationCache cache;
    private final HookedTransformer model;

    TokenDirections(ActivationCache cache) {
        this.cache = cache;
        this.model = cache.model();
    }

    /** The columns of W_U that belong to tokens: [d_model], [batch, d_model] or [batch, pos, d_model]. */
    Tensor of(Targets tokens) {
        Tensor ids = tokens.tensor(model.tensors(), model.config().dVocab());
        if (tokens.rank() == 0) {
            return model.W_U().gather(1, ids.reshape(1)).squeeze(1);
        }
        Tensor columns = model.W_U().gather(1, ids);
        return tokens.rank() == 1 ? columns.transpose(0, 1) : columns.permute(1, 2, 0);
    }

    /** The directions of tokens, brought to the axes of a stack's components. */
    Tensor alongside(ResidualStack stack, Targets tokens) {
        Tensor directions = of(tokens);
        if (tokens.rank() == 0) {
            return directions;
        }
        boolean onePosition = stack.positions() instanceof Index.One;
        if (tokens.rank() == 1 && !onePosition) {
            directions = directions.unsqueeze(1);
        } else if (tokens.rank() == 2) {
            directions = cache.atPositions(directions, 1, stack.positions());
        }
        if (!cache.hasBatchDim()) {
            directions = directions.squeeze(0);
        }
        long[] part = stack.values().select(0, 0).shape().toArray();
        for (int axis = 0; axis < part.length; axis++) {
            long size = directions.size(axis);
            if (directions.rank() != part.length || size != part[axis] && size != 1) {
                throw new IllegalArgumentException("Tokens " + tokens + " don't fit components of shape "
                        + stack.values().select(0, 0).shape() + ": one for all, one for each sequence, or one for each"
                        + " position of each sequence");
            }
        }
        return directions;
    }
}
