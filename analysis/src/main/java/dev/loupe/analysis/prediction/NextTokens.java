package dev.loupe.analysis.prediction;

import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/** The likeliest next tokens at places of a batch. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class NextTokens {

    private NextTokens() {}

    /**
     * A token that may come next.
     *
     * @param id its id
     * @param logit its logit
     * @param probability its share of the softmax over all tokens
     */
    public record Candidate(long id, double logit, double probability) {}

    /**
     * What may come after one token of one sequence.
     *
     * @param row the sequence in its batch
     * @param position the token's position, padding counted
     * @param after the token's id
     * @param candidates the likeliest first
     */
    public record Place(int row, int position, long after, List<Candidate> candidates) {
        /** Copies the list. */
        public Place {
            candidates = List.copyOf(candidates);
        }
    }

    /**
     * After the last real token of each sequence.
     *
     * @param logits [batch, pos, d_vocab]
     * @param count how many candidates, at most as many as there are tokens
     */
    public static List<Place> afterEach(Tensor logits, Tokens tokens, int count) {
        return places(logits, tokens, count, false);
    }

    /**
     * After every real token of each sequence.
     *
     * @param logits [batch, pos, d_vocab]
     * @param count how many candidates, at most as many as there are tokens
     */
    public static List<Place> afterEveryToken(Tensor logits, Tokens tokens, int count) {
        return places(logits, tokens, count, true);
    }

    private static List<Place> places(Tensor logits, Tokens tokens, int count, boolean everywhere) {
        if (count < 1) {
            throw new IllegalArgumentException("At least one candidate must be asked for, got " + count);
        }
        if (logits.shape().rank() != 3 || logits.size(0) != tokens.batch() || logits.size(1) != tokens.positions()) {
            throw new IllegalArgumentException("Logits of " + tokens.batch() + " sequences with " + tokens.positions()
                    + " positions are needed, [batch, pos, d_vocab]; found " + logits.shape());
        }
        int k = (int) Math.min(count, logits.size(-1));
        Tensor.TopK best = logits.topk(k, -1);
        double[] values = best.values().toDoubleArray();
        long[] ids = best.indices().toLongArray();
        double[] normalizers = logits.logSumExp(-1).toDoubleArray();
        List<Place> places = new ArrayList<>();
        for (int row = 0; row < tokens.batch(); row++) {
            for (int position = 0; position < tokens.positions(); position++) {
                if (tokens.isReal(row, position) && (everywhere || position == tokens.lastReal(row))) {
                    int place = row * tokens.positions() + position;
                    List<Candidate> candidates = new ArrayList<>();
                    for (int i = place * k; i < (place + 1) * k; i++) {
                        candidates.add(new Candidate(ids[i], values[i], Math.exp(values[i] - normalizers[place])));
                    }
                    places.add(new Place(row, position, tokens.id(row, position), candidates));
                }
            }
        }
        return places;
    }
}
