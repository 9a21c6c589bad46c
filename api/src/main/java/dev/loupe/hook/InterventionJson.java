package dev.loupe.hook;

import dev.loupe.array.HostTensor;
import dev.loupe.array.Json;
import dev.loupe.graph.Axis;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * Interventions as JSON: {@code {"point": …, "selection": [{"axis": …, "places": …}], "action": …, …}}. Places are
 * written as in texts.
 */
final class InterventionJson {

    private InterventionJson() {}

    static String write(Intervention intervention) {
        StringJoiner object = new StringJoiner(", ", "{", "}");
        object.add("\"point\": " + Json.quote(intervention.point()));
        if (!intervention.selection().parts().isEmpty()) {
            StringJoiner parts = new StringJoiner(", ", "[", "]");
            for (Selection.Part part : intervention.selection().parts()) {
                Selection.Which which = part.which();
                parts.add("{" + (which == null ? "" : "\"axis\": " + Json.quote(which.text()) + ", ") + "\"places\": "
                        + Json.quote(part.places().toString()) + "}");
            }
            object.add("\"selection\": " + parts);
        }
        action(intervention, object);
        return object.toString();
    }

    private static void action(Intervention intervention, StringJoiner object) {
        Intervention.Action action = intervention.action();
        if (action instanceof Intervention.Zero) {
            object.add("\"action\": \"zero\"");
        } else if (action instanceof Intervention.Set set) {
            object.add("\"action\": \"set\"").add("\"value\": " + values(set.value()));
        } else if (action instanceof Intervention.Add add) {
            object.add("\"action\": \"add\"").add("\"value\": " + values(add.value()));
        } else if (action instanceof Intervention.Scale scale) {
            object.add("\"action\": \"scale\"").add("\"factor\": " + number(scale.factor()));
        } else if (action instanceof Intervention.Mean mean) {
            StringJoiner axes = new StringJoiner(", ", "[", "]");
            mean.axes().forEach(axis -> axes.add(Json.quote(InterventionValues.word(axis))));
            object.add("\"action\": \"mean\"").add("\"axes\": " + axes);
        } else if (action instanceof Intervention.Patch patch && patch.file() != null) {
            object.add("\"action\": \"patch\"").add("\"file\": " + Json.quote(patch.file()));
        } else if (action instanceof Intervention.ProjectOut out) {
            object.add("\"action\": \"project_out\"").add("\"directions\": " + values(out.directions()));
        } else if (action instanceof Intervention.Stop) {
            object.add("\"action\": \"stop\"");
        } else {
            throw new IllegalStateException("'" + intervention + "' can't be written as JSON: its action is "
                    + (action instanceof Intervention.Patch
                            ? "a patch from memory; save the cache and patch from its file"
                            : "a function; use the actions that are data"));
        }
    }

    private static String values(Intervention.Values values) {
        StringJoiner object = new StringJoiner(", ", "{", "}");
        if (values.isNumber()) {
            return number(values.factor());
        }
        object.add("\"factor\": " + number(values.factor()));
        HostTensor numbers = values.numbers();
        if (numbers == null) {
            object.add("\"file\": " + Json.quote(String.valueOf(values.file())));
            object.add("\"name\": " + Json.quote(String.valueOf(values.name())));
        } else {
            object.add("\"dtype\": " + Json.quote(numbers.dtype().label()));
            object.add("\"shape\": " + numbers.shape());
            StringJoiner all = new StringJoiner(", ", "[", "]");
            for (double element : numbers.toDoubleArray()) {
                all.add(number(element));
            }
            object.add("\"numbers\": " + all);
        }
        return object.toString();
    }

    private static String number(double number) {
        return Double.isFinite(number) ? Double.toString(number) : Json.quote(InterventionValues.text(number));
    }

    static Intervention read(String json) {
        try {
            return of(Json.parse(json));
        } catch (Json.JsonException e) {
            throw new IllegalArgumentException("This is no intervention: " + e.getMessage(), e);
        }
    }

