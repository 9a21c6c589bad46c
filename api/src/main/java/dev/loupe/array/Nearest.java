package dev.loupe.array;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Finds names that come near a misspelt one. */
public final class Nearest {

    private Nearest() {}

    /** The {@code count} names with the smallest edit distance (Levenshtein), the nearest first; the name may be a pattern. */
    public static List<String> to(String name, Collection<String> known, int count) {
        String wanted = name.toLowerCase(Locale.ROOT);
        return known.stream()
                .sorted(Comparator.comparingInt((String candidate) -> score(wanted, candidate.toLowerCase(Locale.ROOT)))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(count)
                .toList();
    }

    private static int score(String a, String b) {
        int distance = distance(a, b);
        // A name that contains the other is near, however long it is.
        return b.contains(a) || a.contains(b) ? distance / 4 : distance;
    }

    /** Letters to change, add or drop. In a pattern, {@code *} stands for any letters and {@code ?} for one. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            char c = a.charAt(i - 1);
            int diagonal = row[0];
            row[0] += c == '*' ? 0 : 1;
            for (int j = 1; j < row.length; j++) {
                int above = row[j];
                int substituted = diagonal + (c == b.charAt(j - 1) || c == '?' ? 0 : 1);
                int skipped = Math.min(above, row[j - 1]);
                row[j] = c == '*' ? skipped : Math.min(substituted, skipped + 1);
                diagonal = above;
            }
        }
        return row[b.length()];
    }
}
