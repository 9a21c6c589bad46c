package dev.loupe.graph.pass;

import dev.loupe.graph.Op;
import dev.loupe.graph.Value;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The derivative of one kind of operation, as a vector-Jacobian product: given the derivatives of a scalar with respect
 * to the operation's outputs, those with respect to its inputs.
 */
@FunctionalInterface
interface Vjp<T extends Op> {

    /**
     * Adds what computes the derivatives to the graph.
     *
     * @return one for each input, of the input's type; null where the operation has no derivative, or where nobody needs
     *     it. A list that is too short stands for nulls at the end.
     */
    List<@Nullable Value> pull(T op, VjpSite at);

    /** The derivative of an operation with one output and one input that numbers flow through. */
    @FunctionalInterface
    interface OfOne<T extends Op> {

        /**
         * Adds what computes the derivative with respect to the first input.
         *
         * @param g the derivative with respect to the output
         */
        @Nullable
        Value pull(T op, VjpSite at, Value g);
    }

    /** The derivatives of an operation with one output and several inputs. */
    @FunctionalInterface
    interface OfSeveral<T extends Op> {

        /**
         * Adds what computes the derivatives.
         *
         * @param g the derivative with respect to the output
         */
        List<@Nullable Value> pull(T op, VjpSite at, Value g);
    }
}
