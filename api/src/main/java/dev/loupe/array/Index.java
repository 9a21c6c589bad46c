package dev.loupe.array;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Which part of an axis is meant. Used through {@link #at}: {@code activation.get(at(all(), 5, range(0, 3)))}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public sealed interface Index {

    /** The whole axis. */
    record All() implements Index {}

    /** One place, which drops the axis; negative from the end. */
    record One(long position) implements Index {}

    /** {@code start:end:step}, as in Python; the step is positive. */
    record Range(long start, long end, long step) implements Index {}

    /** Chosen places in a given order; negative from the end. */
    record Pick(List<Long> positions) implements Index {
        /** Copies the positions. */
        public Pick {
            positions = List.copyOf(positions);
        }
    }

    /** As many whole axes as are needed to fill up the rank. */
    record Ellipsis() implements Index {}

    /**
     * Indices for the leading axes of a tensor; axes that aren't mentioned are taken whole.
     *
     * @param indices one for each axis; at most one of them an ellipsis
     */
    record Selection(List<Index> indices) {
        /** Copies the list. */
        public Selection {
            indices = List.copyOf(indices);
            if (indices.stream().filter(Ellipsis.class::isInstance).count() > 1) {
                throw new IllegalArgumentException("At most one ellipsis fits in " + indices);
            }
        }

        /** One index for each axis, the ellipsis and what was left out written as whole axes. */
        public List<Index> complete(Shape shape) {
            int named = (int) indices.stream()
                    .filter(index -> !(index instanceof Ellipsis))
                    .count();
            if (named > shape.rank()) {
                throw new IndexOutOfBoundsException(
                        named + " indices " + indices + " for a tensor of rank " + shape.rank() + " " + shape);
            }
            List<Index> full = new ArrayList<>();
            boolean open = true;
            for (Index index : indices) {
                if (index instanceof Ellipsis) {
                    open = false;
                    for (int i = named; i < shape.rank(); i++) {
                        full.add(new All());
                    }
                } else {
                    full.add(index);
                }
            }
            while (open && full.size() < shape.rank()) {
                full.add(new All());
            }
            return full;
        }
    }

    /** The whole axis: Python's {@code :}. */
    static Index all() {
        return new All();
    }

    /** {@code start:end}. */
    static Index range(long start, long end) {
        return new Range(start, end, 1);
    }

    /** {@code start:end:step}. */
    static Index range(long start, long end, long step) {
        if (step < 1) {
            throw new IllegalArgumentException("A step must be positive, got " + step);
        }
        return new Range(start, end, step);
    }

    /** {@code start:}. */
    static Index from(long start) {
        return new Range(start, Long.MAX_VALUE, 1);
    }

    /** Chosen places. */
    static Index pick(long... positions) {
        return new Pick(Arrays.stream(positions).boxed().toList());
    }

    /** Python's {@code ...}. */
    static Index ellipsis() {
        return new Ellipsis();
    }

    /**
     * Indices for several axes: each an {@link Index}, or a whole number for one place.
     *
     * @throws IllegalArgumentException if one is neither
     */
    static Selection at(Object... parts) {
        List<Index> indices = new ArrayList<>();
        for (Object part : parts) {
            if (part instanceof Index index) {
                indices.add(index);
            } else if (part instanceof Integer || part instanceof Long) {
                indices.add(new One(((Number) part).longValue()));
            } else {
                throw new IllegalArgumentException(
                        "An index is a whole number, or all(), range(), pick(), ellipsis(); got " + part);
            }
        }
        return new Selection(indices);
    }

    /** The place counted from 0, or an error that says what was asked and how long the axis is. */
    public static long resolve(long position, long size, int axis) {
        long result = position < 0 ? position + size : position;
        if (result < 0 || result >= size) {
            throw new IndexOutOfBoundsException(
                    "There is no position " + position + " on axis " + axis + ", whose size is " + size);
        }
        return result;
    }
}
