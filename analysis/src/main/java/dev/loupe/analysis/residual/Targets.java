package dev.loupe.analysis.residual;

import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import org.apiguardian.api.API;

/** The tokens whose logits are asked about: one for all, one for each sequence, or one for each position. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Targets {

    private final long[][] ids;
    private final int rank;

    private Targets(long[][] ids, int rank) {
        this.ids = ids;
        this.rank = rank;
    }

    /** One token for all sequences and positions. */
    public static Targets id(long token) {
        return new Targets(new long[][] {{token}}, 0);
    }

    /**
     * One token for all, by its text.
     *
     * @throws IllegalArgumentException if the text isn't one token; says which tokens it has
     */
    public static Targets text(HookedTransformer model, String token) {
        return id(model.toSingleToken(token));
    }

    /** One token for each sequence of the batch, the same at every position. */
    public static Targets perRow(long... tokens) {
        return new Targets(new long[][] {tokens.clone()}, 1);
    }

    /** One token for each position of each sequence. */
    public static Targets perPosition(Tokens tokens) {
        return new Targets(tokens.ids(), 2);
    }

    /** One token for each position of each sequence [batch][pos]. */
    public static Targets perPosition(long[][] tokens) {
        long[][] copy = new long[tokens.length][];
        for (int i = 0; i < copy.length; i++) {
            copy[i] = tokens[i].clone();
        }
        return new Targets(copy, 2);
    }

    /** 0 for one token, 1 for one each sequence, 2 for one each position. */
    int rank() {
        return rank;
    }

    /** int64 [], [batch] or [batch, pos]. */
    Tensor tensor(TensorFactory factory, int vocabulary) {
        int width = ids.length == 0 ? 0 : ids[0].length;
        long[] flat = new long[ids.length * width];
        for (int row = 0; row < ids.length; row++) {
            if (ids[row].length != width) {
                throw new IllegalArgumentException(
                        "Rows of tokens differ in length: " + width + " and " + ids[row].length);
            }
            for (int i = 0; i < width; i++) {
                if (ids[row][i] < 0 || ids[row][i] >= vocabulary) {
                    throw new IllegalArgumentException(
                            "There is no token " + ids[row][i] + ": the model has ids from 0 to " + (vocabulary - 1));
                }
                flat[row * width + i] = ids[row][i];
            }
        }
        return switch (rank) {
            case 0 -> factory.of(flat, new long[0]);
            case 1 -> factory.of(flat, width);
            default -> factory.of(flat, ids.length, width);
        };
    }

    @Override
    public String toString() {
        return java.util.Arrays.deepToString(ids);
    }
}
