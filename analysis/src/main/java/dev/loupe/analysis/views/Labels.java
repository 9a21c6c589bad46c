package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Labels as they can be seen: a leading or trailing space matters in a token. */
final class Labels {

    private Labels() {}

    /** The text with outer spaces as middle dots and control characters as escapes. */
    static String visible(String text) {
        int start = 0;
        int end = text.length();
        while (start < end && text.charAt(start) == ' ') {
            start++;
        }
        while (end > start && text.charAt(end - 1) == ' ') {
            end--;
        }
        StringBuilder out = new StringBuilder("·".repeat(start));
        for (int i = start; i < end; i++) {
            char c = text.charAt(i);
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    boolean pair =
                            Character.isHighSurrogate(c) && i + 1 < end && Character.isLowSurrogate(text.charAt(i + 1));
                    if (pair) {
                        out.append(c).append(text.charAt(++i));
                    } else if (Character.isISOControl(c) || Character.isSurrogate(c) || c >= 0xFFFE) {
                        out.append("\\u")
                                .append(Integer.toHexString(0x10000 | c).substring(1));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        return out.append("·".repeat(text.length() - end)).toString();
    }

    /**
     * A special token's label in a few letters, for cells and axes: {@code ⟨eot⟩} for {@code <|endoftext|>}, {@code
     * ⟨boh⟩} of {@code <|begin_of_header|>}. Any other label as it is.
     */
    static String brief(String label) {
        boolean special = label.length() > 7 && label.startsWith("<|") && label.endsWith("|>");
        if (!special) {
            return label;
        }
        String name = label.substring(2, label.length() - 2);
        if (name.equals("endoftext")) {
            return "⟨eot⟩";
        }
        StringBuilder initials = new StringBuilder();
        for (String word : name.split("_", -1)) {
            initials.append(word.isEmpty() ? "" : word.substring(0, word.offsetByCodePoints(0, 1)));
        }
        return initials.length() > 1 ? "⟨" + initials + "⟩" : label;
    }

    /** Those labels whose brief form differs, with it. */
    static Map<String, String> briefs(List<String> labels) {
        Map<String, String> briefs = new TreeMap<>();
        for (String label : labels) {
            String brief = brief(label);
            if (!brief.equals(label)) {
                briefs.put(label, brief);
            }
        }
        return briefs;
    }

    static List<String> visible(List<String> texts) {
        return texts.stream().map(Labels::visible).toList();
    }

    /** 0, 1, …, count−1. */
    static List<String> numbers(int count) {
        List<String> labels = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            labels.add(Integer.toString(i));
        }
        return labels;
    }
}
