package dev.loupe.array;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A strict reader of JSON: this module has no dependencies, and what it reads needs no more. Numbers are
 * Long or Double; an object in which a name occurs twice is refused, for then nobody knows what it says.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Json {

    private static final int MAX_DEPTH = 32;

    private final String text;
    private int position;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /**
     * Parses a text that is one JSON value, with white space around it.
     *
     * @throws JsonException if it isn't; says what was expected at which character
     */
    public static @Nullable Object parse(String text) throws JsonException {
        Json json = new Json(text);
        Object value = json.value();
        json.skipSpace();
        if (json.position < text.length()) {
            throw json.expected("the end");
        }
        return value;
    }

    private @Nullable Object value() throws JsonException {
        skipSpace();
        switch (peek()) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", true);
            case 'f':
                return word("false", false);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, @Nullable Object> object() throws JsonException {
        Map<String, @Nullable Object> result = new LinkedHashMap<>();
        enter();
        skipSpace();
        if (peek() == '}') {
            return leave(result);
        }
        while (true) {
            skipSpace();
            int start = position;
            String key = string();
            skipSpace();
            take(':');
            Object value = value();
            if (result.containsKey(key)) {
                throw new JsonException("'" + key + "' is listed twice, the second time at character " + start);
            }
            result.put(key, value);
            skipSpace();
            if (peek() == '}') {
                return leave(result);
            }
            take(',');
        }
    }

    private List<@Nullable Object> array() throws JsonException {
        List<@Nullable Object> result = new ArrayList<>();
        enter();
        skipSpace();
        if (peek() == ']') {
            return leave(result);
        }
        while (true) {
            result.add(value());
            skipSpace();
            if (peek() == ']') {
                return leave(result);
            }
            take(',');
        }
    }

    private void enter() throws JsonException {
        if (++depth > MAX_DEPTH) {
            throw new JsonException("more than " + MAX_DEPTH + " levels of nesting at character " + position);
        }
        position++;
    }

    private <T> T leave(T result) {
        depth--;
        position++;
        return result;
    }

    private String string() throws JsonException {
        take('"');
        StringBuilder result = new StringBuilder();
        while (true) {
            char c = peek();
            if (c < 0x20) {
                throw expected("a closing quotation mark");
            }
            position++;
            if (c == '"') {
                return result.toString();
            }
            result.append(c == '\\' ? escape() : c);
        }
    }

    private char escape() throws JsonException {
        char c = peek();
        position++;
        switch (c) {
            case '"', '\\', '/':
                return c;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    int digit = Character.digit(peek(), 16);
                    if (digit < 0) {
                        throw expected("four hexadecimal digits");
                    }
                    code = code * 16 + digit;
                    position++;
                }
                return (char) code;
            default:
                position--;
                throw expected("an escaped character");
        }
    }

    private Number number() throws JsonException {
        int start = position;
        boolean whole = true;
        while (position < text.length() && "+-.eE0123456789".indexOf(text.charAt(position)) >= 0) {
            whole &= ".eE".indexOf(text.charAt(position)) < 0;
            position++;
        }
        String digits = text.substring(start, position);
        if (!digits.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            position = start;
            throw expected("a value");
        }
        try {
            return whole ? (Number) Long.valueOf(digits) : Double.valueOf(digits);
        } catch (NumberFormatException e) {
            throw new JsonException("the number " + digits + " at character " + start + " is too large");
        }
    }

    private @Nullable Object word(String word, @Nullable Object value) throws JsonException {
        if (!text.startsWith(word, position)) {
            throw expected("a value");
        }
        position += word.length();
        return value;
    }

    private void take(char c) throws JsonException {
        if (peek() != c) {
            throw expected("'" + c + "'");
        }
        position++;
    }

    /** The next character; the null character, which no JSON contains bare, at the end. */
    private char peek() {
        return position < text.length() ? text.charAt(position) : '\0';
    }

    private void skipSpace() {
        while (position < text.length() && " \t\n\r".indexOf(text.charAt(position)) >= 0) {
            position++;
        }
    }

    private JsonException expected(String what) {
        String found = position >= text.length() ? "the end" : "'" + text.charAt(position) + "'";
        return new JsonException("expected " + what + " at character " + position + ", found " + found);
    }

    /** Quotes a text as a JSON string. */
    public static String quote(String text) {
        StringBuilder result = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                result.append('\\').append(c);
            } else if (c < 0x20 || Character.isSurrogate(c)) {
                result.append("\\u").append(Character.forDigit(c >> 12, 16));
                result.append(Character.forDigit(c >> 8 & 15, 16));
                result.append(Character.forDigit(c >> 4 & 15, 16));
                result.append(Character.forDigit(c & 15, 16));
            } else {
                result.append(c);
            }
        }
        return result.append('"').toString();
    }

    /** The text isn't JSON, or not what we take for it. */
    public static final class JsonException extends Exception {
        private static final long serialVersionUID = 1L;

        private JsonException(String message) {
            super(message);
        }
    }
}
