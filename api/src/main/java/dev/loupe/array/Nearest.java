package dev.loupe.array;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;

/** Finds names that come near a misspelt one. */
@API(status = API.Status.STABLE, since = "0.1")
public final class Nearest {

    /** What is longer than this is no name that anybody meant; only so much of it is compared. */
    private static final int LONGEST = 200;

    private static final String HOOK = "hook_";

    private Nearest() {}

    /**
     * The {@code count} names that come nearest, the nearest first. Near is what takes few letters to change (Levenshtein),
     * in the whole name or in its last part: whoever asks for {@code patern} means {@code blocks.3.attn.hook_pattern}. The
     * name may be a pattern.
     */
    public static List<String> to(String name, Collection<String> known, int count) {
        String wanted = cut(name).toLowerCase(Locale.ROOT);
        Map<String, Integer> scores = new HashMap<>();
        known.forEach(candidate ->
                scores.put(candidate, score(wanted, cut(candidate).toLowerCase(Locale.ROOT))));
        return scores.keySet().stream()
                .sorted(Comparator.comparing((String candidate) -> scores.getOrDefault(candidate, 0))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(count)
                .toList();
    }

    private static String cut(String name) {
        return name.length() <= LONGEST ? name : name.substring(0, LONGEST);
    }

    private static int score(String a, String b) {
        int whole = distance(a, b);
        // A name that contains the other is near, however long it is.
        int near = b.contains(a) || a.contains(b) ? whole / 4 : whole;
        return Math.min(near, scoreOfLastParts(a, b));
    }

    /** How far the last parts are from each other; each part before it that the other name doesn't have counts as a letter. */
    private static int scoreOfLastParts(String a, String b) {
        List<String> others = Arrays.asList(b.split("\\.", -1));
        List<String> parts = Arrays.asList(a.split("\\.", -1));
        int missing = 0;
        for (String part : parts.subList(0, parts.size() - 1)) {
            missing += others.stream().anyMatch(other -> distance(part, other) == 0) ? 0 : 1;
        }
        return missing + distance(bare(parts.get(parts.size() - 1)), bare(others.get(others.size() - 1)));
    }

    private static String bare(String part) {
        return part.startsWith(HOOK) ? part.substring(HOOK.length()) : part;
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
