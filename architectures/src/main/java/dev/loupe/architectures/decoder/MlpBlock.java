package dev.loupe.architectures.decoder;

import dev.loupe.architecture.BlockSpec;
import dev.loupe.graph.Axis;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;

/**
 * The MLP of one block, from the residual stream to {@code hook_mlp_out}.
 *
 * <p>A gated MLP computes {@code act(x·W_gate + b_gate) · (x·W_in + b_in)}: each bias belongs to its product,
 * as in Hugging Face's LLaMA. (The original adds {@code b_in} after the product with the gate; there it is
 * zero in every model that it loads, so that both agree wherever both exist.)
 */
final class MlpBlock {

    private static final Axis[] HIDDEN = {Axis.BATCH, Axis.POS, Axis.D_MLP};

    private MlpBlock() {}

    static Value build(DecoderParts parts, int layer, Value residual) {
        GraphBuilder b = parts.builder();
        String scope = DecoderWeights.inBlock(layer, "mlp.");
        Value input = b.optionalHook(
                DecoderWeights.inBlock(layer, "hook_mlp_in"), residual, Axis.BATCH, Axis.POS, Axis.D_MODEL);
        // What the MLP itself reads, where circuit-tracer's transcoders do.
        Value x = b.optionalHook(
                scope + "hook_in", parts.normalizeBefore(layer, "ln2", input), Axis.BATCH, Axis.POS, Axis.D_MODEL);
        Value post = parts.config().block(layer).mlp() == BlockSpec.Mlp.GATED
                ? gated(parts, scope, x)
                : plain(parts, scope, x);
        Value hidden = b.hook(scope + "hook_post", post, HIDDEN);
        return b.hook(
                DecoderWeights.inBlock(layer, "hook_mlp_out"),
                parts.normalizeAfter(layer, "ln2_post", parts.project(hidden, scope, "out")),
                Axis.BATCH,
                Axis.POS,
                Axis.D_MODEL);
    }

    private static Value plain(DecoderParts parts, String scope, Value x) {
        Value pre = parts.builder().hook(scope + "hook_pre", parts.project(x, scope, "in"), HIDDEN);
        return activate(parts, pre);
    }

    private static Value gated(DecoderParts parts, String scope, Value x) {
        GraphBuilder b = parts.builder();
        Value pre = b.hook(scope + "hook_pre", parts.project(x, scope, "gate"), HIDDEN);
        Value linear = b.hook(scope + "hook_pre_linear", parts.project(x, scope, "in"), HIDDEN);
        return b.mul(activate(parts, pre), linear);
    }

    private static Value activate(DecoderParts parts, Value pre) {
        return ActivationFunctions.apply(parts.config().activation(), parts.builder(), pre);
    }
}
