package dev.loupe.model;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.tensor.Tensor;
import java.util.Set;
import org.apiguardian.api.API;

/** A model's weights under the names that papers use: the part of {@link HookedTransformer} that runs nothing. */
abstract class WeightedModel {

    final TransformerConfig config;
    final Weights weights;

    WeightedModel(TransformerConfig config, Weights weights) {
        this.config = config;
        this.weights = weights;
    }

    /** The config, as it is after weight processing. */
    public TransformerConfig config() {
        return config;
    }

    /** A weight under its name in the graph, in the graph's flat layout. */
    public Tensor weight(String name) {
        return weights.flat(name);
    }

    /** Names of the weights in the graph. */
    public Set<String> weightNames() {
        return weights.names();
    }

    /**
     * The number of weights: all elements of all that the graph reads, embeddings, norms and biases included. A matrix that
     * the checkpoint ties to another counts twice, as it stands in the graph twice; {@link TransformerConfig#nParams}
     * counts as the original does.
     */
    @API(status = API.Status.EXPERIMENTAL, since = "0.1")
    public long parameterCount() {
        return weights.elements();
    }

    /** Token embedding [d_vocab, d_model]. */
    public Tensor W_E() {
        return weights.flat("embed.W_E");
    }

    /** Learned positions [n_ctx, d_model]. */
    public Tensor W_pos() {
        return weights.flat("pos_embed.W_pos");
    }

    /** Embedding and positions, one under the other [d_vocab + n_ctx, d_model]. */
    public Tensor W_E_pos() {
        return Tensor.concat(0, W_E(), W_pos());
    }

    /** Unembedding [d_model, d_vocab]. */
    public Tensor W_U() {
        return weights.flat("unembed.W_U");
    }

    /** Bias of the unembedding [d_vocab]. */
    public Tensor b_U() {
        return weights.flatOrZeros("unembed.b_U", config.dVocab());
    }

    /** Query weights [layer, head, d_model, d_head]. */
    public Tensor W_Q() {
        return weights.stacked(weights::query);
    }

    /** Key weights [layer, head, d_model, d_head]; grouped heads repeated. */
    public Tensor W_K() {
        return weights.stacked(layer -> weights.grouped(weights.ungrouped("W_K", layer)));
    }

    /** Value weights [layer, head, d_model, d_head]; grouped heads repeated. */
    public Tensor W_V() {
        return weights.stacked(layer -> weights.grouped(weights.ungrouped("W_V", layer)));
    }

    /** Key weights as they are [layer, kv_head, d_model, d_head]. */
    public Tensor _W_K() {
        return weights.stacked(layer -> weights.ungrouped("W_K", layer));
    }

    /** Value weights as they are [layer, kv_head, d_model, d_head]. */
    public Tensor _W_V() {
        return weights.stacked(layer -> weights.ungrouped("W_V", layer));
    }

    /** Output weights [layer, head, d_head, d_model]. */
    public Tensor W_O() {
        return weights.stacked(weights::output);
    }

    /** Query biases [layer, head, d_head]. */
    public Tensor b_Q() {
        return weights.stacked(layer -> weights.bias("b_Q", layer, config.nHeads()));
    }

    /** Key biases [layer, head, d_head]; grouped heads repeated. */
    public Tensor b_K() {
        return weights.stacked(layer -> weights.grouped(weights.bias("b_K", layer, config.nKeyValueHeads())));
    }

    /** Value biases [layer, head, d_head]; grouped heads repeated. */
    public Tensor b_V() {
        return weights.stacked(layer -> weights.grouped(weights.bias("b_V", layer, config.nKeyValueHeads())));
    }

    /** Output biases [layer, d_model]. */
    public Tensor b_O() {
        return weights.stackedFlatOrZeros("attn.b_O", config.dModel());
    }

    /** Weights into the MLP [layer, d_model, d_mlp]. */
    public Tensor W_in() {
        return weights.stackedFlat("mlp.W_in");
    }

    /** Gate weights of the MLP [layer, d_model, d_mlp]. */
    public Tensor W_gate() {
        return weights.stackedFlat("mlp.W_gate");
    }

    /** Biases into the MLP [layer, d_mlp]. */
    public Tensor b_in() {
        return weights.stackedFlatOrZeros("mlp.b_in", config.dMlp());
    }

    /** Weights out of the MLP [layer, d_mlp, d_model]. */
    public Tensor W_out() {
        return weights.stackedFlat("mlp.W_out");
    }

    /** Biases out of the MLP [layer, d_model]. */
    public Tensor b_out() {
        return weights.stackedFlatOrZeros("mlp.b_out", config.dModel());
    }
}
