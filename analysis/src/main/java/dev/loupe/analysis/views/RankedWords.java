package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The words of a heat map's cells, the best first: each word's text once, and in the cells its place and share. */
final class RankedWords {

    private final List<String> vocabulary;
    private final int[][][] ids;
    private final double[][][] shares;

    RankedWords(List<String> vocabulary, int[][][] ids, double[][][] shares) {
        this.vocabulary = List.copyOf(vocabulary);
        this.ids = ids;
        this.shares = shares;
    }

    void requireSize(String title, int rows, int columns) {
        boolean fits = ids.length == rows && shares.length == rows;
        for (int row = 0; fits && row < rows; row++) {
            fits = ids[row].length == columns && shares[row].length == columns;
            for (int column = 0; fits && column < columns; column++) {
                int words = ids[row][column].length;
                fits = words > 0 && words == shares[row][column].length;
                for (int id : ids[row][column]) {
                    fits &= id >= 0 && id < vocabulary.size();
                }
            }
        }
        if (!fits) {
            throw new IllegalArgumentException("The words of '" + title + "' don't fit: " + rows + " rows of " + columns
                    + " cells need a word or more each, of the " + vocabulary.size()
                    + " there are, and a share for each");
        }
    }

    List<String> vocabulary() {
        return vocabulary;
    }

    /** The best word of each cell. */
    List<List<String>> best() {
        List<List<String>> rows = new ArrayList<>();
        for (int[][] row : ids) {
            List<String> words = new ArrayList<>();
            for (int[] cell : row) {
                words.add(vocabulary.get(cell[0]));
            }
            rows.add(words);
        }
        return rows;
    }

    Map<String, Object> json() {
        return Map.of("vocabulary", vocabulary, "ids", ids, "shares", shares);
    }
}
