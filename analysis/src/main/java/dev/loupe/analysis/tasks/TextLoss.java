package dev.loupe.analysis.tasks;

import dev.loupe.analysis.Progress;
import dev.loupe.analysis.TextPieces;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * How well a model predicts text.
 *
 * @param loss mean cross-entropy of the predicted tokens, in nats
 * @param tokens how many tokens were predicted
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record TextLoss(double loss, long tokens) {

    /** e to the loss: how many tokens the model hesitates between. */
    public double perplexity() {
        return Math.exp(loss);
    }

    /**
     * The loss on texts. A text longer than the context is cut into pieces of the context's length, each with BOS in
     * front if that is the model's habit; the first token of a piece without BOS isn't predicted.
     *
     * @param context tokens in a piece; at most the model's n_ctx
     * @param batch pieces that are run together
     * @param progress told how many pieces are done
     * @throws IllegalArgumentException if there is nothing to predict
     */
    public static TextLoss of(HookedTransformer model, List<String> texts, int context, int batch, Progress progress) {
        TextPieces cutter = TextPieces.of(model, context, batch);
        List<long[]> pieces = new ArrayList<>();
        texts.forEach(text -> cutter.cut(text, pieces));
        double sum = 0;
        long count = 0;
        for (int from = 0; from < pieces.size(); from += batch) {
            int to = Math.min(pieces.size(), from + batch);
            Tokens tokens = Tokens.pad(pieces.subList(from, to), 0, false);
            try (Tensor losses = model.lossPerToken(tokens)) {
                for (double loss : losses.toDoubleArray()) {
                    sum += loss;
                }
            }
            for (long[] piece : pieces.subList(from, to)) {
                count += piece.length - 1;
            }
            progress.update(to, pieces.size());
        }
        if (count == 0) {
            throw new IllegalArgumentException(
                    "There is nothing to predict in " + texts.size() + " texts of " + pieces.size() + " pieces");
        }
        return new TextLoss(sum / count, count);
    }
}
