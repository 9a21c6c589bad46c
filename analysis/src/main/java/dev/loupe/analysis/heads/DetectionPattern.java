package dev.loupe.analysis.heads;

import dev.loupe.model.Tokens;
import org.apiguardian.api.API;

/**
 * Where a kind of head would look: for each sequence, 1 at each (query, key) that it attends to and 0 elsewhere. Padding
 * attends to nothing and is attended to by nothing.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DetectionPattern {

    private interface Rule {
        boolean holds(Tokens tokens, int row, int query, int key);
    }

    private final double[][][] weights;

    private DetectionPattern(double[][][] weights) {
        this.weights = weights;
    }

    /**
     * A pattern of one's own.
     *
     * @param weights [batch][query][key]; 0 where the key comes after the query
     */
    public static DetectionPattern of(double[][][] weights) {
        double[][][] copy = new double[weights.length][][];
        for (int row = 0; row < copy.length; row++) {
            int length = weights[row].length;
            copy[row] = new double[length][];
            for (int query = 0; query < length; query++) {
                if (weights[row][query].length != length) {
                    throw new IllegalArgumentException("A pattern is square; row " + row + " has " + length
                            + " queries and " + weights[row][query].length + " keys");
                }
                copy[row][query] = weights[row][query].clone();
                for (int key = query + 1; key < length; key++) {
                    if (copy[row][query][key] != 0) {
                        throw new IllegalArgumentException("No head can look ahead, from " + query + " to " + key);
                    }
                }
            }
        }
        return new DetectionPattern(copy);
    }

    private static DetectionPattern where(Tokens tokens, Rule rule) {
        int length = tokens.positions();
        double[][][] weights = new double[tokens.batch()][length][length];
        for (int row = 0; row < weights.length; row++) {
            for (int query = 0; query < length; query++) {
                for (int key = 0; key <= query; key++) {
                    boolean real = tokens.isReal(row, query) && tokens.isReal(row, key);
                    weights[row][query][key] = real && rule.holds(tokens, row, query, key) ? 1 : 0;
                }
            }
        }
        return new DetectionPattern(weights);
    }

    /** The token before. */
    public static DetectionPattern previousToken(Tokens tokens) {
        return where(tokens, (t, row, query, key) -> key == query - 1);
    }

    /** Earlier occurrences of the same token. */
    public static DetectionPattern duplicateToken(Tokens tokens) {
        return where(tokens, (t, row, query, key) -> key < query && t.id(row, key) == t.id(row, query));
    }

    /** The tokens that came after earlier occurrences of the same token. */
    public static DetectionPattern induction(Tokens tokens) {
        return where(
                tokens,
                (t, row, query, key) -> key > 0 && t.isReal(row, key - 1) && t.id(row, key - 1) == t.id(row, query));
    }

    int batch() {
        return weights.length;
    }

    int positions() {
        return weights[0].length;
    }

    double weight(int row, int query, int key) {
        return weights[row][query][key];
    }
}
