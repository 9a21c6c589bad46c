package dev.loupe.hook;

import dev.loupe.array.Json;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Which part of an activation is meant: for some of its axes, which places. Axes that aren't mentioned are taken whole.
 * Axes are told by what they count, or by their order: {@code [pos=last, head=3]} and {@code [:, last, 3]} are the same
 * at {@code hook_z}, {@code [batch, pos, head, d_head]}.
 *
 * @param parts in the order in which they were given
 */
@API(status = API.Status.STABLE, since = "0.1")
public record Selection(List<Part> parts) {

    /** The whole activation. */
    public static final Selection ALL = new Selection(List.of());

    /** Copies the list. */
    public Selection {
        parts = List.copyOf(parts);
    }

    /** How an axis can be told. */
    public enum Which {
        /** The sequences of the batch. */
        BATCH("batch"),
        /** Positions; in scores and patterns those that look. */
        POS("pos"),
        /** In scores and patterns, the positions that are looked at. */
        KEY("key"),
        /** Heads. */
        HEAD("head"),
        /** The last axis. */
        DIM("dim");

        private final String text;

        Which(String text) {
            this.text = text;
        }

        /** The word for it in texts. */
        public String text() {
            return text;
        }

        private int of(HookPoint point) {
            List<Axis> axes = point.axes();
            return switch (this) {
                case BATCH -> axes.indexOf(Axis.BATCH);
                case POS -> point.positionAxis();
                case KEY -> axes.indexOf(Axis.KEY);
                case HEAD -> point.headAxis();
                case DIM -> axes.size() - 1;
            };
        }
    }

    /** Places of an axis. */
    public sealed interface Places {}

    /** The whole axis. */
    public record All() implements Places {
        @Override
        public String toString() {
            return ":";
        }
    }

    /** Chosen places; negative from the end. */
    public record At(List<Long> places) implements Places {
        /** Copies the list. */
        public At {
            places = List.copyOf(places);
        }

        @Override
        public String toString() {
            return places.isEmpty() ? "none" : joined(places);
        }
    }

    /** {@code start:end:step}, as in Python; a missing end is {@link Long#MAX_VALUE}. */
    public record Range(long start, long end, long step) implements Places {
        @Override
        public String toString() {
            return (start == 0 ? "" : start) + ":" + (end == Long.MAX_VALUE ? "" : end) + (step == 1 ? "" : ":" + step);
        }
    }

    /** Each sequence's last real position, whatever side is padded. */
    public record LastReal() implements Places {
        @Override
        public String toString() {
            return "last";
        }
    }

    /** One position for each sequence of the batch. */
    public record EachRow(List<Long> places) implements Places {
        /** Copies the list. */
        public EachRow {
            places = List.copyOf(places);
        }

        @Override
        public String toString() {
            return "each(" + joined(places) + ")";
        }
    }

    /**
     * Real tokens of each sequence's prompt, counted from its first one, or from its last one if negative, whatever side
     * is padded. The prompt is what a run is given; in a generation what its first step is given, so that what is
     * generated isn't chosen.
     */
    public record OfPrompt(List<Long> places) implements Places {
        /** Copies the list. */
        public OfPrompt {
            places = List.copyOf(places);
        }

        @Override
        public String toString() {
            return "prompt(" + joined(places) + ")";
        }
    }

    /** The positions of a token, by its text. */
    public record OfToken(String token) implements Places {
        @Override
        public String toString() {
            return Json.quote(token);
        }
    }

    private static String joined(List<Long> places) {
        return places.stream().map(String::valueOf).collect(Collectors.joining("|"));
    }

    /**
     * Places of one axis.
     *
     * @param which the axis; null for the one in this part's place among the parts
     */
    public record Part(@Nullable Which which, Places places) {
        @Override
        public String toString() {
            return (which == null ? "" : which.text() + "=") + places;
        }
    }

    /** This and places of another axis. */
    public Selection and(Which which, Places places) {
        List<Part> more = new ArrayList<>(parts);
        more.add(new Part(which, places));
        return new Selection(more);
    }

    /**
     * The chosen places by number of axis.
     *
     * @throws IllegalArgumentException if the point doesn't have such an axis, or one is told twice
     */
    public Map<Integer, Places> axes(HookPoint point) {
        Map<Integer, Places> axes = new LinkedHashMap<>();
        for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            int axis = part.which() == null ? i : part.which().of(point);
            if (axis < 0 || axis >= point.axes().size()) {
                throw new IllegalArgumentException("The selection " + this + " doesn't fit " + point + " "
                        + point.axes() + ": it has no axis for '" + part + "'");
            }
            boolean perRow = part.places() instanceof LastReal
                    || part.places() instanceof EachRow
                    || part.places() instanceof OfPrompt
                    || part.places() instanceof OfToken;
            if (perRow && !point.axes().get(axis).isPosition() && point.axes().get(axis) != Axis.KEY) {
                throw new IllegalArgumentException("'" + part + "' in " + this + " chooses positions, but axis " + axis
                        + " of " + point + " counts " + point.axes().get(axis) + "; its axes are " + point.axes());
            }
            if (axes.put(axis, part.places()) != null) {
                throw new IllegalArgumentException(
                        "The selection " + this + " tells axis " + axis + " of " + point + " twice");
            }
        }
        axes.values().removeIf(All.class::isInstance);
        return axes;
    }

    /** {@code [:, last, 3]}, or nothing where the whole is meant. */
    @Override
    public String toString() {
        StringJoiner text = new StringJoiner(", ", "[", "]");
        parts.forEach(part -> text.add(part.toString()));
        return parts.isEmpty() ? "" : text.toString();
    }
}
