package dev.loupe.architectures.decoder;

import static dev.loupe.architecture.StandardNames.SELECTED;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.graph.Axis;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;

/** The final norm, the logits, and the loss of every next token. */
final class Unembedding {

    private static final String NORM = "ln_final";

    private Unembedding() {}

    static void build(DecoderParts parts, Value residual) {
        GraphBuilder b = parts.builder();
        Value normalized = parts.normalize(NORM, residual);
        if (parts.options().selectPositions()) {
            Value selected = parts.input(StandardNames.SELECTED_POSITIONS, DType.INT64, SELECTED);
            normalized = b.gather(normalized, 1, selected);
        }
        Value x = b.hook("unembed.hook_in", parts.withParameters(NORM, normalized), Axis.BATCH, Axis.POS, Axis.D_MODEL);
        Value logits = parts.softCapped(
                b.hook("unembed.hook_out", parts.project(x, "unembed.", "U"), Axis.BATCH, Axis.POS, Axis.D_VOCAB),
                parts.config().logitSoftCap());
        b.output(StandardNames.LOGITS, logits);
        if (!parts.options().selectPositions() && !parts.options().keyValueCache()) {
            b.output(StandardNames.LOSS_PER_TOKEN, loss(parts, logits));
        }
    }

    // 16 bits hold about three digits of a logarithm: the loss is computed in at least 32.
    private static Value loss(DecoderParts parts, Value logits) {
        GraphBuilder b = parts.builder();
        Value predicting = b.cast(b.slice(logits, 1, 0, -1), parts.wideType());
        Value next = b.unsqueeze(b.slice(parts.tokens(), 1, 1, Op.Slice.TO_END), -1);
        Value logProbabilities = b.apply(new Op.LogSoftmax(2), predicting);
        Value ofNext = b.merge(b.apply(new Op.GatherElements(2), logProbabilities, next), 1, 2);
        Value mask = parts.tokenMask();
        Value bothReal = b.binary(Op.BinaryKind.AND, b.slice(mask, 1, 0, -1), b.slice(mask, 1, 1, Op.Slice.TO_END));
        return b.where(bothReal, b.unary(Op.UnaryKind.NEG, ofNext), b.scalar(0, ofNext));
    }
}
