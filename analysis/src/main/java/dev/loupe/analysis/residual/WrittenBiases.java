package dev.loupe.analysis.residual;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.Index;
import dev.loupe.model.HookedTransformer;
import dev.loupe.tensor.Tensor;
import java.util.stream.IntStream;

/** The biases that attention and MLPs write to the residual stream. */
final class WrittenBiases {

    private final HookedTransformer model;
    private final TransformerConfig config;
    private final NormsBehind norms;

    WrittenBiases(HookedTransformer model, NormsBehind norms) {
        this.model = model;
        this.config = model.config();
        this.norms = norms;
    }

    /**
     * All biases as they reached the residual stream, of a shape that broadcasts to it.
     *
     * @param like activations [batch, pos, d_model] of the positions
     */
    Tensor asTheyReached(int layer, boolean mlpInput, boolean ofMlps, Tensor like, Index positions) {
        if (IntStream.range(0, mlpInput ? layer + 1 : layer).noneMatch(norms::in)) {
            return sum(layer, mlpInput, ofMlps);
        }
        Tensor sum = model.tensors().zeros(model.dtype(), config.dModel());
        for (int l = 0; l < (mlpInput ? layer + 1 : layer); l++) {
            sum = sum.add(norms.bias(model.b_O().select(0, l), l, NormsBehind.ATTENTION, like, positions));
            if (ofMlps && l < layer && config.block(l).mlp() != BlockSpec.Mlp.NONE) {
                sum = sum.add(norms.bias(model.b_out().select(0, l), l, NormsBehind.MLP, like, positions));
            }
        }
        return sum;
    }

    /** The sum of all biases written before a layer [d_model]; see {@link CacheAnalysis#accumulatedBias}. */
    Tensor sum(int layer, boolean mlpInput, boolean ofMlps) {
        int end = StackOptions.upTo(layer).layer(config.nLayers(), mlpInput);
        Tensor sum = model.tensors().zeros(model.dtype(), config.dModel());
        int attentions = mlpInput ? end + 1 : end;
        for (int l = 0; l < attentions; l++) {
            requireNoNormBehind(l);
        }
        if (attentions > 0) {
            sum = sum.add(model.b_O().slice(0, 0, attentions).sum(0));
        }
        if (ofMlps && config.dMlp() > 0 && end > 0) {
            sum = sum.add(model.b_out().slice(0, 0, end).sum(0));
        }
        return sum;
    }

    private void requireNoNormBehind(int layer) {
        boolean changes = config.hasBias("b_O")
                || config.hasBias("b_out")
                || config.normalization().centres();
        if (norms.in(layer) && changes) {
            throw new IllegalStateException("The biases of layer " + layer + " go through the norm behind attention or"
                    + " MLP, which adds something else at each position: they have no sum over layers [d_model]."
                    + " getFullResidDecomposition has them, as 'bias'.");
        }
    }
}
