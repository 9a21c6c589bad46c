package dev.loupe.graph.pass;

import dev.loupe.graph.GraphFunction;

/** What happens to an activation at a hook point. */
public sealed interface Change {

    /**
     * Java code, which no pass sees into.
     *
     * @param number which of the point's pieces of code it is, from 0
     */
    record Code(int number) implements Change {}

    /** A function that becomes part of the graph. */
    record Function(GraphFunction function) implements Change {}
}
