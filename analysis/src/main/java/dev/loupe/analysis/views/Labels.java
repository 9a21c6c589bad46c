package dev.loupe.analysis.views;

import java.util.ArrayList;
import java.util.List;

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