    /** An intervention of JSON that has been read. */
    static Intervention of(@Nullable Object json) {
        Map<?, ?> object = object(json, "an intervention");
        String point = string(object, "point");
        List<Selection.Part> parts = new ArrayList<>();
        Object selection = object.get("selection");
        if (selection != null) {
            for (Object part : list(selection, "selection")) {
                parts.add(part(object(part, "a part of the selection")));
            }
        }
        return new Intervention(point, new Selection(parts), action(object));
    }

    private static Selection.Part part(Map<?, ?> part) {
        Selection.Places places = new InterventionText(string(part, "places")).places(string(part, "places"));
        Object axis = part.get("axis");
        if (axis == null) {
            return new Selection.Part(null, places);
        }
        for (Selection.Which which : Selection.Which.values()) {
            if (which.text().equals(axis)) {
                return new Selection.Part(which, places);
            }
        }
        throw bad("the axis " + axis + " is none of batch, pos, key, head, dim");
    }

    private static Intervention.Action action(Map<?, ?> object) {
        String action = string(object, "action");
        return switch (action) {
            case "zero" -> new Intervention.Zero();
            case "set" -> new Intervention.Set(values(object.get("value"), "value"));
            case "add" -> new Intervention.Add(values(object.get("value"), "value"));
            case "scale" -> new Intervention.Scale(number(object.get("factor"), "factor"));
            case "mean" -> {
                List<Axis> axes = new ArrayList<>();
                for (Object axis : list(object.get("axes"), "axes")) {
                    try {
                        axes.add(InterventionValues.axis(String.valueOf(axis)));
                    } catch (IllegalArgumentException e) {
                        throw bad(e.getMessage());
                    }
                }
                yield new Intervention.Mean(axes);
            }
            case "patch" -> new Intervention.Patch(null, string(object, "file"));
            case "project_out" -> new Intervention.ProjectOut(values(object.get("directions"), "directions"));
            case "stop" -> new Intervention.Stop();
            default ->
                throw bad("there is no action '" + action
                        + "'; there are zero, set, add, scale, mean, patch, project_out, stop");
        };
    }

    private static Intervention.Values values(@Nullable Object value, String key) {
        if (!(value instanceof Map<?, ?> object)) {
            return Intervention.Values.of(number(value, key));
        }
        double factor = object.containsKey("factor") ? number(object.get("factor"), "factor") : 1;
        if (object.containsKey("file")) {
            return new Intervention.Values(factor, null, string(object, "file"), string(object, "name"));
        }
        long[] shape = list(object.get("shape"), "shape").stream()
                .mapToLong(size -> (long) number(size, "shape"))
                .toArray();
        double[] numbers = list(object.get("numbers"), "numbers").stream()
                .mapToDouble(number -> number(number, "numbers"))
                .toArray();
        try {
            return new Intervention.Values(
                    factor, InterventionValues.tensor(string(object, "dtype"), shape, numbers), null, null);
        } catch (IllegalArgumentException e) {
            throw bad(e.getMessage());
        }
    }

    private static double number(@Nullable Object value, String key) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        Double unusual = value instanceof String word ? InterventionValues.unusual(word) : null;
        if (unusual != null) {
            return unusual;
        }
        throw bad("'" + key + "' should be a number, found " + value);
    }

    private static String string(Map<?, ?> object, String key) {
        if (object.get(key) instanceof String text) {
            return text;
        }
        throw bad("'" + key + "' should be a text, found " + object.get(key));
    }

    private static List<?> list(@Nullable Object value, String key) {
        if (value instanceof List<?> list) {
            return list;
        }
        throw bad("'" + key + "' should be a list, found " + value);
    }

    private static Map<?, ?> object(@Nullable Object value, String what) {
        if (value instanceof Map<?, ?> object) {
            return object;
        }
        throw bad("expected " + what + ", an object, found " + value);
    }

    private static IllegalArgumentException bad(@Nullable String why) {
        return new IllegalArgumentException("This is no intervention in JSON: " + why);
    }
}
