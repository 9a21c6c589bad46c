package dev.loupe.analysis.heads;

import dev.loupe.tensor.Tensor;
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
        return scores.topEntries((int) scores.elements()).stream()
                .map(entry -> new RankedHead(entry.index().get(0), entry.index().get(1), entry.value()))
                .toList();
    }

    /** The name that papers give it: {@code L5H1}. */
    public String name() {
        return "L" + layer + "H" + head;
    }
}
