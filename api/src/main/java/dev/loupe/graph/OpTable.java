package dev.loupe.graph;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A table with a line for each kind of operation: how it is computed, written down, derived, judged. Whoever handles
 * operations by kind fills one of these once and looks up in it, in one step however many kinds there are. Filled by one
 * thread; afterwards safe for use from many.
 *
 * @param <C> what a line is told beside the operation, such as its operands
 * @param <R> what it gives
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class OpTable<C, R> {

    /**
     * A line of the table.
     *
     * @param <T> the kind of operation
     * @param <C> what it is told beside the operation
     * @param <R> what it gives
     */
    @FunctionalInterface
    public interface Line<T extends Op, C, R> {

        /** Handles an operation. */
        R apply(T op, C context);
    }

    private final Map<Class<? extends Op>, Line<? extends Op, C, R>> lines = new HashMap<>();

    /** An empty table. */
    public OpTable() {}

    /**
     * Enters the line for a kind of operation.
     *
     * @return this table
     * @throws IllegalStateException if the kind has a line
     */
    public <T extends Op> OpTable<C, R> line(Class<T> kind, Line<T, C, R> line) {
        if (lines.put(kind, line) != null) {
            throw new IllegalStateException("The table has two lines for " + kind.getSimpleName());
        }
        return this;
    }

    /** Whether an operation's kind has a line. */
    public boolean has(Op op) {
        return lines.containsKey(op.getClass());
    }

    /** The kinds that have a line. */
    public Set<Class<? extends Op>> kinds() {
        return Set.copyOf(lines.keySet());
    }

    /** What the operation's line gives; null if its kind has none. */
    public @Nullable R find(Op op, C context) {
        Line<? extends Op, C, R> line = lines.get(op.getClass());
        return line == null ? null : apply(line, op, context);
    }

    /**
     * What the operation's line gives.
     *
     * @throws UnsupportedOperationException if its kind has none
     */
    public R apply(Op op, C context) {
        Line<? extends Op, C, R> line = lines.get(op.getClass());
        if (line == null) {
            throw new UnsupportedOperationException("There is no line for the operation " + op);
        }
        return apply(line, op, context);
    }

    @SuppressWarnings("unchecked") // a line is entered under the class of its operations
    private static <T extends Op, C, R> R apply(Line<T, C, R> line, Op op, C context) {
        return line.apply((T) op, context);
    }
}
