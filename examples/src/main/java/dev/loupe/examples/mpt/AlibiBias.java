package dev.loupe.examples.mpt;

import dev.loupe.architectures.decoder.DecoderParts;
import dev.loupe.architectures.decoder.ScoreBias;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.GraphBuilder;
import dev.loupe.graph.Value;

/**
 * Attention with linear biases (Press et al. 2022): the further back a key lies, the lower its score, in each head by a
 * slope of its own.
 *
 * @param steepest the slopes are 2 to the powers of −steepest/heads, −2·steepest/heads, … −steepest
 */
record AlibiBias(double steepest) implements ScoreBias {

    @Override
    public Value build(DecoderParts parts, int layer) {
        GraphBuilder b = parts.builder();
        double[] slopes = slopes(parts.config().nHeads());
        HostTensor numbers =
                HostTensor.of(Shape.of(slopes.length, 1, 1), slopes).to(parts.wideType());
        Value bySlope = b.constant("blocks." + layer + ".alibi.slopes", numbers);
        // [batch, 1, 1, keys] − [batch, 1, pos, 1]: how far each key lies behind each query, in tokens.
        Value keys = b.unsqueeze(b.unsqueeze(b.cast(parts.keyPositions(), parts.wideType()), 1), 1);
        Value queries = b.unsqueeze(b.unsqueeze(b.cast(parts.positions(), parts.wideType()), 1), -1);
        Value bias = b.mul(b.sub(keys, queries), bySlope);
        return b.cast(bias, parts.options().dtype());
    }

    /** Of a number of heads that is no power of two: every other slope of the next larger one, the rest after them. */
    double[] slopes(int heads) {
        int power = Integer.highestOneBit(Math.max(1, 2 * heads - 1));
        double[] slopes = new double[heads];
        for (int head = 0; head < heads; head++) {
            int number = head + 1;
            if (power != heads) {
                number = head < power / 2 ? 2 * head + 2 : 2 * (head - power / 2) + 1;
            }
            slopes[head] = Math.pow(2, -number * steepest / power);
        }
        return slopes;
    }
}
