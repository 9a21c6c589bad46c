package dev.loupe.architectures.decoder;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.graph.Axis;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;

/** Tokens, and learned positions where there are any, to the residual stream. */
final class Embedding {

    private Embedding() {}

    static Value build(DecoderParts parts) {
        GraphBuilder b = parts.builder();
        Value tokens = b.gather(parts.weight(DecoderWeights.EMBEDDING), 0, parts.tokens());
        Value embedded = b.hook("hook_embed", tokens, Axis.BATCH, Axis.POS, Axis.D_MODEL);
        if (parts.config().positions() != TransformerConfig.Positions.LEARNED) {
            return embedded;
        }
        Value rows = b.gather(parts.weight(DecoderWeights.POSITIONS), 0, parts.positions());
        Value isToken = b.unsqueeze(parts.tokenMask(), -1);
        Value positions =
                b.hook("hook_pos_embed", b.where(isToken, rows, b.scalar(0, rows)), Axis.BATCH, Axis.POS, Axis.D_MODEL);
        return b.add(embedded, positions);
    }
}
