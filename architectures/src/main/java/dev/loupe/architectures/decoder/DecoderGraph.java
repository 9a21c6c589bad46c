package dev.loupe.architectures.decoder;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.architecture.GraphOptions;
import dev.loupe.architecture.StandardNames;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.Axis;
import dev.loupe.graph.Graph;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;
import org.apiguardian.api.API;

/**
 * Builds the graph of a decoder-only transformer from its config: embedding, blocks of attention and MLP (one
 * after the other, or side by side), final norm and unembedding, with every hook point of the specification
 * in the order in which it fires. The weights have the names of {@link DecoderWeights}.
 *
 * <p>The graph takes the way on which all hook points lie; {@linkplain dev.loupe.graph.Shortcut shortcuts}
 * say where a run on which nobody looks may go faster: a fused attention instead of scores and pattern, one
 * matrix product for all heads instead of one for each.
 *
 * <p>What varies: layer norm or RMS norm, with parameters or without; learned, rotary or no positions; grouped
 * heads; every bias; a soft cap of the logits; and from block to block what {@link BlockSpec} says: window, rotary
 * settings, soft cap of the scores, norms of queries and keys, norms behind attention and MLP, plain or gated MLP or
 * none, attention and MLP side by side.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DecoderGraph {

    private DecoderGraph() {}

    /**
     * The graph of a model, of standard parts.
     *
     * @throws IllegalArgumentException if the config names an activation function that {@link
     *     ActivationFunctions} doesn't have, or a context beyond the reach of its rotary positions
     */
    public static Graph build(TransformerConfig config, GraphOptions options) {
        return build(config, options, attention(), mlp());
    }

    /**
     * The graph of a model, of parts of the family's own choice.
     *
     * @param attention between {@code hook_resid_pre} and the sum with it
     * @param mlp the other half of each block that has an MLP
     * @throws IllegalArgumentException if the config names an activation function that {@link
     *     ActivationFunctions} doesn't have, or a context beyond the reach of its rotary positions
     */
    public static Graph build(TransformerConfig config, GraphOptions options, BlockPart attention, BlockPart mlp) {
        RotarySettings.checkReach(config);
        DecoderParts parts = new DecoderParts(new GraphBuilder(), config, options);
        GraphBuilder b = parts.builder();
        b.region("embed");
        Value residual = Embedding.build(parts);
        parts.prepare();
        b.output(StandardNames.residualEntering(0), residual);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            b.region("blocks." + layer);
            residual = block(parts, layer, residual, attention, mlp);
            b.output(StandardNames.residualEntering(layer + 1), residual);
        }
        b.region("unembed");
        Unembedding.build(parts, residual);
        return b.build();
    }

    /** Attention as {@link BlockSpec} describes it. */
    public static BlockPart attention() {
        return (parts, layer, residual) -> new AttentionBlock(parts, layer, null).build(residual);
    }

    /** Attention as {@link BlockSpec} describes it, with something added to its scores. */
    public static BlockPart attention(ScoreBias bias) {
        return (parts, layer, residual) -> new AttentionBlock(parts, layer, bias).build(residual);
    }

    /** The MLP as {@link BlockSpec} describes it. */
    public static BlockPart mlp() {
        return MlpBlock::build;
    }

    private static Value block(DecoderParts parts, int layer, Value entering, BlockPart attention, BlockPart mlp) {
        GraphBuilder b = parts.builder();
        BlockSpec spec = parts.config().block(layer);
        Value before =
                b.hook(DecoderWeights.inBlock(layer, "hook_resid_pre"), entering, Axis.BATCH, Axis.POS, Axis.D_MODEL);
        Value attended = attention.build(parts, layer, before);
        Value after;
        if (spec.mlp() == BlockSpec.Mlp.NONE) {
            after = b.add(before, attended);
        } else if (spec.parallel()) {
            Value computed = mlp.build(parts, layer, before);
            after = b.add(b.add(before, attended), computed);
        } else {
            Value middle = b.hook(
                    DecoderWeights.inBlock(layer, "hook_resid_mid"),
                    b.add(before, attended),
                    Axis.BATCH,
                    Axis.POS,
                    Axis.D_MODEL);
            after = b.add(middle, mlp.build(parts, layer, middle));
        }
        return b.hook(DecoderWeights.inBlock(layer, "hook_resid_post"), after, Axis.BATCH, Axis.POS, Axis.D_MODEL);
    }
}
