package dev.loupe.analysis.views;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Writes the data of a page. What HTML could take for its own is escaped, so that the result can stand in a script
 * element whatever the labels are.
 */
final class Json {

    private Json() {}

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof String text) {
            string(text, out);
        } else if (value instanceof Map<?, ?> map) {
            out.append('{');
            Iterator<? extends Map.Entry<?, ?>> entries = map.entrySet().iterator();
            while (entries.hasNext()) {
                Map.Entry<?, ?> entry = entries.next();
                string((String) entry.getKey(), out);
                out.append(':');
                write(entry.getValue(), out);
                out.append(entries.hasNext() ? "," : "");
            }
            out.append('}');
        } else if (value instanceof List<?> list) {
            out.append('[');
            for (int i = 0; i < list.size(); i++) {
                out.append(i == 0 ? "" : ",");
                write(list.get(i), out);
            }
            out.append(']');
        } else if (value instanceof int[] numbers) {
            write(Arrays.stream(numbers).boxed().toList(), out);
        } else if (value instanceof double[][]
                || value instanceof double[][][]
                || value instanceof int[][][]
                || value instanceof int[][]) {
            write(Arrays.asList((Object[]) value), out);
        } else if (value instanceof double[] numbers) {
            out.append('[');
            for (int i = 0; i < numbers.length; i++) {
                out.append(i == 0 ? "" : ",");
                number(numbers[i], out);
            }
            out.append(']');
        } else if (value instanceof Double one) {
            number(one, out);
        } else if (value instanceof Integer || value instanceof Boolean) {
            out.append(value);
        } else {
            throw new IllegalArgumentException("No JSON for a " + value.getClass());
        }
    }

    /** Five digits are more than a picture shows, and keep pages small. What isn't a number is null. */
    private static void number(double number, StringBuilder out) {
        if (!Double.isFinite(number)) {
            out.append("null");
        } else if (number == 0) {
            out.append('0');
        } else {
            int digits = 4 - (int) Math.floor(Math.log10(Math.abs(number)));
            if (digits < 0 || digits > 15) {
                out.append((float) number);
            } else {
                double factor = Math.pow(10, digits);
                double rounded = Math.rint(number * factor) / factor;
                if (rounded == Math.rint(rounded)) {
                    out.append((long) rounded);
                } else {
                    out.append(rounded);
                }
            }
        }
    }

    private static void string(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean plain =
                    c >= ' ' && c < 0x7F && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != '\'';
            // Letters of all languages stay readable; separators, surrogates left alone and the like are escaped.
            if (plain || Character.isLetterOrDigit(c)) {
                out.append(c);
            } else {
                out.append("\\u");
                out.append(Character.forDigit(c >> 12, 16)).append(Character.forDigit(c >> 8 & 15, 16));
                out.append(Character.forDigit(c >> 4 & 15, 16)).append(Character.forDigit(c & 15, 16));
            }
        }
        out.append('"');
    }
}
