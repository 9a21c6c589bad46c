package dev.loupe.analysis.heads;

import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A head and its score.
 *
 * @param layer counted from 0
 * @param head counted from 0
 * @param score as {@link HeadScores} gave it
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record RankedHead(int layer, int head, double score) {

    /** All heads, the highest score first; of equal ones the earlier head. */
    public static List<RankedHead> of(Tensor scores) {
        if (scores.shape().rank() != 2) {
            throw new IllegalArgumentException("Scores of heads are [layer, head], found " + scores.shape());
        }
        double[] flat = scores.toDoubleArray();
        int heads = (int) scores.size(1);
        List<RankedHead> ranked = new ArrayList<>();
        for (int i = 0; i < flat.length; i++) {
            ranked.add(new RankedHead(i / heads, i % heads, flat[i]));
        }
        ranked.sort(Comparator.comparingDouble(RankedHead::score).reversed());
        return ranked;
    }

    /** The name that papers give it: {@code L5H1}. */
    public String name() {
        return "L" + layer + "H" + head;
    }
}
