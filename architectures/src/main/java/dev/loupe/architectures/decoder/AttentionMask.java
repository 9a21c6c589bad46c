package dev.loupe.architectures.decoder;

import static dev.loupe.architecture.StandardNames.BATCH;
import static dev.loupe.architecture.StandardNames.POS;

import dev.loupe.architecture.StandardNames;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import dev.loupe.graph.Dim;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import org.jspecify.annotations.Nullable;

/**
 * Which keys a query may look at, computed once for all layers that have one window.
 *
 * @param allowed bool {@code [batch, 1, pos, keys]}
 */
record AttentionMask(Value allowed) {

    static AttentionMask build(DecoderParts parts, @Nullable Integer window) {
        GraphBuilder b = parts.builder();
        Dim keys = parts.keyCount();
        Value realKeys = parts.input(StandardNames.ATTENTION_MASK, DType.BOOL, BATCH, keys);
        Value queryIndex = parts.input(StandardNames.QUERY_INDEX, DType.INT64, POS);
        // Without a cache the keys are the queries: one input less.
        Value keyIndex =
                parts.options().keyValueCache() ? parts.input(StandardNames.KEY_INDEX, DType.INT64, keys) : queryIndex;
        Value visible = visible(b, b.unsqueeze(queryIndex, 1), b.unsqueeze(keyIndex, 0), window);
        Value real = b.unsqueeze(b.unsqueeze(realKeys, 1), 1);
        return new AttentionMask(b.binary(Op.BinaryKind.AND, real, visible));
    }

    private static Value visible(GraphBuilder b, Value query, Value key, @Nullable Integer window) {
        Value causal = b.binary(Op.BinaryKind.LE, key, query);
        if (window == null) {
            return causal;
        }
        Value width = b.apply(new Op.Full(DType.INT64, Shape.SCALAR, window));
        return b.binary(Op.BinaryKind.AND, causal, b.binary(Op.BinaryKind.GT, key, b.sub(query, width)));
    }
}
