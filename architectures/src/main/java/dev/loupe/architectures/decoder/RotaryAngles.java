package dev.loupe.architectures.decoder;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import org.jspecify.annotations.Nullable;

/**
 * Cosines and sines by which queries and keys are rotated, computed once for all layers that have one kind of
 * rotation; none where nothing is rotated.
 */
final class RotaryAngles {

    static final RotaryAngles NONE = new RotaryAngles(null, null);

    private static final String FREQUENCIES = "rotary.inverse_frequencies";

    private final @Nullable Turn queries;
    private final @Nullable Turn keys;

    /** Both {@code [batch, positions, dims/2]}. */
    private record Turn(Value cos, Value sin) {}

    private RotaryAngles(@Nullable Turn queries, @Nullable Turn keys) {
        this.queries = queries;
        this.keys = keys;
    }

    /**
     * The angles of one kind of layers.
     *
     * @param number of the kind, 0 for the first
     */
    static RotaryAngles build(DecoderParts parts, TransformerConfig.Rotary rotary, int number) {
        GraphBuilder b = parts.builder();
        double[] numbers = rotary.inverseFrequencies();
        HostTensor constant = HostTensor.of(Shape.of(numbers.length), numbers).to(parts.wideType());
        Value frequencies = b.constant(number == 0 ? FREQUENCIES : FREQUENCIES + "." + number, constant);
        Turn queries = turn(parts, parts.positions(), frequencies, rotary.attentionScaling());
        if (!parts.options().keyValueCache()) {
            return new RotaryAngles(queries, queries);
        }
        return new RotaryAngles(queries, turn(parts, parts.keyPositions(), frequencies, rotary.attentionScaling()));
    }

    // In 16 bits a position beyond 2,048 (bfloat16: 256) couldn't even be told from its neighbour, so angles
    // are computed in at least 32 and only their cosines and sines narrowed.
    private static Turn turn(DecoderParts parts, Value positions, Value frequencies, double scaling) {
        GraphBuilder b = parts.builder();
        Value angles = b.mul(b.unsqueeze(b.cast(positions, parts.wideType()), -1), frequencies);
        Value cos = b.unary(Op.UnaryKind.COS, angles);
        Value sin = b.unary(Op.UnaryKind.SIN, angles);
        if (scaling != 1) {
            cos = b.mul(cos, b.scalar(scaling, cos));
            sin = b.mul(sin, b.scalar(scaling, sin));
        }
        DType dtype = parts.options().dtype();
        return new Turn(b.cast(cos, dtype), b.cast(sin, dtype));
    }

    /** Rotates queries {@code [batch, pos, head, d_head]} and puts a hook point behind. */
    Value rotateQueries(GraphBuilder b, Value q, String hookName) {
        return rotate(b, q, queries, hookName, Axis.HEAD);
    }

    /** Rotates keys {@code [batch, keys, head, d_head]} and puts a hook point behind. */
    Value rotateKeys(GraphBuilder b, Value k, String hookName) {
        return rotate(b, k, keys, hookName, Axis.KV_HEAD);
    }

    private static Value rotate(GraphBuilder b, Value x, @Nullable Turn turn, String hookName, Axis heads) {
        if (turn == null) {
            return x;
        }
        Value turned = b.apply(new Op.Rotate(), x, turn.cos(), turn.sin());
        return b.hook(hookName, turned, Axis.BATCH, Axis.POS, heads, Axis.D_HEAD);
    }
}
