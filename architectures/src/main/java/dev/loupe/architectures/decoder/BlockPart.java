package dev.loupe.architectures.decoder;

import dev.loupe.graph.Value;
import org.apiguardian.api.API;

/**
 * Half a block: something that reads the residual stream and says what is to be added to it, hook points on the way.
 * {@link DecoderGraph#attention} and {@link DecoderGraph#mlp} are the standard ones; a family may bring its own.
 */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface BlockPart {

    /**
     * Adds the part to the graph.
     *
     * @param parts the builder, the config, and what all parts share
     * @param layer from 0; hook points and weights are named by {@link DecoderWeights#inBlock}
     * @param residual the residual stream {@code [batch, pos, d_model]}
     * @return what is added to it, {@code [batch, pos, d_model]}: what leaves {@code hook_attn_out} or {@code
     *     hook_mlp_out}
     */
    Value build(DecoderParts parts, int layer, Value residual);
}
