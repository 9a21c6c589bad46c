package dev.loupe.hook;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Json;
import dev.loupe.graph.Axis;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Interventions as text: {@code blocks.2.attn.hook_z[:, -1, 3] = 0}. */
final class InterventionText {

    private static final String FORM =
            "An intervention is written POINT[SELECTION] = VALUE, or with +=, -=, *=, or POINT stop;"
                    + " for example: resid_post1[pos=last] += 0.5 * vectors.safetensors:honesty";
    private static final String NUMBER = "[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf|nan";
    private static final Pattern FACTOR = Pattern.compile("(" + NUMBER + ")\\s*\\*\\s*(.+)", Pattern.DOTALL);
    private static final Pattern TENSOR = Pattern.compile("([a-z0-9]+)\\[([0-9, ]*)]\\((.*)\\)", Pattern.DOTALL);
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9._/\\\\-]+");

    private final String text;

    InterventionText(String text) {
        this.text = text;
    }

    // Reading.

    Intervention parse() {
        String stripped = text.strip();
        if (stripped.endsWith(" stop") || stripped.endsWith("]stop")) {
            return target(stripped.substring(0, stripped.length() - 4), new Intervention.Stop());
        }
        int equals = operator(stripped);
        char before = equals > 0 ? stripped.charAt(equals - 1) : ' ';
        String value = stripped.substring(equals + 1).strip();
        String left = stripped.substring(0, "+-*".indexOf(before) >= 0 ? equals - 1 : equals);
        if (before == '*' && !left.isEmpty() && !left.endsWith(" ") && !left.endsWith("]")) {
            throw bad("put a space before *=, which may else be part of a pattern");
        }
        return target(left, action(before, value));
    }

    /** The place of the = that isn't within a selection. */
    private int operator(String line) {
        int depth = 0;
        boolean quoted = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"' && depth > 0) {
                quoted = !quoted;
            } else if (c == '\\' && quoted) {
                i++;
            } else if (!quoted && c == '[') {
                depth++;
            } else if (!quoted && c == ']') {
                depth--;
            } else if (c == '=' && depth == 0) {
                return i;
            }
        }
        throw bad("there is no =, +=, -=, *= or stop");
    }

    private Intervention target(String left, Intervention.Action action) {
        String target = left.strip();
        int bracket = target.indexOf('[');
        String point = (bracket < 0 ? target : target.substring(0, bracket)).strip();
        if (point.isEmpty()) {
            throw bad("there is no hook point");
        }
        // "resid_post 1" is the short name and the layer.
        String name = point.replaceAll("\\s+", "");
        if (bracket < 0) {
            return new Intervention(name, Selection.ALL, action);
        }
        if (!target.endsWith("]")) {
            throw bad("the selection has no closing bracket");
        }
        List<Selection.Part> parts = new ArrayList<>();
        for (String part : split(target.substring(bracket + 1, target.length() - 1), ',')) {
            parts.add(part(part.strip()));
        }
        return new Intervention(name, new Selection(parts), action);
    }

    private Selection.Part part(String part) {
        for (Selection.Which which : Selection.Which.values()) {
            if (part.startsWith(which.text() + "=")) {
                return new Selection.Part(
                        which, places(part.substring(which.text().length() + 1)));
            }
        }
        if (part.matches("[a-z_]+=.*")) {
            throw bad("'" + part + "' names no axis; there are batch, pos, key, head, dim");
        }
        return new Selection.Part(null, places(part));
    }

    /** Places of an axis from their text. */
    Selection.Places places(String part) {
        String places = part.strip();
        if (places.equals(":")) {
            return new Selection.All();
        } else if (places.equals("none")) {
            return new Selection.At(List.of());
        } else if (places.equals("last")) {
            return new Selection.LastReal();
        } else if (places.startsWith("\"")) {
            return new Selection.OfToken(quoted(places));
        } else if (places.startsWith("each(") && places.endsWith(")")) {
            return new Selection.EachRow(numbers(places.substring(5, places.length() - 1)));
        } else if (places.startsWith("prompt(") && places.endsWith(")")) {
            return new Selection.OfPrompt(numbers(places.substring(7, places.length() - 1)));
        } else if (places.contains(":")) {
            String[] bounds = places.split(":", -1);
            if (bounds.length > 3) {
                throw bad("'" + places + "' is no range; write start:end or start:end:step");
            }
            long start = bounds[0].isBlank() ? 0 : number(bounds[0]);
            long end = bounds[1].isBlank() ? Long.MAX_VALUE : number(bounds[1]);
            long step = bounds.length < 3 || bounds[2].isBlank() ? 1 : number(bounds[2]);
            if (step < 1) {
                throw bad("the step of '" + places + "' must be 1 or more");
            }
            return new Selection.Range(start, end, step);
        }
        if (places.isEmpty()) {
            throw bad("a selection has an axis without places; write : for all of them");
        }
        return new Selection.At(numbers(places));
    }

    private List<Long> numbers(String list) {
        List<Long> numbers = new ArrayList<>();
        if (list.isEmpty()) {
            return numbers;
        }
        for (String number : list.split("\\|", -1)) {
            numbers.add(number(number));
        }
        return numbers;
    }

    private long number(String number) {
        try {
            return Long.parseLong(number.strip());
        } catch (NumberFormatException e) {
            throw bad("'" + number.strip()
                    + "' is no place; write a number, start:end, 1|4|7, last, each(3|5), prompt(0|-1)"
                    + " or a token in quotation marks");
        }
    }

    private Intervention.Action action(char operator, String value) {
        switch (operator) {
            case '*':
                return new Intervention.Scale(decimal(value));
            case '+':
                return new Intervention.Add(values(value));
            case '-':
                String directions = inside(value, "proj");
                if (directions != null) {
                    return new Intervention.ProjectOut(values(directions));
                }
                Intervention.Values taken = values(value);
                return new Intervention.Add(
                        new Intervention.Values(-taken.factor(), taken.numbers(), taken.file(), taken.name()));
            default:
                String axes = inside(value, "mean");
                if (axes != null) {
                    return new Intervention.Mean(axes(axes));
                }
                String file = inside(value, "patch");
                if (file != null) {
                    return new Intervention.Patch(null, file.startsWith("\"") ? quoted(file) : file);
                }
                return value.equals("0") ? new Intervention.Zero() : new Intervention.Set(values(value));
        }
    }

    private static @Nullable String inside(String value, String word) {
        boolean fits = value.startsWith(word + "(") && value.endsWith(")");
        return fits ? value.substring(word.length() + 1, value.length() - 1).strip() : null;
    }

    private List<Axis> axes(String names) {
        List<Axis> axes = new ArrayList<>();
        for (String name : names.split(",", -1)) {
            try {
                axes.add(InterventionValues.axis(name.strip()));
            } catch (IllegalArgumentException e) {
                throw bad(e.getMessage());
            }
        }
        return axes;
    }

    private Intervention.Values values(String value) {
        if (value.isEmpty()) {
            throw bad("there is no value");
        }
        if (value.matches(NUMBER)) {
            return Intervention.Values.of(decimal(value));
        }
        Matcher scaled = FACTOR.matcher(value);
        double factor = scaled.matches() ? decimal(scaled.group(1)) : 1;
        String rest = scaled.matches() ? scaled.group(2).strip() : value;
        if (rest.startsWith("-") && !scaled.matches()) {
            factor = -1;
            rest = rest.substring(1).strip();
        }
        Matcher tensor = TENSOR.matcher(rest);
        if (tensor.matches()) {
            return new Intervention.Values(factor, tensor(tensor), null, null);
        }
        List<String> parts = split(rest, ':');
        if (parts.size() < 2) {
            throw bad("'" + value + "' is no value; write a number, FILE.safetensors:NAME, mean(pos) or patch(FILE)");
        }
        // A drive letter may stand in front: the name is behind the last colon.
        String name = parts.get(parts.size() - 1).strip();
        String file = String.join(":", parts.subList(0, parts.size() - 1)).strip();
        return new Intervention.Values(factor, null, unquoted(file), unquoted(name));
    }

    private HostTensor tensor(Matcher tensor) {
        String sizes = tensor.group(2).strip();
        long[] shape = sizes.isEmpty()
                ? new long[0]
                : Arrays.stream(sizes.split(",", -1)).mapToLong(this::number).toArray();
        String body = tensor.group(3).strip();
        double[] numbers = body.isEmpty()
                ? new double[0]
                : Arrays.stream(body.split("\\s+")).mapToDouble(this::decimal).toArray();
        try {
            return InterventionValues.tensor(tensor.group(1), shape, numbers);
        } catch (IllegalArgumentException e) {
            throw bad(e.getMessage());
        }
    }

    private double decimal(String number) {
        String stripped = number.strip();
        Double unusual = InterventionValues.unusual(stripped);
        if (unusual != null) {
            return unusual;
        } else if (!stripped.matches(NUMBER)) {
            throw bad("'" + stripped + "' is no number");
        }
        return Double.parseDouble(stripped);
    }

    private String unquoted(String word) {
        String result = word.startsWith("\"") ? quoted(word) : word;
        if (result.isEmpty()) {
            throw bad("a file and a name are needed: FILE.safetensors:NAME");
        }
        return result;
    }

    private String quoted(String word) {
        try {
            if (Json.parse(word) instanceof String string) {
                return string;
            }
        } catch (Json.JsonException e) {
            throw bad(word + ": " + e.getMessage());
        }
        throw bad(word + " is no text in quotation marks");
    }

    /** Splits outside quotation marks and parentheses. */
    private static List<String> split(String line, char separator) {
        List<String> parts = new ArrayList<>();
        StringBuilder part = new StringBuilder();
        boolean quoted = false;
        int depth = 0;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '\\' && quoted && i + 1 < line.length()) {
                part.append(c).append(line.charAt(++i));
                continue;
            }
            quoted ^= c == '"';
            depth += quoted ? 0 : c == '(' ? 1 : c == ')' ? -1 : 0;
            if (c == separator && !quoted && depth == 0) {
                parts.add(part.toString());
                part.setLength(0);
            } else {
                part.append(c);
            }
        }
        parts.add(part.toString());
        return parts;
    }

    private IllegalArgumentException bad(@Nullable String why) {
        String shown = text.length() > 200 ? text.substring(0, 200) + "…" : text;
        return new IllegalArgumentException("Can't read the intervention '" + shown + "': " + why + ". " + FORM);
    }

    // Writing.

    static String write(Intervention intervention) {
        return intervention.point() + intervention.selection() + " " + write(intervention.action());
    }

    private static String write(Intervention.Action action) {
        if (action instanceof Intervention.Zero) {
            return "= 0";
        } else if (action instanceof Intervention.Set set) {
            return "= " + write(set.value());
        } else if (action instanceof Intervention.Add add) {
            return "+= " + write(add.value());
        } else if (action instanceof Intervention.Scale scale) {
            return "*= " + InterventionValues.text(scale.factor());
        } else if (action instanceof Intervention.Mean mean) {
            StringJoiner axes = new StringJoiner(", ", "= mean(", ")");
            mean.axes().forEach(axis -> axes.add(InterventionValues.word(axis)));
            return axes.toString();
        } else if (action instanceof Intervention.Patch patch) {
            String file = patch.file();
            return file == null ? "= patch(another run, in memory)" : "= patch(" + word(file) + ")";
        } else if (action instanceof Intervention.ProjectOut out) {
            return "-= proj(" + write(out.directions()) + ")";
        } else if (action instanceof Intervention.Stop) {
            return "stop";
        }
        return "= a function, which has no text";
    }

    private static String write(Intervention.Values values) {
        if (values.isNumber()) {
            return InterventionValues.text(values.factor());
        }
        String factor = values.factor() == 1 ? "" : InterventionValues.text(values.factor()) + " * ";
        HostTensor numbers = values.numbers();
        if (numbers == null) {
            return factor + word(String.valueOf(values.file())) + ":" + word(String.valueOf(values.name()));
        }
        StringBuilder text = new StringBuilder(factor)
                .append(numbers.dtype().label())
                .append(numbers.shape().toString().replace(" ", ""))
                .append('(');
        double[] all = numbers.toDoubleArray();
        for (int i = 0; i < all.length; i++) {
            text.append(i == 0 ? "" : " ").append(InterventionValues.text(all[i]));
        }
        return text.append(')').toString();
    }

    private static String word(String word) {
        return PLAIN.matcher(word).matches() ? word : Json.quote(word);
    }
}
